"""Measure the product with real processes and its default settings, beside a yardstick in the same run; see docs/performance.md.

Cases: engine, runs, streams, waiting, scale, soak, start, sizes; without a name all of them. Results go to `bench-results`.
"""

from __future__ import annotations

import argparse
import importlib
import resource
import signal
import sys
import time
from collections.abc import Sequence
from datetime import datetime

from rich.console import Console

from tests.bench.bed import POSTGRESQL, SQLITE, chosen_settings
from tests.bench.context import Context
from tests.bench.goals import GOALS, Verdict, judge
from tests.bench.machine import describe
from tests.bench.report import Report, write
from tests.bench.yardstick import ROOT

CASES = ("engine", "start", "runs", "streams", "waiting", "scale", "sizes", "soak")

RESULTS = ROOT / "bench-results"


def main(arguments: Sequence[str]) -> int:
    given = parse(arguments)
    # Ten thousand connections need as many descriptors, in this process's children too.
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    # Whoever ends this process wants the others gone too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    console = Console(width=None if sys.stdout.isatty() else 200)
    databases = (SQLITE, POSTGRESQL) if given.database == "both" else (given.database,)
    context = Context(databases, given.quick, lambda line: console.print(f"[dim]{datetime.now():%H:%M:%S}[/] {line}", highlight=False))
    failed = run_cases(context, given.cases or CASES)
    report = Report(context.figures, judge(context.figures, GOALS, databases), describe(), given.command, chosen_settings(), failed)
    report.show(console)
    for path in write(report, RESULTS):
        console.print(path)
    return int(bool(failed) or (given.guard is not None and any(is_far_off(verdict, given.guard) for verdict in report.verdicts)))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("deploy/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", metavar="CASE", nargs="*", choices=[*CASES, []], help="one of those above")
    parser.add_argument("--quick", action="store_true", help="smaller and once, in a few minutes")
    parser.add_argument("--database", choices=[SQLITE, POSTGRESQL, "both"], default="both")
    parser.add_argument("--guard", type=float, metavar="PERCENT", help="end with status 1 if a ratio misses its goal by more than that")
    given = parser.parse_args(arguments)
    given.command = " ".join(["./deploy/bench", *arguments])
    return given


def run_cases(context: Context, cases: Sequence[str]) -> dict[str, str]:
    """Measure; what failed and why."""
    failed = {}
    for case in cases:
        began = time.monotonic()
        try:
            importlib.import_module(f"tests.bench.cases.{case}").measure(context)
        except Exception as error:
            # One case that fails must not cost the figures of the others.
            failed[case] = f"{type(error).__name__}: {error}"
            context.say(f"{case} failed: {failed[case]}")
        context.say(f"{case}: {time.monotonic() - began:.0f} s")
    return failed


def is_far_off(verdict: Verdict, percent: float) -> bool:
    """Only ratios: seconds depend on the machine."""
    return verdict.goal.is_ratio and verdict.figure is not None and verdict.missed_by > percent / 100


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
