"""What a bench run comes to: goals and ratios first, then figures, then machine and versions; on the terminal, as JSON and as a page."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from tests.bench.figures import Figure, Figures, Name
from tests.bench.goals import Verdict
from tests.bench.page import render
from tests.bench.workloads import ALL_CPU, YARDSTICKS

#: Columns that are compared.
COLUMNS = ("runs/s", "p50 ms", ALL_CPU)

#: Spread from which on it is shown beside a figure.
WORTH_TELLING = 0.01


@dataclass(frozen=True, slots=True)
class Report:
    figures: Figures
    verdicts: Sequence[Verdict]
    machine: Mapping[str, str]
    command: str
    #: Settings that are not the defaults.
    settings: Mapping[str, str]
    #: Cases that did not come to an end, and why.
    failed: Mapping[str, str]

    def show(self, console: Console) -> None:
        for title, columns, rows in self.tables():
            shown = Table(title=title, title_justify="left", header_style="bold", box=SIMPLE)
            for number, column in enumerate(columns):
                shown.add_column(column, justify="right" if number else "left", no_wrap=not number)
            for row in rows:
                shown.add_row(*row)
            console.print(shown)
        for name, text in self.notes():
            console.print(f"{name}: {text}", highlight=False, markup=False)

    def tables(self) -> Iterator[tuple[str, list[str], list[list[str]]]]:
        """Title, columns and lines of each."""
        yield "Goals", ["measure", "database", "figure", "goal", ""], [goal_row(verdict) for verdict in self.verdicts]
        if ratios := list(ratio_rows(self.figures)):
            yield "Beside the hello-world view, same clients", ["runs", "runs/s, ratio", "p50, ratio", "processor time, ratio"], ratios
        for case in self.figures.cases():
            rows = self.figures.rows(case)
            columns = list(dict.fromkeys(column for row in rows.values() for column in row))
            used = [column for column in columns if column.endswith("CPU µs") or column == "load CPU %"]
            yield from table(case, [column for column in columns if column not in used], rows)
            yield from table(f"{case}: processor time of each run, by processes", used, rows)

    def notes(self) -> Iterator[tuple[str, str]]:
        yield from self.machine.items()
        yield "command", self.command
        yield "settings", ", ".join(f"{name}={value}" for name, value in self.settings.items()) or "the defaults"
        for case, reason in self.failed.items():
            yield f"{case} failed", reason

    def as_dict(self) -> dict[str, Any]:
        figures = [
            {**name._asdict(), "value": figure.value, "low": figure.low, "high": figure.high, "samples": figure.samples}
            for name, figure in self.figures
        ]
        return {"notes": dict(self.notes()), "goals": [goal_dict(verdict) for verdict in self.verdicts], "figures": figures}


def table(title: str, columns: Sequence[str], rows: Mapping[str, Mapping[str, Figure]]) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Lines that have something in one of the columns; none if there are no such lines."""
    filled = {name: [cell(row.get(column)) for column in columns] for name, row in rows.items()}
    if lines := [[name, *cells] for name, cells in filled.items() if any(cells)]:
        yield title, ["", *columns], lines


def goal_row(verdict: Verdict) -> list[str]:
    is_measured = verdict.figure is not None
    outcome = "met" if verdict.is_met else f"missed by {verdict.missed_by:.0%}" if is_measured else "not measured"
    return [verdict.goal.measure, verdict.database, cell(verdict.figure), verdict.goal.wanted, outcome]


def goal_dict(verdict: Verdict) -> dict[str, Any]:
    value = verdict.figure.value if verdict.figure else None
    return {
        "measure": verdict.goal.measure,
        "database": verdict.database,
        "value": value,
        "goal": verdict.goal.wanted,
        "is_met": verdict.is_met,
    }


def ratio_rows(figures: Figures) -> Iterator[list[str]]:
    """Each kind of runs over the hello-world view with as many clients on the same bed."""
    for row in figures.rows("runs"):
        database, workload, mode, clients = row.split(" ")
        if workload in YARDSTICKS:
            continue
        found = [(figures.get(Name("runs", row, column)), hello(figures, database, clients, column)) for column in COLUMNS]
        yield [f"{database} {workload} {mode} {clients}", *(cell(one.over(other)) if one and other else "" for one, other in found)]


def hello(figures: Figures, database: str, clients: str, column: str) -> Figure | None:
    return figures.get(Name("runs", f"{database} hello blocking {clients}", column))


def cell(figure: Figure | None) -> str:
    if figure is None:
        return ""
    spread = f" ±{figure.spread:.0%}" if figure.spread >= WORTH_TELLING else ""
    return f"{short(figure.value)}{spread}"


def short(value: float) -> str:
    """Three digits that count."""
    if not math.isfinite(value):
        return "-"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def write(report: Report, folder: Path) -> list[Path]:
    """JSON and HTML under the time at which it was measured, and what was written."""
    folder.mkdir(exist_ok=True)
    stem = report.machine["at"].replace(":", "").replace("+0000", "Z")
    paths = [folder / f"{stem}.json", folder / f"{stem}.html"]
    paths[0].write_text(json.dumps(report.as_dict(), indent=1, ensure_ascii=False), "utf-8")
    paths[1].write_text(render(report.tables(), report.notes(), report.figures), "utf-8")
    return paths
