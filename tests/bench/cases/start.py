"""How long processes take to be ready, what they weigh when they idle, and which imports take the time."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.bench.bed import Bed, chosen_settings
from tests.bench.context import Context
from tests.bench.figures import Figures
from tests.bench.yardstick import ROOT
from tests.services.footprint import family, proportional_kb, resident_kb
from tests.services.penstock import Server
from tests.services.processes import clean_environment
from tests.services.stage import READY

CASE = "start"

#: Seconds after which whatever a process does in the background at its start is over.
IDLE_S = 3.0

#: What the processes import before they are ready.
ENTRANCES = {"web": "app.wsgi", "worker": "worker.celery, worker.tasks, worker.lifecycle", "command line": "app.cli.main"}

#: A line of `python -X importtime`: its own microseconds, all with what it imports, and the name.
IMPORT = re.compile(r"import time: +(\d+) \| +\d+ \| +(\S+)")

#: Packages that are named.
SHOWN = 8


def measure(context: Context) -> None:
    for _ in range(context.pick(3, 1)):
        context.say("start: penstock up")
        measure_up(context.figures)
        context.say(f"start: penstock web and worker, {context.database}")
        measure_parts(context)
    for part, modules in ENTRANCES.items():
        measure_imports(context, part, modules)


def measure_up(figures: Figures) -> None:
    """The embedded default in a new folder, and once more in the same one."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        server = Server(Path(folder), **chosen_settings())
        for row in ("penstock up, first", "penstock up, again"):
            began = time.monotonic()
            with server:
                figures.add(CASE, row, "s", time.monotonic() - began)
                time.sleep(IDLE_S)
                add_memory(figures, row, [server.process.pid])
                parts = [processes_with(word, family(server.process.pid))[0] for word in ("gunicorn", "worker.celery")]
                add_memory(figures, "API + worker", parts)
                server.process.terminate()
                server.process.wait()


def measure_parts(context: Context) -> None:
    """One API and one worker by themselves, as the Procfile starts them."""
    with Bed(context.database) as bed:
        for row, start in (("penstock web", bed.stage.add_web), ("penstock worker", lambda: bed.stage.add_worker().wait_for_output(READY))):
            began = time.monotonic()
            start()
            context.figures.add(CASE, row, "s", time.monotonic() - began)
        time.sleep(IDLE_S)
        pids = bed.pids()
        add_memory(context.figures, "penstock web", pids["web"])
        add_memory(context.figures, "penstock worker", pids["worker"])
        add_memory(context.figures, "valkey", pids["valkey"])


def add_memory(figures: Figures, row: str, pids: Sequence[int]) -> None:
    """Of processes and their children: pages that several of all processes share count by their parts, and once more in each."""
    figures.add(CASE, row, "idle MB", proportional_kb(pids) / 1024)
    figures.add(CASE, row, "idle MB, resident", resident_kb(pids) / 1024)
    figures.add(CASE, row, "processes", sum(len(family(pid)) for pid in pids))


def processes_with(word: str, pids: Sequence[int]) -> list[int]:
    """Those whose command line contains ``word``, oldest first: the others are its forks."""
    return sorted(pid for pid in pids if word in Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace"))


def measure_imports(context: Context, part: str, modules: str) -> None:
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        environment = clean_environment(PENSTOCK_DATA_DIR=folder, REDIS_URL="redis://127.0.0.1:1/0", DATABASE_URL=f"sqlite:///{folder}/db")
        command = [sys.executable, "-X", "importtime", "-c", f"import {modules}"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        context.say(f"start: import {modules} failed: {done.stderr[-300:]}")
        return
    taken = by_package(done.stderr)
    context.figures.add("imports", f"{part}: all", "ms", sum(taken.values()) / 1000)
    for package, used_us in taken.most_common(SHOWN):
        context.figures.add("imports", f"{part}: {package}", "ms", used_us / 1000)


def by_package(told: str) -> Counter[str]:
    """Microseconds of each package's own modules."""
    taken: Counter[str] = Counter()
    for own_us, name in IMPORT.findall(told):
        taken[name.partition(".")[0]] += int(own_us)
    return taken
