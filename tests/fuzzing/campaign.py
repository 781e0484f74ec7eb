"""Sends generated requests to every operation of a deployment, by ``./deploy/test --fuzz CASES``.

Half of them at most stand on the limits that the OpenAPI document names, the others are drawn; the same seed makes the same ones, but
for the ids in them. Ends with status 1 if one answer was not what it has to be.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from random import Random

import orjson
import requests
from schemathesis import APIOperation, Case

from tests.fuzzing import generating
from tests.fuzzing.enriching import Enriched
from tests.fuzzing.judging import faults
from tests.fuzzing.ledger import Ledger
from tests.fuzzing.scene import Scene, prepared
from tests.fuzzing.sending import Sender

#: Drawn requests to one operation before the next one has its turn.
TURN = 12

#: What a process of the product writes when it meets what nobody expected.
TRACEBACK = "Traceback (most recent call last)"

DELETES_APP = "DELETE /admin/v1/apps/{app}"


class Campaign:
    """At least ``cases`` requests, spread over all operations."""

    def __init__(self, scene: Scene, cases: int, seed: int = 1) -> None:
        self._scene = scene
        self._cases = cases
        self._seed = seed
        self._random = Random(seed)
        self._sender = Sender(scene.url)
        self._logged = 0
        self.ledger = Ledger()
        self.operations = generating.operations(generating.load(scene.url))

    def run(self) -> Ledger:
        for operation, cases in self._turns():
            for case in cases:
                self._send(operation.label, case)
            self._read_log(operation.label)
        self._sender.close()
        return self.ledger

    def _turns(self) -> Iterator[tuple[APIOperation, Sequence[Case]]]:
        share = self._cases // len(self.operations)
        for operation in self.operations:
            yield operation, self._edges(operation, share // 2)
        turn = 0
        while self.ledger.cases < self._cases:
            turn += 1
            for operation in self.operations:
                yield operation, generating.drawn(operation, min(TURN, max(3, share // 2)), self._seed * 1000 + turn)
            print(f"{self.ledger.cases} requests, {len(self.ledger.failures)} failures", flush=True)

    def _edges(self, operation: APIOperation, count: int) -> Sequence[Case]:
        cases = generating.edges(operation)
        return self._random.sample(cases, min(count, len(cases)))

    def _send(self, label: str, case: Case) -> None:
        sent = Enriched(case, self._scene, self._random)
        try:
            answer = self._sender.send(sent)
        except requests.RequestException as error:
            self.ledger.note_break(label)
            self.ledger.fail(label, f"connection: {type(error).__name__}", str(error)[:500], command(case))
            return
        if answer is None:
            self.ledger.unsendable += 1
            return
        self.ledger.note(label, answer.status_code, is_own=case.method == case.operation.method.upper())
        for kind, words in faults(sent, answer):
            self.ledger.fail(label, kind, words, command(case))
        if 200 <= answer.status_code < 300:
            self._learn(label, sent, answer.content)

    def _learn(self, label: str, sent: Enriched, content: bytes) -> None:
        known = sent.tenant.known
        if label == DELETES_APP and sent.case.method == "DELETE":
            self._scene.forget(sent.case.path_parameters["app"])
        elif sent.case.method == "DELETE":
            for name, value in sent.case.path_parameters.items():
                if name in ("key_id", "webhook_id", "schedule"):
                    known.forget(name, value)
        else:
            known.learn(sent.path, parsed(content))

    def _read_log(self, label: str) -> None:
        """Tracebacks since the last look, of the API and the worker. Raises ``RuntimeError`` if they have ended."""
        self._scene.server.process.check_alive()
        with self._scene.server.process.log.open("rb") as file:
            file.seek(self._logged)
            fresh = file.read().decode("utf-8", "replace")
            self._logged = file.tell()
        for part in fresh.split(TRACEBACK)[1:]:
            self.ledger.fail(label, "traceback", part[-1500:] if len(part) < 3000 else part[:3000], "in the log, beside its requests")


def parsed(content: bytes) -> object:
    try:
        return orjson.loads(content)
    except ValueError:
        return None


def command(case: Case) -> str:
    """A command for a shell; without the key, which the next deployment does not have."""
    try:
        return case.as_curl_command()[:700]
    except Exception as error:
        return f"{case!r} ({error})"[:700]


def main() -> int:
    parser = argparse.ArgumentParser(prog="deploy/test --fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=int, help="requests to send, 20000 for a release")
    parser.add_argument("--seed", type=int, default=1, help="another number draws other requests (1)")
    options = parser.parse_args()
    began = time.monotonic()
    with prepared() as scene:
        ledger = Campaign(scene, options.cases, options.seed).run()
    print(*ledger.lines(), sep="\n")
    print(f"Took {time.monotonic() - began:.0f} s.")
    return 1 if ledger.failures else 0


if __name__ == "__main__":
    sys.exit(main())
