"""The worker's talk with one execution, from the request to the verdict."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from worker.engine.ports import Cancellation
from worker.sandbox.bounds import Bounds
from worker.sandbox.protocol import VERDICT, End
from worker.sandbox.zygote import Zygote, ZygoteLost

#: Seconds behind the wall-clock limit after which a zygote that has not ended the execution counts as hanging.
GRACE_S = 10.0

READ_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Answer:
    end: End
    #: What ``End`` says of it.
    detail: int
    #: What the execution wrote. Nothing in it is to be trusted.
    data: bytes
    #: There is more than is allowed; the rest was not read.
    is_too_large: bool


class Cancel:
    """Asks the zygote to end an execution; from any thread, and harmless after it has ended."""

    def __init__(self, verdict: socket.socket) -> None:
        self._verdict: socket.socket | None = verdict
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock, suppress(OSError):
            if self._verdict is not None:
                self._verdict.shutdown(socket.SHUT_WR)

    def retire(self) -> None:
        with self._lock:
            self._verdict = None


def converse(zygote: Zygote, request: bytes, bounds: Bounds, cancellation: Cancellation) -> Answer:
    """Have a request executed. When this returns, the execution's process is gone. Raises ``ZygoteLost``."""
    deadline = time.monotonic() + bounds.wall_s + GRACE_S
    # The first byte says what the rest is.
    largest = bounds.answer_bytes + 1
    with zygote.started(bounds.wall_s) as (work, verdict):
        cancel = Cancel(verdict)
        forget = cancellation.on_cancel(cancel)
        try:
            _send(work, request, deadline)
            data = _receive(work, largest, deadline)
            if len(data) > largest:
                cancel()
            return Answer(*_receive_verdict(verdict, deadline), data, len(data) > largest)
        except TimeoutError as error:
            raise ZygoteLost("hangs") from error
        finally:
            forget()
            cancel.retire()


def _send(work: socket.socket, request: bytes, deadline: float) -> None:
    work.settimeout(_remaining(deadline))
    # Who ended before it had read all still gets a verdict.
    with suppress(ConnectionError):
        work.sendall(request)
        work.shutdown(socket.SHUT_WR)


def _receive(work: socket.socket, largest: int, deadline: float) -> bytes:
    """All that comes, or a little more than the largest answer has."""
    data = bytearray()
    while len(data) <= largest:
        work.settimeout(_remaining(deadline))
        try:
            part = work.recv(READ_BYTES)
        except ConnectionError:
            break
        if not part:
            break
        data += part
    return bytes(data)


def _receive_verdict(verdict: socket.socket, deadline: float) -> tuple[End, int]:
    verdict.settimeout(_remaining(deadline))
    try:
        message = verdict.recv(VERDICT.size)
    except ConnectionError as error:
        raise ZygoteLost("died") from error
    if len(message) != VERDICT.size:
        raise ZygoteLost("died")
    end, detail = VERDICT.unpack(message)
    return End(end), detail


def _remaining(deadline: float) -> float:
    """At least a moment: 0 would mean not to wait, but fail at once."""
    return max(deadline - time.monotonic(), 0.001)
