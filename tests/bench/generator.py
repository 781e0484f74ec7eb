"""Orders for the process that loads a server (load.py), and what it answers."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.bench.figures import percentile
from tests.services.client import RUN
from tests.services.penstock import ImportedApp

LOAD = Path(__file__).with_name("load.py")

#: What the answer to a run that went well contains.
SUCCEEDED = '"status":"succeeded"'


@dataclass(frozen=True, slots=True)
class Order:
    targets: Sequence[tuple[str, int]]
    #: One for each client, heads and bodies; client n sends request n again and again, to target n modulo the number of targets.
    requests: Sequence[str]
    seconds: float
    #: Seconds before them that do not count.
    warm_s: float = 0.5
    #: Seconds over which the clients begin, so that they do not go in step.
    ramp_s: float = 0.0
    #: What every right answer contains.
    expects: str = ""
    #: Requests altogether; 0: as many as there is time for.
    limit: int = 0
    #: Seconds that the last requests get to be answered.
    drain_s: float = 60.0
    #: Tokens of the answers are the times at which they were sent.
    has_clock: bool = False


@dataclass(frozen=True)
class Answer:
    order: Order
    #: Seconds from the first request to the end of each, in order.
    ended: list[float]
    #: Seconds that those took which ended after the warm-up; in a stream, to ``workflow_finished``.
    latencies: list[float]
    #: Seconds from requests to ``workflow_started``; streams only.
    started: list[float]
    delays_ns: list[int]
    #: How many answers were not as expected: by status, or what else befell them.
    failures: dict[str, int]
    #: One of those.
    sample: str
    took_s: float
    #: Processor time of the load itself.
    cpu_s: float

    @property
    def per_s(self) -> float:
        """Requests a second, from the end of the warm-up to the last answer."""
        counted = [at for at in self.ended if at >= self._from_s]
        return len(counted) / (counted[-1] - self._from_s) if counted else math.nan

    @property
    def steady_per_s(self) -> float:
        """The same up to the moment from which on clients asked for nothing more: not for answers that take about as long as that."""
        counted = sum(self._from_s <= at < self.order.warm_s + self.order.seconds for at in self.ended)
        return counted / (self.order.warm_s + self.order.seconds - self._from_s)

    @property
    def _from_s(self) -> float:
        return 0.0 if self.order.limit else self.order.warm_s

    @property
    def count(self) -> int:
        """Requests that were answered as expected, the warm-up's too."""
        return len(self.ended)

    @property
    def failed(self) -> int:
        return sum(self.failures.values())

    def latency_ms(self, part: float) -> float:
        return 1000 * percentile(self.latencies, part)

    def started_ms(self, part: float) -> float:
        return 1000 * percentile(self.started, part)


def load(order: Order) -> Answer:
    """Run the load to its end. Raises ``subprocess.CalledProcessError``."""
    command = [sys.executable, "-I", str(LOAD)]
    done = subprocess.run(command, input=json.dumps(asdict(order)), stdout=subprocess.PIPE, text=True, check=True)
    return Answer(order, **json.loads(done.stdout))


@dataclass(frozen=True, slots=True)
class Request:
    """A request of a run, from which those of any number of clients are made."""

    app: ImportedApp
    mode: str = "blocking"
    inputs: Mapping[str, Any] = field(default_factory=dict)

    def text(self, host: str, client: int) -> str:
        body = json.dumps({"inputs": self.inputs, "response_mode": self.mode, "user": f"client {client}"})
        return http_text("POST", RUN, host, body, Authorization=f"Bearer {self.app.api_key}")


def http_text(method: str, path: str, host: str, body: str = "", **headers: str) -> str:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", body])


def address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 80


def expected(mode: str) -> str:
    return "workflow_run_id" if mode == "async" else SUCCEEDED


def order_runs(urls: Sequence[str], request: Request, clients: int, seconds: float, **more: Any) -> Order:
    """``clients`` of one app, spread over the API instances."""
    targets = [address(url) for url in urls]
    hosts = [f"{host}:{port}" for host, port in targets]
    texts = [request.text(hosts[number % len(hosts)], number) for number in range(clients)]
    return Order(targets, texts, seconds, expects=expected(request.mode), **more)
