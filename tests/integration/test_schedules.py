"""Schedules over real workers: each due time begins one run, whichever worker looks and whichever dies over it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import select, update

from tests.services import documents
from tests.services.processes import Process
from tests.services.stage import FAST, Stage
from tests.services.waiting import wait_for
from worker.schedules.firing import LOCK
from worker.store.models import RUNS, Lock
from worker.store.schedule_models import FIRINGS, SCHEDULES
from worker.store.schedules import NewSchedule, add_schedule, database_now

#: Schedules that are due together.
SCHEDULED = 30

HOUR_S = 3600.0


@pytest.fixture(params=["sqlite_url", "postgres_url"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    with Stage(tmp_path / "stage", request.getfixturevalue(request.param), **FAST) as made:
        yield made


def schedules(stage: Stage, count: int) -> list[str]:
    """Schedules of a new app that were due half an hour ago, and are again every hour; none of them fires yet."""
    app = stage.deployment.import_document(documents.chain("timed", [documents.start(), documents.end()]))
    with stage.database.begin() as session:
        last = (database_now(session) // 60 - 30) * 60
        new = NewSchedule(app.app_id, "timed", f"{int(last // 60 % 60)} * * * *", "UTC", {}, "once", "allow")
        return [add_schedule(session, new, last + HOUR_S).id for _ in range(count)]


def make_due(stage: Stage, ids: Sequence[str]) -> None:
    with stage.database.begin() as session:
        session.execute(update(SCHEDULES).where(SCHEDULES.c.id.in_(ids)).values(next_at=SCHEDULES.c.next_at - HOUR_S))


def runs_by_schedule(stage: Stage) -> Counter[str]:
    """Runs that have succeeded, by their schedules."""
    succeeded = select(FIRINGS.c.schedule_id).join(RUNS, RUNS.c.id == FIRINGS.c.run_id).where(RUNS.c.status == "succeeded")
    with stage.database.read() as session:
        return Counter(session.scalars(succeeded))


def elected(stage: Stage) -> Process | None:
    """The worker that fires; its lock begins with its process id."""
    with stage.database.read() as session:
        owner = session.scalar(select(Lock.owner).where(Lock.name == LOCK))
    return next((worker for worker in stage.workers if (owner or "").startswith(f"{worker.pid}-")), None)


def test_a_due_time_begins_one_run_on_two_workers(stage: Stage) -> None:
    stage.staff(webs=0, workers=2)
    (schedule,) = schedules(stage, 1)
    make_due(stage, [schedule])

    wait_for(lambda: runs_by_schedule(stage)[schedule] == 1, "the run of the schedule")

    assert [status for status in runs_by_schedule(stage).values()] == [1]
    assert len(stage.tasks()) == 1
    # The same due time again, as after a clock that jumped back: it is known.
    with stage.database.begin() as session:
        session.execute(update(SCHEDULES).values(next_at=SCHEDULES.c.next_at - HOUR_S))
    wait_for(lambda: next_at(stage, schedule) > now(stage), "the schedule to go on")
    assert len(stage.tasks()) == 1
    assert stage.findings() == []


def next_at(stage: Stage, schedule: str) -> float:
    with stage.database.read() as session:
        return float(session.scalar(select(SCHEDULES.c.next_at).where(SCHEDULES.c.id == schedule)) or 0.0)


def now(stage: Stage) -> float:
    with stage.database.read() as session:
        return database_now(session)


def test_every_due_time_has_its_run_although_the_worker_that_fires_is_killed(stage: Stage) -> None:
    stage.staff(webs=0, workers=2)
    (first,) = schedules(stage, 1)
    make_due(stage, [first])
    wait_for(lambda: runs_by_schedule(stage)[first] == 1, "a worker to be elected")
    ids = schedules(stage, SCHEDULED)

    make_due(stage, ids)
    wait_for(lambda: len(stage.tasks()) > 1, "the worker to begin")
    victim = elected(stage)
    assert victim is not None
    stage.kill_worker(victim)

    wait_for(lambda: len(runs_by_schedule(stage)) == SCHEDULED + 1, "every schedule to have its run", 60.0)
    assert set(runs_by_schedule(stage).values()) == {1}
    assert len(stage.tasks()) == SCHEDULED + 1
    assert stage.findings() == []
