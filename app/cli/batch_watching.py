"""How a batch is shown while it goes on: a bar on a terminal, lines elsewhere, or JSON."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Protocol

import click

from app.cli.batch_lookup import find_batch
from app.cli.output import print_json
from app.cli.watching import seconds
from app.schemas.batches import BatchDetail
from worker.store.batch_facts import BatchFacts, BatchPace, BatchStatus, describe, pace_of
from worker.store.session import Database

#: Seconds between two looks.
LOOK_S = 0.5


class View(Protocol):
    def show(self, batch: BatchFacts, pace: BatchPace) -> None:
        """How the batch stands now."""

    def close(self) -> None:
        """Nothing follows."""


def follow(database: Database, batch: BatchFacts, as_json: bool) -> int:
    """Show a batch until it has ended; answers the exit code."""
    view = _view(batch, as_json)
    try:
        for batch, pace in _states(database, batch.id):  # noqa: B020, the last one is what counts
            view.show(batch, pace)
    finally:
        view.close()
    return 0 if batch.status is BatchStatus.COMPLETED else 1


def _view(batch: BatchFacts, as_json: bool) -> View:
    if as_json:
        return JSONView()
    return BarView(batch) if sys.stderr.isatty() else LineView()


def _states(database: Database, batch_id: str) -> Iterator[tuple[BatchFacts, BatchPace]]:
    while True:
        with database.read() as session:
            batch = find_batch(session, batch_id)
            pace = pace_of(session, batch)
        yield batch, pace
        if batch.status.is_final:
            return
        time.sleep(LOOK_S)


def line_of(batch: BatchFacts) -> str:
    """How a batch stands, in one line."""
    counts = batch.counts
    more = {"running": counts.running, "failed": counts.failed, "invalid": counts.invalid, "stopped": counts.stopped}
    shown = ", ".join(f"{number} {name}" for name, number in more.items() if number)
    return f"Batch {batch.id} is {batch.status}: {counts.ended} of {counts.total} items have ended{f' ({shown})' if shown else ''}."


class JSONView:
    """A line on stdout whenever the counts change."""

    def __init__(self) -> None:
        self._told: object = None

    def show(self, batch: BatchFacts, pace: BatchPace) -> None:
        if (state := (batch.status, batch.counts)) != self._told:
            self._told = state
            print_json(BatchDetail().dump({**describe(batch), "pace": pace}))

    def close(self) -> None:
        """Nothing is left to print."""


class LineView:
    """A line on stderr whenever the counts change."""

    def __init__(self) -> None:
        self._told = ""

    def show(self, batch: BatchFacts, pace: BatchPace) -> None:
        if (line := line_of(batch)) != self._told:
            self._told = line
            click.echo(line, err=True)

    def close(self) -> None:
        """Nothing is left to print."""


class BarView:
    """A bar on stderr, drawn anew while the batch goes on."""

    def __init__(self, batch: BatchFacts) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[more]}", markup=False))
        self._progress = Progress(*columns, console=Console(stderr=True))
        self._task = self._progress.add_task(batch.status.value, total=batch.counts.total, more="")
        self._progress.start()

    def show(self, batch: BatchFacts, pace: BatchPace) -> None:
        self._progress.update(self._task, description=batch.status.value, completed=batch.counts.ended, more=_more(batch, pace))

    def close(self) -> None:
        self._progress.stop()


def _more(batch: BatchFacts, pace: BatchPace) -> str:
    counts = batch.counts
    parts = [f"{counts.running} running" if counts.running else "", f"{counts.failed} failed" if counts.failed else ""]
    parts += [f"{counts.invalid} invalid" if counts.invalid else ""]
    if not batch.status.is_final and pace.items_per_s:
        parts += [f"{pace.items_per_s:.1f}/s", "" if pace.remaining_s is None else f"{seconds(pace.remaining_s)} left"]
    if batch.currency:
        parts.append(f"{batch.total_price:f} {batch.currency}")
    return "  ".join(part for part in parts if part)
