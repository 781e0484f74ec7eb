"""What is removed for its age or number, step by step, and what never is."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.orm import Session

from tests.contract.store.world import World, count, finished, record
from worker.engine.events import RunStatus
from worker.engine.variables import File, file_to_json
from worker.store import retention
from worker.store.claims import Claim, finish_run, save_progress
from worker.store.events import EventStretch
from worker.store.files import add_tool_file
from worker.store.models import (
    FORMS,
    IDEMPOTENCY_KEYS,
    RUNS,
    WEBHOOK_DELIVERIES,
    HumanInputForm,
    NodeExecution,
    Run,
    RunEvents,
    RunPayload,
    StoredFile,
    WebhookAttempt,
    WebhookEndpoint,
)
from worker.store.session import Database

HOUR = 3600.0

#: What the tests call old, and an age between that and what is young.
OLD, AGE = 10 * HOUR, HOUR


def ended(world: World, ago_s: float = OLD, events: int = 3, **columns: Any) -> str:
    """A run with two nodes that ended so many seconds ago."""
    claim = world.start()
    stretch = EventStretch.of(1, [b"{}"] * events)
    with world.database.begin() as session:
        assert finish_run(session, claim.run_id, claim.attempt, finished(), {"a": 1}, [(1, record()), (2, record())], stretch)
    change(world, claim.run_id, finished_at=time.time() - ago_s, created_at=time.time() - ago_s, **columns)
    return claim.run_id


def change(world: World, run_id: str, **columns: Any) -> None:
    with world.database.begin() as session:
        session.execute(update(RUNS).where(RUNS.c.id == run_id).values(**columns))


def take(world: World, step: Callable[..., Any], *values: Any) -> Any:
    with world.database.begin() as session:
        return step(session, *values)


def remaining(world: World, model: type[Any] = Run) -> set[str]:
    """Ids of runs that still have rows in a table."""
    column = model.id if model is Run else model.run_id
    with world.database.read() as session:
        return set(session.scalars(select(column)))


def prune(world: World, age_s: float = AGE) -> None:
    """Remove whatever is that old."""
    for step in (retention.strip_runs, retention.delete_runs):
        while take(world, step, age_s):
            pass


# ---- details


def test_old_runs_lose_node_results_and_events_but_nothing_else(world: World) -> None:
    old, young = ended(world), ended(world, ago_s=10)

    assert take(world, retention.strip_runs, AGE) == 1
    assert take(world, retention.strip_runs, AGE) == 0

    assert remaining(world, NodeExecution) == remaining(world, RunEvents) == {young}
    assert remaining(world) == remaining(world, RunPayload) == {old, young}
    row = world.row(old)
    assert (row.last_event, row.status, row.total_steps) == (0, "succeeded", 3)
    assert world.row(young).last_event == 3


def test_runs_that_have_not_ended_are_never_touched(world: World) -> None:
    scheduled, running, paused = world.accept().run_id, world.start(lease_s=-1.0), world.start()
    with world.database.begin() as session:
        save_progress(session, running.run_id, running.attempt, [(1, record())], EventStretch.of(1, [b"{}"]))
    change(world, paused.run_id, status=RunStatus.PAUSED, paused_at=1.0)
    for run_id in (scheduled, running.run_id, paused.run_id):
        change(world, run_id, created_at=1.0, started_at=1.0)

    prune(world)
    assert take(world, retention.delete_surplus, world.app_id, 0) == 0

    assert remaining(world) == {scheduled, running.run_id, paused.run_id}
    assert remaining(world, NodeExecution) == remaining(world, RunEvents) == {running.run_id}


def deliver(world: World, run_id: str, due_at: float | None) -> str:
    """A message about the run, under way or not."""
    delivery_id = str(uuid.uuid4())
    with world.database.begin() as session:
        endpoint = WebhookEndpoint(id=str(uuid.uuid4()), app_id=world.app_id, url=f"https://{run_id}.example", secret=b"", created_at=1.0)
        session.add(endpoint)
        session.flush()
        facts = {"endpoint_id": endpoint.id, "run_id": run_id, "event": "workflow.finished", "event_number": 3, "url": "", "lane": ""}
        session.execute(insert(WEBHOOK_DELIVERIES).values(id=delivery_id, **facts, due_at=due_at, created_at=1.0))
        session.add(WebhookAttempt(delivery_id=delivery_id, number=1, ended_at=1.0, elapsed_ms=1))
    return delivery_id


def name(world: World, run_id: str) -> None:
    """A client named the request that made the run."""
    key = {"app_id": world.app_id, "endpoint": "/", "key": run_id, "fingerprint": "", "run_id": run_id, "created_at": time.time()}
    with world.database.begin() as session:
        session.execute(insert(IDEMPOTENCY_KEYS).values(**key))


def test_runs_that_somebody_still_waits_for_are_kept_until_nobody_does(world: World) -> None:
    told, named = ended(world), ended(world)
    spoken = ended(world, wants_speech=True, lease_until=time.time() + 60)
    delivery = deliver(world, told, due_at=1.0)
    name(world, named)

    prune(world)
    assert take(world, retention.delete_surplus, world.app_id, 0) == 0
    assert remaining(world) == remaining(world, RunEvents) == {told, named, spoken}

    with world.database.begin() as session:
        session.execute(update(WEBHOOK_DELIVERIES).where(WEBHOOK_DELIVERIES.c.id == delivery).values(due_at=None))
        session.execute(IDEMPOTENCY_KEYS.delete())
    change(world, spoken, lease_until=1.0)
    prune(world)
    assert remaining(world) == set()


# ---- whole runs


def test_a_run_goes_with_everything_that_belongs_to_it(world: World, database: Database) -> None:
    run_id, other = ended(world), ended(world, ago_s=1)
    deliver(world, run_id, due_at=None)
    form = {"id": str(uuid.uuid4()), "run_id": run_id, "app_id": world.app_id, "node_id": "a", "node_title": "A", "token": "t"}
    with database.begin() as session:
        session.execute(insert(FORMS).values(**form, definition="{}", expires_at=1.0, ends_run=False, created_at=1.0, position=0))

    prune(world)

    assert remaining(world) == remaining(world, RunPayload) == remaining(world, RunEvents) == remaining(world, NodeExecution) == {other}
    assert count(database, HumanInputForm) == count(database, WebhookAttempt) == 0


def test_a_run_is_not_removed_before_its_details(world: World) -> None:
    run_id = ended(world)

    assert take(world, retention.delete_runs, AGE) == 0
    assert remaining(world) == {run_id}


# ---- steps


def test_steps_are_bounded_by_runs_and_by_events_and_the_oldest_comes_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "RUNS_AT_A_TIME", 2)
    monkeypatch.setattr(retention, "EVENTS_AT_A_TIME", 10)
    sizes = [3, 3, 3, 8, 30, 1]
    runs = [ended(world, OLD - number, events=size) for number, size in enumerate(sizes)]

    seen = []
    while take(world, retention.strip_runs, AGE):
        seen.append([runs.index(run_id) for run_id in runs if world.row(run_id).last_event == 0])

    # Two runs; one that fills the step with the next one; one alone that is too large for any.
    assert seen == [[0, 1], [0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5]]
    assert [take(world, retention.delete_runs, AGE) for _ in range(4)] == [2, 2, 2, 0]


@contextmanager
def holding(database: Database, run_id: str) -> Iterator[Session]:
    """Somebody who copies the run's results keeps it from being removed."""
    with database.begin() as session:
        session.execute(select(RUNS.c.id).where(RUNS.c.id == run_id).with_for_update(read=True, key_share=True))
        yield session


# SQLite has one writer at a time: nobody can hold a row beside another one.
@pytest.mark.parametrize("module_database", ["postgresql"], indirect=True)
def test_runs_that_somebody_holds_are_passed_by(world: World, database: Database) -> None:
    held, free = ended(world), ended(world)

    with holding(database, held):
        assert take(world, retention.strip_runs, AGE) == 1
        assert take(world, retention.strip_runs, AGE) == 0
        assert world.row(free).last_event == 0

    assert take(world, retention.strip_runs, AGE) == 1


def test_steps_find_their_runs_by_an_index(world: World, database: Database) -> None:
    if database.dialect == "postgresql":
        with database.begin() as session:
            session.execute(text("SET LOCAL enable_seqscan = off"))
            plans = plan(session, "EXPLAIN ")
    else:
        with database.read() as session:
            plans = plan(session, "EXPLAIN QUERY PLAN ")

    assert "ix_runs_detailed" in plans[0]
    assert "ix_runs_bare" in plans[1]


def plan(session: Session, explain: str) -> list[str]:
    """How the database finds the runs of a step."""
    plans = []
    for condition in (retention.HAS_DETAILS, retention.IS_BARE):
        query = select(RUNS.c.id).where(retention.IS_OVER, condition, RUNS.c.finished_at < 5.0).order_by(RUNS.c.finished_at).limit(10)
        compiled = query.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
        plans.append(" ".join(str(row) for row in session.execute(text(explain + str(compiled)))))
    return plans


# ---- number


def test_the_newest_runs_of_each_app_are_kept(world: World, database: Database) -> None:
    runs = [ended(world, ago_s=100 - number) for number in range(5)]
    other = World(database, "Other")
    others = [ended(other, ago_s=1000)]
    open_run = world.accept().run_id

    assert take(world, retention.count_surplus, 2) == 3
    assert take(world, retention.delete_surplus, world.app_id, 2) == 3
    assert take(world, retention.delete_surplus, world.app_id, 2) == 0
    assert take(world, retention.delete_surplus, other.app_id, 2) == 0

    assert remaining(world) == {*runs[3:], *others, open_run}


def test_what_a_pass_would_find_is_counted(world: World) -> None:
    ended(world), ended(world), ended(world, ago_s=5)
    take(world, retention.strip_runs, OLD - 1)
    ended(world)

    assert take(world, retention.count_stripped, AGE) == 1
    assert take(world, retention.count_deleted, AGE) == 3


# ---- files


def file(world: World, age_s: float = OLD) -> str:
    with world.database.begin() as session:
        file_id = add_tool_file(session, world.app_id, "txt", "text/plain", 1).id
        session.execute(update(StoredFile).where(StoredFile.id == file_id).values(created_at=time.time() - age_s))
    return file_id


def files(world: World) -> set[str]:
    with world.database.read() as session:
        return set(session.scalars(select(StoredFile.id)))


def delete_files(world: World, in_use: frozenset[str] = frozenset()) -> list[str]:
    removed: list[str] = []
    after: tuple[float, str] | None = retention.FIRST
    while after is not None:
        page = take(world, retention.delete_files, AGE, in_use, after)
        removed += page.removed
        after = page.next
    return removed


def in_use(world: World) -> frozenset[str]:
    with world.database.snapshot() as session:
        return retention.files_in_use(session)


def test_old_files_are_removed_page_by_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "FILES_AT_A_TIME", 2)
    old, young = [file(world, OLD + number) for number in range(5)], file(world, 5)
    kept = old[2]
    assert take(world, retention.has_old_file, AGE)
    assert take(world, retention.count_old_files, AGE) == 5

    removed = delete_files(world, frozenset([kept]))

    assert removed == [file_id for file_id in reversed(old) if file_id != kept]
    assert files(world) == {kept, young}


def mapping(file_id: str) -> dict[str, Any]:
    """A file as inputs and answers have it."""
    return file_to_json(upload(file_id), lambda file: "")


def upload(file_id: str) -> File:
    return File("document", "local_file", "a.txt", ".txt", "text/plain", 1, related_id=file_id)


def running(world: World, age_s: float = 2 * OLD, **changes: Any) -> Claim:
    claim = world.start(**changes)
    change(world, claim.run_id, created_at=time.time() - age_s)
    return claim


def test_files_that_runs_may_still_read_are_in_use(world: World) -> None:
    given, made, answered, unused = (file(world) for _ in range(4))
    claim = running(world, inputs={"doc": mapping(given)})
    form = {"id": str(uuid.uuid4()), "run_id": claim.run_id, "app_id": world.app_id, "node_id": "a", "node_title": "A", "token": "t"}
    with world.database.begin() as session:
        save_progress(session, claim.run_id, claim.attempt, [(1, record(outputs={"files": [upload(made)]}))], None)
        submitted = f'{{"doc": {{"$type": "file", "value": {{"related_id": "{answered}"}}}}}}'
        session.execute(
            insert(FORMS).values(**form, definition="{}", submitted=submitted, expires_at=1.0, ends_run=False, created_at=1.0, position=0)
        )

    found = in_use(world)
    assert found >= {given, made, answered}
    assert unused not in found

    with world.database.begin() as session:
        assert finish_run(session, claim.run_id, claim.attempt, finished(), {}, [], None)
    assert not in_use(world) & {given, made, answered}


def test_what_a_node_in_flight_has_made_is_not_touched(world: World) -> None:
    before = file(world, 3 * OLD)
    claim = running(world)
    meanwhile = file(world)

    assert delete_files(world) == [before]

    with world.database.begin() as session:
        assert finish_run(session, claim.run_id, claim.attempt, finished(), {}, [], None)
    assert delete_files(world) == [meanwhile]


def test_a_paused_run_protects_only_what_it_refers_to(world: World) -> None:
    claim = running(world)
    change(world, claim.run_id, status=RunStatus.PAUSED, paused_at=1.0)
    meanwhile = file(world)

    assert delete_files(world, in_use(world)) == [meanwhile]
