"""Many llm runs that stream at the same time through the whole product, in one worker process.

    python -m tests.load.llm_streams --streams 500 --tokens 200 --delay-ms 100

Starts `penstock dev-model` and `penstock up`, opens the streams, and prints what each cost: memory of the worker, and the time from the
model server's byte to the reader's. Ends by itself, with 1 if a stream was not whole.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.load.footprint import Footprint, Peak, processes_with
from tests.load.streaming import StreamedRun, stream_runs
from tests.services import documents
from tests.services.models import DevModel
from tests.services.penstock import ImportedApp, Server


@dataclass(frozen=True, slots=True)
class Load:
    streams: int
    tokens: int
    delay_ms: float
    #: Seconds over which the streams are opened.
    ramp_s: float

    def prompts(self, count: int) -> list[dict[str, str]]:
        script = f"[[dev: tokens={self.tokens} delay_ms={self.delay_ms:g} clock]]"
        return [{"query": f"{script} {number}"} for number in range(count)]


@dataclass(frozen=True, slots=True)
class Result:
    runs: Sequence[StreamedRun]
    idle: Footprint
    peak: Peak
    after: Footprint
    api_cpu_s: float
    took_s: float

    @property
    def is_whole(self) -> bool:
        return all(run.is_whole for run in self.runs)

    def lines(self) -> Iterator[str]:
        whole, count = sum(run.is_whole for run in self.runs), len(self.runs)
        chunks = sum(run.chunks for run in self.runs)
        delays_ms = sorted(delay / 1e6 for run in self.runs for delay in run.delays_ns)
        yield f"{whole} of {count} streams whole, at most {overlapping(self.runs)} at a time, in {self.took_s:.1f} s"
        yield f"{chunks} chunks, {chunks / self.took_s:.0f} a second"
        yield f"model to reader, ms: {quantiles(delays_ms)}"
        started_ms = sorted(1000 * (run.started_at - run.asked_at) for run in self.runs if run.started_at is not None)
        yield f"request to workflow_started, ms: {quantiles(started_ms)}"
        grown_kb = self.peak.resident_kb - self.idle.resident_kb
        yield f"worker: {self.idle.resident_kb} KB idle, {self.peak.resident_kb} KB at most, {grown_kb / count:.0f} KB a run"
        yield f"worker: {self.peak.threads} threads at most"
        yield f"CPU: worker {self.after.cpu_s - self.idle.cpu_s:.1f} s, API {self.api_cpu_s:.1f} s"


def quantiles(values: Sequence[float]) -> str:
    if len(values) < 2:
        return "none"
    cuts = statistics.quantiles(values, n=100)
    return f"p50 {cuts[49]:.1f}, p95 {cuts[94]:.1f}, p99 {cuts[98]:.1f}, most {values[-1]:.1f}"


def overlapping(runs: Sequence[StreamedRun]) -> int:
    """Runs that were under way at the same time, at most: from `workflow_started` to `workflow_finished`."""
    changes = sorted(change for run in runs if run.started_at and run.ended_at for change in ((run.started_at, 1), (run.ended_at, -1)))
    most = here = 0
    for _, step in changes:
        here += step
        most = max(most, here)
    return most


def measure(load: Load, folder: Path) -> Result:
    with ExitStack() as resources:
        model = resources.enter_context(DevModel())
        # Settings of the caller's environment go to the product, so that they can be compared.
        chosen = {name: value for name, value in os.environ.items() if name.startswith("PENSTOCK_")}
        settings = {**model.settings, "PENSTOCK_WORKER_CONCURRENCY": str(load.streams + 10), **chosen}
        server = resources.enter_context(Server(folder, **settings))
        return drive(load, server, server.import_document(documents.asking("asking")))


def drive(load: Load, server: Server, app: ImportedApp) -> Result:
    pids = server.process.members()
    (worker, *_), apis = processes_with("worker.celery", pids), processes_with("gunicorn", pids)
    with server.client(app) as client:
        # What the first run loads is the process's, not the run's.
        client.run({"query": "[[dev: tokens=5]]"})
    time.sleep(1)
    idle, api_cpu_s, began = Footprint.of(worker), cpu_s(apis), time.monotonic()
    with Peak(worker) as peak:
        runs = asyncio.run(stream_runs(server.url, app.api_key, load.prompts(load.streams), load.ramp_s))
    took_s = time.monotonic() - began
    return Result(runs, idle, peak, Footprint.of(worker), cpu_s(apis) - api_cpu_s, took_s)


def cpu_s(pids: Sequence[int]) -> float:
    return sum(Footprint.of(pid).cpu_s for pid in pids)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--delay-ms", type=float, default=100.0, help="between two tokens of a stream")
    parser.add_argument("--ramp-s", type=float, default=5.0, help="over which the streams are opened")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="penstock-load-") as folder:
        result = measure(Load(given.streams, given.tokens, given.delay_ms, given.ramp_s), Path(folder))
    for line in result.lines():
        print(line)
    if refused := next((run.refusal for run in result.runs if run.refusal), b""):
        print(refused.decode("utf-8", "replace"))
    return 0 if result.is_whole else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
