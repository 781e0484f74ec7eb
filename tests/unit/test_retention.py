"""Passes of the retention: what they remove, when they end, who makes them (for each step: tests/contract/store/test_retention.py)."""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from tests.unit.running import AbsentDatabase, accept, claimed, memory_database, record, success
from worker import retention as retention_module
from worker.config import Config
from worker.retention import DAY_S, Keeping, Pruned, Pruner, Retention, foresee
from worker.store.blobs import FolderBlobs
from worker.store.claims import finish_run
from worker.store.events import EventStretch
from worker.store.files import add_tool_file, keep
from worker.store.models import RUNS, Lock, NodeExecution, Run, RunEvents, RunPayload, StoredFile
from worker.store.runs import NewRun
from worker.store.session import Database

KEEPING = Keeping(runs_s=30 * DAY_S, details_s=7 * DAY_S, files_s=30 * DAY_S)


@pytest.fixture
def database() -> Iterator[AbsentDatabase]:
    made = memory_database()
    yield AbsentDatabase(made.engine)
    made.dispose()


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "files")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention_module, "PAUSE_S", 0.0)


def ended(database: Database, days_ago: float) -> NewRun:
    run = accept(database)
    claim = claimed(database, run)
    with database.begin() as session:
        finish_run(session, run.run_id, claim.attempt, success(), {}, [(1, record(run.run_id[:8]))], EventStretch.of(1, [b"{}"]))
        session.execute(update(RUNS).where(RUNS.c.id == run.run_id).values(finished_at=time.time() - days_ago * DAY_S))
    return run


def stored_file(database: Database, blobs: FolderBlobs, days_ago: float) -> str:
    run = accept(database)
    file_id = keep(database, blobs, lambda session: add_tool_file(session, run.app_id, "txt", "text/plain", 2), b"hi").id
    with database.begin() as session:
        session.execute(update(StoredFile).where(StoredFile.id == file_id).values(created_at=time.time() - days_ago * DAY_S))
        # A run that waits for a worker keeps all files that are younger; this one is only there for its app.
        session.execute(RUNS.delete().where(RUNS.c.id == run.run_id))
    return file_id


def age(blobs: FolderBlobs, name: str, seconds: float) -> None:
    """Let bytes have been there for so long."""
    moment = time.time() - seconds
    os.utime(blobs._folder / name[:2] / name, (moment, moment))


def prune(database: Database, blobs: FolderBlobs, keeping: Keeping = KEEPING, may_go_on: Callable[[], bool] = lambda: True) -> Pruned:
    return Pruner(database, blobs, keeping, may_go_on).prune()


def ids(database: Database, column: Any = Run.id) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(column)))


def test_details_go_before_runs(database: Database, blobs: FolderBlobs) -> None:
    ancient, old, young = (ended(database, days) for days in (31, 8, 6))

    assert foresee(database, KEEPING) == Pruned(details=2, runs=1)
    assert prune(database, blobs) == Pruned(details=2, runs=1)

    assert ids(database) == {old.run_id, young.run_id}
    assert ids(database, NodeExecution.run_id) == {young.run_id}
    assert ancient.run_id not in ids(database, RunPayload.run_id)


@pytest.mark.parametrize(
    ("keeping", "runs", "details"),
    [
        (Keeping(), 3, 3),
        (Keeping(runs_s=DAY_S), 1, 1),
        (Keeping(details_s=DAY_S), 3, 1),
        (Keeping(runs_s=5 * DAY_S, details_s=20 * DAY_S), 2, 2),
        (Keeping(runs_of_app=0), 0, 0),
    ],
)
def test_each_age_can_be_without_bound(database: Database, blobs: FolderBlobs, keeping: Keeping, runs: int, details: int) -> None:
    for days in (10, 3, 0):
        ended(database, days)

    prune(database, blobs, keeping)

    assert len(ids(database)) == runs
    assert len(ids(database, RunEvents.run_id)) == details


def test_settings_are_in_days_and_0_keeps_for_good() -> None:
    assert Keeping.of(Config()) == KEEPING
    nothing = {"PENSTOCK_RETENTION_RUN_DAYS": "0", "PENSTOCK_RETENTION_DETAIL_DAYS": "0", "PENSTOCK_RETENTION_FILE_DAYS": "0"}
    assert Keeping.of(Config.from_env({**nothing, "PENSTOCK_RETENTION_MAX_RUNS": "7"})) == Keeping(runs_of_app=7)
    assert Keeping.of(Config.from_env({**nothing, "PENSTOCK_RETENTION_RUN_DAYS": "0.5"})).stripped_after_s == 43200.0


def test_a_pass_ends_when_it_is_told_to(database: Database, blobs: FolderBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.store.retention.RUNS_AT_A_TIME", 1)
    for _ in range(4):
        ended(database, 8)
    turns = iter([True, True, False])

    assert prune(database, blobs, may_go_on=lambda: next(turns, False)) == Pruned(details=2)


# ---- files


def test_old_files_go_with_their_bytes(database: Database, blobs: FolderBlobs) -> None:
    old, young = stored_file(database, blobs, 31), stored_file(database, blobs, 29)

    assert prune(database, blobs) == Pruned(files=1)

    assert ids(database, StoredFile.id) == {young}
    assert blobs.missing([old, young]) == [old]


def test_a_file_that_a_run_waits_with_is_kept(database: Database, blobs: FolderBlobs) -> None:
    file_id = stored_file(database, blobs, 31)
    accept(database, inputs={"doc": {"related_id": file_id}})

    assert prune(database, blobs) == Pruned()


class DyingBlobs(FolderBlobs):
    """The process ends between the row and the bytes."""

    def discard(self, file_ids: Any) -> None:
        raise KeyboardInterrupt


def test_bytes_that_a_dead_process_left_behind_are_found_later(database: Database, blobs: FolderBlobs) -> None:
    old, young = stored_file(database, blobs, 31), stored_file(database, blobs, 1)
    with pytest.raises(KeyboardInterrupt):
        prune(database, DyingBlobs(blobs._folder))
    assert ids(database, StoredFile.id) == {young}
    assert blobs.missing([old, young]) == []

    # An upload that is being made just now has no row that others see either.
    assert prune(database, blobs) == Pruned()
    for file_id in (old, young):
        age(blobs, file_id, 2 * 3600.0)
    assert prune(database, blobs) == Pruned(strays=1)
    assert blobs.missing([old, young]) == [old]


def test_beginnings_of_uploads_that_were_cut_off_are_removed(database: Database, blobs: FolderBlobs) -> None:
    kept = stored_file(database, blobs, 1)
    folder = blobs._folder / kept[:2]
    for name in (".new-old", ".new-young"):
        (folder / name).write_bytes(b"half")
    os.utime(folder / ".new-old", (1.0, 1.0))

    assert prune(database, blobs) == Pruned(strays=1)
    assert sorted(path.name for path in folder.iterdir()) == [".new-young", kept]


# ---- who works


def retention(database: Database, blobs: FolderBlobs, owner: str) -> Retention:
    return Retention(database, blobs, Config(), owner)


def test_one_worker_makes_the_passes_until_it_resigns(database: Database, blobs: FolderBlobs) -> None:
    first, second = retention(database, blobs, "one"), retention(database, blobs, "two")
    first.work()
    ended(database, 31)

    second.work()
    assert len(ids(database)) == 1

    first.leave()
    first.work()
    assert len(ids(database)) == 1
    first.resign()
    second.work()
    assert ids(database) == set()


def test_a_worker_that_lost_the_election_in_the_middle_ends_its_pass(database: Database, blobs: FolderBlobs) -> None:
    ended(database, 31)
    first = retention(database, blobs, "one")
    with database.begin() as session:
        session.execute(insert(Lock).values(name=retention_module.LOCK, owner="two", until=4e9))

    assert not first._may_go_on()
    first.work()
    assert len(ids(database)) == 1


def test_strays_are_looked_for_now_and_then_only(database: Database, blobs: FolderBlobs) -> None:
    kept = stored_file(database, blobs, 1)
    folder, keeper = blobs._folder / kept[:2], retention(database, blobs, "one")
    keeper.work()
    (folder / ".new-old").write_bytes(b"half")
    os.utime(folder / ".new-old", (1.0, 1.0))

    keeper.work()

    assert (folder / ".new-old").exists()


def test_while_the_database_is_away_nothing_happens(database: AbsentDatabase, blobs: FolderBlobs, caplog: pytest.LogCaptureFixture) -> None:
    run = ended(database, 31)
    keeper = retention(database, blobs, "one")
    database.is_away = True
    keeper.work()
    keeper.resign()
    database.is_away = False

    assert ids(database) == {run.run_id}
    assert "What is old is removed later" in caplog.text


def copies(database: Database, run: NewRun, number: int) -> None:
    """So many runs more that look like this one."""
    with database.begin() as session:
        for table, key in ((RUNS, "id"), (RunPayload.__table__, "run_id"), (RunEvents.__table__, "run_id")):
            row = dict(session.execute(select(table).where(table.c[key] == run.run_id)).one()._mapping)
            rows = [{**row, key: f"{n:08}", **({"task_id": f"t{n}"} if table is RUNS else {})} for n in range(number)]
            session.execute(insert(table), rows)


def test_memory_does_not_grow_with_the_number_of_runs(database: Database, blobs: FolderBlobs) -> None:
    copies(database, ended(database, 31), 10_000)
    tracemalloc.start()
    try:
        pruned = prune(database, blobs)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert pruned == Pruned(details=10_001, runs=10_001)
    assert peak < 2_000_000
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(RunPayload)) == 0
