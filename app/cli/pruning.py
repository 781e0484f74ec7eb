"""`penstock runs prune`: what the workers do by themselves, now and in other measure."""

from __future__ import annotations

import time

import click

from app.cli.ages import Age
from app.cli.output import print_json
from app.cli.settings import pass_config
from app.cli.storage import opened
from worker.config import Config
from worker.retention import PAUSE_S, Keeping, Pruned, Pruner, foresee
from worker.store.blobs import open_blobs


@click.command()
@click.option("--older-than", "runs_s", type=Age(), metavar="AGE", help="Runs that ended so long ago, such as 30d.")
@click.option("--files-older-than", "files_s", type=Age(), metavar="AGE", help="Uploads, and files of runs, that are so old.")
@click.option("--keep", type=click.IntRange(0), metavar="N", help="All but the newest N runs of each app, of those that have ended.")
@click.option("--dry-run", is_flag=True, help="Only count what would be removed.")
@click.option("--json", "as_json", is_flag=True)
@pass_config
def prune(config: Config, runs_s: float | None, files_s: float | None, keep: int | None, dry_run: bool, as_json: bool) -> None:
    """Remove old runs with all that belongs to them, and old files.

    Without --older-than, --files-older-than and --keep: what the PENSTOCK_RETENTION_* settings say, as the workers do every minute. Runs
    that have not ended are never touched, nor what they refer to.
    """
    given = Keeping(runs_s=runs_s, files_s=files_s, runs_of_app=keep)
    keeping = Keeping.of(config) if given == Keeping() else given
    with opened(config) as database:
        pruned = foresee(database, keeping) if dry_run else Pruner(database, open_blobs(config, database), keeping, _go_on).prune()
    if as_json:
        print_json(
            {"runs": pruned.runs, "details": pruned.details, "batches": pruned.batches, "files": pruned.files, "strays": pruned.strays}
        )
    else:
        click.echo(_sentence(pruned, "Would remove" if dry_run else "Removed"))


def _go_on() -> bool:
    time.sleep(PAUSE_S)
    return True


def _sentence(pruned: Pruned, verb: str) -> str:
    parts = [f"{pruned.runs} runs", f"node results and events of {pruned.details} runs", f"{pruned.files} files"]
    if pruned.batches:
        parts.append(f"{pruned.batches} batches")
    if pruned.strays:
        parts.append(f"bytes of {pruned.strays} files that were gone already")
    return f"{verb}: {', '.join(parts)}."
