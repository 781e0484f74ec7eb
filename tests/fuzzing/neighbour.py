"""The one server that the fuzzed deployment may call: it takes everything, and gives a picture to whoever sends nothing."""

from __future__ import annotations

import base64

from tests.services.receiver import Answer, Received, Receiver

#: One transparent point.
PICTURE = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==")


def neighbour() -> Receiver:
    return Receiver(answer)


def answer(received: Received) -> Answer:
    if received.body:
        return Answer(200, {"Content-Type": "application/json"}, b"{}")
    return Answer(200, {"Content-Type": "image/png"}, PICTURE)
