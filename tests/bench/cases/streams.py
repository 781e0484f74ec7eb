"""Thousands of clients that wait for events on one API process: what each costs, and how soon and how surely news reaches it.

No worker takes part: the clients wait for runs that are queued, and this process publishes events into their logs as a worker would. So
memory and delay are the API's alone.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.bench.bed import Bed, Meter
from tests.bench.context import Context
from tests.bench.figures import percentile
from tests.bench.generator import Request, address
from tests.bench.workloads import start_end
from tests.services.footprint import resident_kb
from worker.bus.events import EventLog

CASE = "streams"

HELD = Path(__file__).parents[1] / "held.py"

#: Events a second, over all streams.
RATE = 100

#: Seconds within which the clients of one level have to have their streams.
OPENING_S = 90.0

#: Seconds that late events get to arrive before they count as lost.
PATIENCE_S = 20.0


class Held:
    """The process that holds the streams (held.py)."""

    def __init__(self, url: str) -> None:
        host, port = address(url)
        command = [sys.executable, "-I", str(HELD), host, str(port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, **order: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def receive(self) -> Any:
        """Raises ``RuntimeError`` if the process has ended instead."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The process that holds the streams ended with status {self._process.wait()}.")
        return json.loads(line)

    def __enter__(self) -> Held:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()


def measure(context: Context) -> None:
    # More than the default lets in: what is measured is one process that was told to hold so many.
    with ExitStack() as resources:
        bed = resources.enter_context(Bed(context.database, PENSTOCK_MAX_STREAMS="0", PENSTOCK_MAX_QUEUED="0"))
        bed.staff(webs=1, workers=0)
        held = resources.enter_context(Held(bed.stage.urls()[0]))
        level = Level(context, bed, held)
        for count in context.pick((1000, 5000, 10000), (1000,)):
            level.reach(count)


class Level:
    """One number of streams after another, on the same process."""

    def __init__(self, context: Context, bed: Bed, held: Held) -> None:
        self._context = context
        self._bed = bed
        self._held = held
        self._app = bed.stage.deployment.import_document(start_end())
        self._log = EventLog(bed.stage.redis, bed.stage.config)
        #: Events that were published so far, by run.
        self._last: dict[str, int] = {}
        self._random = random.Random(1)
        # What the first streams load is the process's.
        self._open(10)
        self._idle_kb = resident_kb(bed.pids()["web"])

    def _open(self, count: int) -> None:
        host, port = address(self._bed.stage.urls()[0])
        request, spare = Request(self._app, "streaming"), 100
        requests = [request.text(f"{host}:{port}", number) for number in range(len(self._last), count + spare)]
        self._held.send(open=count, requests=requests, within=OPENING_S)
        answer = self._held.receive()
        self._last |= dict.fromkeys(answer["run_ids"], 0)
        self._refused = answer["refused"]
        if len(self._last) < count:
            raise RuntimeError(f"Only {len(self._last)} of {count} streams were opened. {answer['refusal'][-300:]}")

    def reach(self, count: int) -> None:
        self._context.say(f"streams: {self._context.database}, {count} clients")
        figures, row = self._context.figures, str(count)
        began = time.monotonic()
        opened = count - len(self._last)
        self._open(count)
        figures.add(CASE, row, "opened/s", opened / (time.monotonic() - began))
        figures.add(CASE, row, "refused", self._refused)
        seconds = self._context.pick(10.0, 3.0)
        with Meter(self._bed.pids()) as silence:
            time.sleep(seconds)
        figures.add(CASE, row, "KB/stream", (resident_kb(self._bed.pids()["web"]) - self._idle_kb) / count)
        with Meter(self._bed.pids()) as traffic:
            sent, told = self._publish(seconds)
        self._judge(row, sent, told)
        for name, meter in (("in silence", silence), (f"at {RATE} events/s", traffic)):
            for part in ("web", "valkey"):
                figures.add(CASE, row, f"{part} CPU % {name}", 100 * meter.cpu_s[part] / meter.took_s)

    def _publish(self, seconds: float) -> tuple[set[tuple[str, int]], Any]:
        """Events at even distances, each into the log of one of the runs; what was sent, and what came."""
        count = int(seconds * RATE)
        self._held.send(tell=seconds + PATIENCE_S, count=count)
        runs, began = list(self._last), time.monotonic()
        sent = set()
        for number in range(count):
            time.sleep(max(began + number / RATE - time.monotonic(), 0.0))
            run_id = self._random.choice(runs)
            self._last[run_id] += 1
            self._log.append(run_id, 1, self._last[run_id], [event(run_id, self._last[run_id])])
            sent.add((run_id, self._last[run_id]))
        return sent, self._held.receive()

    def _judge(self, row: str, sent: set[tuple[str, int]], told: Any) -> None:
        came = [(run_id, number) for run_id, number, _ in told["events"]]
        delays_ms = [delay_us / 1000 for *_, delay_us in told["events"]]
        columns = {f"p{part * 100:.0f} ms": percentile(delays_ms, part) for part in (0.5, 0.95, 0.99)}
        columns |= {"lost": len(sent - set(came)), "twice": len(came) - len(set(came)), "closed": told["closed"]}
        for column, value in columns.items():
            self._context.figures.add(CASE, row, column, value)


def event(run_id: str, number: int) -> bytes:
    data = {"number": number, "sent_ns": time.time_ns()}
    return json.dumps({"event": "bench", "workflow_run_id": run_id, "data": data}, separators=(",", ":")).encode()
