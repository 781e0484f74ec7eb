"""What a chaos run comes to: a table of faults, figures, and the promises that were broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from statistics import quantiles
from typing import Any

from tests.faults.harness.driving import Outcome
from tests.faults.harness.ledger import Injection, recoveries_s
from tests.faults.harness.verdict import Problem

#: Seconds within which a run must have left a worker that is gone (reliability.md section 1.4).
RECOVERY_S = 60.0

#: Seconds beyond the lease within which most runs must have another worker.
PROMPT_S = 5.0

#: Violations that are printed; the file has all of them.
SHOWN = 40


@dataclass(frozen=True, slots=True)
class RunReport:
    """What became of one run."""

    kind: str
    status: str
    attempts: int
    #: Effects that happened again.
    repeated: int
    problems: Sequence[Problem]

    def has(self, *what: str) -> bool:
        return any(problem.what in what for problem in self.problems)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. A run that several faults hit counts in the line of each; the last line counts it once."""

    fault: str
    times: int
    #: Runs that workers had at these moments, all together.
    in_flight: int
    #: Those of them that the fault concerned.
    hit: int
    lost: int
    duplicated: int
    repeated_nodes: int
    longest_recovery_s: float

    @classmethod
    def of(
        cls, fault: str, injections: Sequence[Injection], runs: Mapping[str, RunReport], concerned: Collection[str] | None = None
    ) -> Row:
        """``concerned``: the runs whose damage counts; None: those that were hit."""
        if concerned is None:
            concerned = {run_id for injection in injections for run_id in injection.hit}
        reports = [runs[run_id] for run_id in concerned if run_id in runs]
        return cls(
            fault=fault,
            times=len(injections),
            in_flight=sum(injection.in_flight for injection in injections),
            hit=sum(len(injection.hit) for injection in injections),
            lost=len(concerned) - len(reports) + sum(report.has("lost", "missing", "wrong") for report in reports),
            duplicated=sum(report.has("twice") for report in reports),
            repeated_nodes=sum(report.repeated for report in reports),
            longest_recovery_s=max(recoveries_s(injections), default=0.0),
        )

    @property
    def cells(self) -> tuple[str, ...]:
        numbers = (self.times, self.in_flight, self.hit, self.lost, self.duplicated, self.repeated_nodes)
        return (self.fault, *map(str, numbers), f"{self.longest_recovery_s:.1f} s")


HEAD = ("fault", "times", "in flight", "hit", "lost", "duplicated", "repeated nodes", "longest recovery")


@dataclass(frozen=True, slots=True)
class Report:
    rows: Sequence[Row]
    figures: Mapping[str, Any]
    #: One sentence each.
    violations: Sequence[str]
    #: All of them, in order, for whoever wants to know more.
    injections: Sequence[Injection]

    @classmethod
    def of(
        cls,
        injections: Sequence[Injection],
        outcomes: Sequence[Outcome],
        runs: Mapping[str, RunReport],
        problems: Sequence[str],
        *,
        lease_s: float,
        took_s: float,
    ) -> Report:
        """``problems``: what else was seen to go wrong."""
        by_fault = {fault: list(group) for fault, group in groupby(sorted(injections, key=name_of), key=name_of)}
        rows = [Row.of(fault, group, runs) for fault, group in by_fault.items()]
        total = Row.of("all runs", injections, runs, concerned=runs.keys())
        losses = [injection for fault, group in by_fault.items() for injection in group if fault.startswith("worker killed")]
        figures = {
            **load_figures(outcomes, runs, took_s),
            **recovery_figures(recoveries_s(losses), lease_s + PROMPT_S),
        }
        return cls([*rows, total], figures, [*problems, *run_violations(runs), *recovery_violations(injections)], injections)

    def lines(self) -> Iterator[str]:
        table = [HEAD, *(row.cells for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for first, *others in table:
            yield "  ".join([first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))])
        yield ""
        yield from (f"{name}: {value}" for name, value in self.figures.items())
        yield from (f"VIOLATION {violation}" for violation in self.violations[:SHOWN])
        yield f"{len(self.violations)} violations." if self.violations else "Every promise was kept."

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def name_of(injection: Injection) -> str:
    return injection.fault


def load_figures(outcomes: Sequence[Outcome], runs: Mapping[str, RunReport], took_s: float) -> dict[str, Any]:
    clients_of = {outcome.run_id for outcome in outcomes}
    return {
        "runs": f"{len(runs)} in {took_s:.0f} s: {dict(Counter(run.status for run in runs.values()))}",
        "kinds": dict(Counter(run.kind for run in runs.values())),
        "runs by attempts": {str(attempts): count for attempts, count in sorted(Counter(run.attempts for run in runs.values()).items())},
        "streams that were taken up again": sum(outcome.streams - 1 for outcome in outcomes if outcome.streams > 1),
        "longest time without a stream, s": round(max((outcome.longest_gap_s for outcome in outcomes), default=0.0), 1),
        "submissions answered 503": sum(outcome.refusals for outcome in outcomes),
        "runs found again whose submission had no answer": sum(outcome.was_found for outcome in outcomes),
        "runs that no client knows of": len(runs.keys() - clients_of),
        "seconds from submission to end": spread([outcome.took_s for outcome in outcomes]),
    }


def recovery_figures(seconds: Sequence[float], prompt_s: float) -> dict[str, Any]:
    prompt = sum(second <= prompt_s for second in seconds)
    return {
        "runs whose worker was killed": len(seconds),
        "seconds until they had another": spread(seconds),
        f"of them within {prompt_s:g} s": prompt,
    }


def spread(seconds: Sequence[float]) -> str:
    if len(seconds) < 2:
        return "none"
    cuts = quantiles(seconds, n=100)
    return f"p50 {cuts[49]:.1f}, p95 {cuts[94]:.1f}, p99 {cuts[98]:.1f}, most {max(seconds):.1f}"


def run_violations(runs: Mapping[str, RunReport]) -> Iterator[str]:
    for run_id, run in runs.items():
        yield from (f"{run.kind} run {run_id} (attempt {run.attempts}) {problem.text}" for problem in run.problems)


def recovery_violations(injections: Sequence[Injection]) -> Iterator[str]:
    for injection in injections:
        if late := {run_id: seconds for run_id, seconds in injection.recovered_s.items() if seconds > RECOVERY_S}:
            yield f"{injection.fault}: runs went on late, after so many seconds: {late}"
        if injection.waiting:
            yield f"{injection.fault}: runs never went on: {sorted(injection.waiting)}"
