"""`penstock runs prune`."""

import time

import pytest
from sqlalchemy import select, update

from tests.unit.running import accept, claimed, success
from worker.config import Config
from worker.store.claims import finish_run
from worker.store.events import EventStretch
from worker.store.models import RUNS
from worker.store.session import Database

DAY_S = 86400.0


@pytest.fixture
def database(penstock, tmp_path):
    """The embedded default, with its tables."""
    assert penstock("migrate").code == 0
    made = Database.connect(Config(data_dir=tmp_path / "data"))
    yield made
    made.dispose()


def ended(database, days_ago):
    run = accept(database)
    attempt = claimed(database, run).attempt
    with database.begin() as session:
        finish_run(session, run.run_id, attempt, success(), {}, [], EventStretch.of(1, [b"{}"]))
        session.execute(update(RUNS).where(RUNS.c.id == run.run_id).values(finished_at=time.time() - days_ago * DAY_S))
    return run.run_id


def remaining(database):
    with database.read() as session:
        return set(session.scalars(select(RUNS.c.id)))


def test_runs_that_are_old_enough_are_removed(penstock, database):
    old, young, running = ended(database, 3), ended(database, 1), accept(database).run_id

    done = penstock("runs", "prune", "--older-than", "2d")

    assert (done.code, done.out) == (0, "Removed: 1 runs, node results and events of 1 runs, 0 files.\n")
    assert remaining(database) == {young, running}
    assert old not in done.out


def test_a_dry_run_only_counts(penstock, database):
    runs = {ended(database, 3), ended(database, 1)}

    done = penstock("runs", "prune", "--older-than", "2d", "--dry-run", "--json")

    assert done.lines() == [{"runs": 1, "details": 1, "batches": 0, "files": 0, "strays": 0}]
    assert remaining(database) == runs


def test_the_newest_runs_can_be_kept_by_number(penstock, database):
    ended(database, 3), ended(database, 1)

    # One app each: `accept` makes a new one.
    assert penstock("runs", "prune", "--keep", "1", "--json").lines()[0]["runs"] == 0
    assert penstock("runs", "prune", "--keep", "0", "--json").lines()[0]["runs"] == 2
    assert remaining(database) == set()


def test_without_options_the_settings_count(penstock, database, monkeypatch):
    old, stripped, young = ended(database, 31), ended(database, 8), ended(database, 6)

    assert penstock("runs", "prune", "--json").lines() == [{"runs": 1, "details": 2, "batches": 0, "files": 0, "strays": 0}]
    assert remaining(database) == {stripped, young}

    monkeypatch.setenv("PENSTOCK_RETENTION_RUN_DAYS", "7")
    assert penstock("runs", "prune", "--json").lines()[0]["runs"] == 1
    assert old not in remaining(database)


@pytest.mark.parametrize("options", [["--older-than", "30"], ["--keep", "-1"], ["--files-older-than", "soon"]])
def test_what_cannot_be_understood_is_refused(penstock, database, options):
    run_id = ended(database, 31)

    assert penstock("runs", "prune", *options).code == 2
    assert remaining(database) == {run_id}
