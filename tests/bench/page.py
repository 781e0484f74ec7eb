"""The report as one HTML page that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape

from tests.bench import plots
from tests.bench.figures import Figure, Figures
from tests.bench.workloads import ALL_CPU, YARDSTICKS

STYLE = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; color: #222; }
table { border-collapse: collapse; margin: 0 0 2em; font-variant-numeric: tabular-nums; }
td, th { padding: 2px 10px; border-bottom: 1px solid #ddd; text-align: right; }
td:first-child, th:first-child { text-align: left; }
svg { font: 11px system-ui, sans-serif; margin: 0 1em 1em 0; }
.wide { overflow-x: auto; }
"""

#: Ends of the column names that hold processor time of one part.
CPU = " CPU µs"


def render(tables: Iterable[tuple[str, list[str], list[list[str]]]], notes: Iterable[tuple[str, str]], figures: Figures) -> str:
    first, *rest = tables
    body = [table(*first), *plots_of(figures), *(table(*each) for each in rest)]
    body += [f"<p><b>{escape(name)}</b>: {escape(words)}</p>" for name, words in notes]
    head = f'<meta charset="utf-8"><title>Bench</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en">{head}<h1>Bench</h1>{"".join(body)}</html>'


def table(title: str, columns: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    lines = ["<tr>" + "".join(f"<td>{escape(value)}</td>" for value in row) + "</tr>" for row in rows]
    return f'<h2>{escape(title)}</h2><div class="wide"><table><tr>{head}</tr>{"".join(lines)}</table></div>'


def plots_of(figures: Figures) -> Iterator[str]:
    runs = figures.rows("runs")
    for database in dict.fromkeys(row.split(" ")[0] for row in runs):
        for mode in ("blocking", "streaming"):
            for column in ("runs/s", "p50 ms", "p99 ms"):
                if series := by_clients(runs, database, mode, column):
                    yield plots.lines(f"{database}, {mode}: {column}", series, "clients")
        if stacks := processor_time(runs, database):
            yield plots.bars(f"{database}, 32 clients, blocking: CPU µs a run", stacks)
    if levels := figures.rows("streams"):
        for column in ("KB/stream", "p99 ms"):
            yield plots.lines(f"open streams: {column}", {column: numbered(levels, column)}, "streams")
    if scale := figures.rows("scale"):
        yield plots.bars("waiting runs: runs/s", {row: {"runs/s": columns["runs/s"].value} for row, columns in scale.items()})


def by_clients(rows: Mapping[str, Mapping[str, Figure]], database: str, mode: str, column: str) -> dict[str, list[tuple[float, float]]]:
    """A line for each workload, and for the hello-world view."""
    series: dict[str, list[tuple[float, float]]] = {}
    for row, columns in rows.items():
        its_database, workload, its_mode, clients = row.split(" ")
        is_shown = workload == "hello" or (its_mode == mode and workload not in YARDSTICKS)
        if its_database == database and is_shown and column in columns:
            series.setdefault(workload, []).append((float(clients), columns[column].value))
    return series


def processor_time(rows: Mapping[str, Mapping[str, Figure]], database: str) -> dict[str, dict[str, float]]:
    stacks = {}
    for row, columns in rows.items():
        its_database, workload, mode, clients = row.split(" ")
        if its_database == database and mode == "blocking" and clients == "32":
            stacks[workload] = {
                column.removesuffix(CPU): figure.value for column, figure in columns.items() if column.endswith(CPU) and column != ALL_CPU
            }
    return stacks


def numbered(rows: Mapping[str, Mapping[str, Figure]], column: str) -> list[tuple[float, float]]:
    return [(float(row), columns[column].value) for row, columns in rows.items() if row.isdigit() and column in columns]
