"""Runs that go on from others: which can be, and what the new one begins with."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import delete, select

from tests.contract.store.test_idempotency import is_waiting
from tests.contract.store.world import World, count, finished, race, record
from tests.services.waiting import wait_for
from worker.config import Config
from worker.engine.carrying import Carrying
from worker.engine.checkpoint import CheckpointError
from worker.engine.events import NodeStatus, RunStatus, Scope
from worker.engine.identity import execution_id
from worker.engine.record import NodeRecord
from worker.store import resumption, runs
from worker.store.claims import Claim, finish_run, load_records
from worker.store.errors import NotResumable
from worker.store.events import EventStretch
from worker.store.migrate import upgrade
from worker.store.models import RUNS, NodeExecution, Run
from worker.store.resumption import EndedRun, Resumption
from worker.store.retention import strip_runs
from worker.store.session import Database

NOBODY = "00000000-0000-4000-8000-000000000000"

#: Every run that has ended has told so.
EVENTS = EventStretch.of(1, [b"{}"])


def ended(world: World, *records: NodeRecord, status: RunStatus = RunStatus.FAILED, **changes: object) -> Claim:
    """A run that ended so, with these results."""
    claim = world.start(**changes)
    with world.database.begin() as session:
        assert finish_run(session, claim.run_id, claim.attempt, finished(status), {}, list(enumerate(records, 1)), EVENTS)
    return claim


def found(world: World, run_id: str) -> EndedRun | None:
    with world.database.read() as session:
        return resumption.find_resumable(session, world.app_id, run_id)


def going_on(old_id: str, *nodes: str, lenient: tuple[str, ...] = ()) -> Resumption:
    return Resumption(old_id, Carrying(frozenset(nodes), frozenset(lenient)))


def resume(world: World, old_id: str, *nodes: str, **changes: object) -> str:
    return world.accept(resumption=going_on(old_id, *nodes), **changes).run_id


def results(world: World, run_id: str) -> list[NodeRecord]:
    with world.database.read() as session:
        return load_records(session, run_id)


def rows(world: World, run_id: str) -> list[tuple[int, int, str]]:
    columns = (NodeExecution.position, NodeExecution.attempt, NodeExecution.node_id)
    with world.database.read() as session:
        query = select(*columns).where(NodeExecution.run_id == run_id).order_by(NodeExecution.position)
        return [tuple(row) for row in session.execute(query)]


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.STOPPED])
def test_a_run_that_failed_or_was_stopped_is_found_with_what_it_was_given(world: World, status: RunStatus) -> None:
    old = ended(world, status=status)

    for spelling in (old.run_id, old.run_id.upper()):
        assert found(world, spelling) == EndedRun(
            old.run_id, world.app_id, world.workflow_id, world.end_user_id, "ada", {"name": "Ada", "sys.user_id": "ada"}
        )


@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.PARTIAL_SUCCEEDED])
def test_of_a_run_that_succeeded_nothing_is_left_to_do(world: World, status: RunStatus) -> None:
    with pytest.raises(NotResumable, match=r"^The run succeeded: nothing is left to do\.$"):
        found(world, ended(world, status=status).run_id)


def test_a_run_that_has_not_ended_cannot_be_gone_on_from(world: World) -> None:
    for run_id in (world.accept().run_id, world.start().run_id):
        with pytest.raises(NotResumable, match=r"^The run has not ended\.$"):
            found(world, run_id)


def test_unknown_runs_and_those_of_other_apps_are_not_found(world: World, database: Database) -> None:
    foreign = ended(World(database, "Other"))

    assert [found(world, run_id) for run_id in (foreign.run_id, NOBODY, "", "nul\0", "\ud800")] == [None] * 5


def test_the_new_run_has_copies_of_the_results_under_ids_of_its_own(world: World) -> None:
    scope = Scope(iteration_id="it", iteration_index=1, path=(("it", 1),))
    first, inner = record("start"), record("inner", scope=scope, outputs={"out": [1, "two"]}, total_tokens=5)
    old = ended(world, first, record("edited"), inner, record("broken", status=NodeStatus.FAILED))

    new = resume(world, old.run_id, "start", "inner", "broken")

    expected = [replace(item, execution_id=execution_id(new, item.scope, item.node_id)) for item in (first, inner)]
    assert results(world, new) == expected
    assert [item.node_id for item in results(world, old.run_id)] == ["start", "edited", "inner", "broken"]
    assert rows(world, new) == [(1, 1, "start"), (2, 1, "inner")]
    row = world.row(new)
    assert (row.status, row.resumed_from, row.last_event, row.started_at) == ("scheduled", old.run_id, 0, None)


def test_its_worker_does_as_after_a_lost_one(world: World) -> None:
    """So one of an earlier release, which knows nothing of all this, looks for results too."""
    new = resume(world, ended(world, record("a")).run_id, "a")

    claim = world.claim(new)

    assert claim is not None
    assert (claim.attempt, claim.lost_attempts) == (2, 0)


def test_the_start_node_shows_what_the_new_run_was_given(world: World) -> None:
    shown = {"name": "Ada", "sys.user_id": "ada", "sys.workflow_run_id": "old"}
    old = ended(world, record("start", node_type="start", inputs=shown, outputs=shown))

    new = resume(world, old.run_id, "start", inputs={"name": "Ada", "sys.user_id": "bob", "sys.workflow_run_id": "new"})

    [copied] = results(world, new)
    assert copied.inputs == copied.outputs == {"name": "Ada", "sys.user_id": "bob", "sys.workflow_run_id": "new"}


def test_a_run_outlives_the_one_that_it_goes_on_from(world: World, database: Database) -> None:
    old = ended(world, record("a"))
    new = resume(world, old.run_id, "a")

    with database.begin() as session:
        session.execute(delete(RUNS).where(RUNS.c.id == old.run_id))

    assert [item.node_id for item in results(world, new)] == ["a"]
    assert world.row(new).resumed_from == old.run_id


def test_a_run_that_went_on_and_failed_can_be_gone_on_from_too(world: World, database: Database) -> None:
    first = ended(world, record("a"))
    second = world.claim(resume(world, first.run_id, "a"))
    assert second is not None
    with database.begin() as session:
        finish_run(session, second.run_id, second.attempt, finished(RunStatus.FAILED), {}, [(2, record("b"))], EVENTS)

    third = resume(world, second.run_id, "a", "b")

    assert [item.node_id for item in results(world, third)] == ["a", "b"]
    assert world.row(third).resumed_from == second.run_id


def test_nothing_is_stored_if_the_old_run_is_gone(world: World, database: Database) -> None:
    with pytest.raises(NotResumable, match="have been removed"):
        resume(world, NOBODY, "a")

    assert count(database, Run) == count(database, NodeExecution) == 0


def test_a_run_without_its_results_cannot_be_gone_on_from(world: World, database: Database) -> None:
    """All of it would be executed again, as if nothing had been done."""
    old = ended(world, record("a"))
    with database.begin() as session:
        assert strip_runs(session, age_s=0.0) == 1

    with pytest.raises(NotResumable, match="have been removed"):
        found(world, old.run_id)
    with pytest.raises(NotResumable, match="have been removed"):
        resume(world, old.run_id, "a")


def test_nothing_is_stored_if_a_result_cannot_be_read(world: World, database: Database) -> None:
    old = ended(world, *(record(f"n{number}") for number in range(3)))
    with database.begin() as session:
        row = session.scalars(select(NodeExecution).where(NodeExecution.position == 3)).one()
        row.record = row.record.replace('"v":1', '"v":99')

    with pytest.raises(CheckpointError, match="99"):
        resume(world, old.run_id, "n0", "n1", "n2")

    assert count(database, Run) == 1
    assert count(database, NodeExecution) == 3


def test_two_that_go_on_from_one_run_do_not_meet(world: World) -> None:
    old = ended(world, record("a"))

    new = race([partial(resume, world, old.run_id, "a")] * 4)

    assert len({item.execution_id for run_id in (*new, old.run_id) for item in results(world, run_id)}) == 5


@pytest.fixture
def waiting_world(postgres_url: str) -> Iterator[World]:
    """In PostgreSQL, where two can write at a time."""
    config = Config(database_url=postgres_url)
    upgrade(config)
    database = Database.connect(config)
    yield World(database)
    database.dispose()


def test_who_deletes_the_old_run_waits_for_the_copy(waiting_world: World) -> None:
    """Else some of its results would be missing, and their nodes executed again."""
    world, old = waiting_world, ended(waiting_world, record("a"))
    run = world.new_run(resumption=going_on(old.run_id, "a"))

    def remove() -> None:
        with world.database.begin() as session:
            session.execute(delete(RUNS).where(RUNS.c.id == old.run_id))

    with world.database.begin() as session, ThreadPoolExecutor(1) as pool:
        runs.accept_run(session, run)
        removed = pool.submit(remove)
        wait_for(lambda: is_waiting(world), "the one who deletes")
        session.commit()
        removed.result()

    assert [item.node_id for item in results(world, run.run_id)] == ["a"]
    assert found(world, old.run_id) is None


def test_results_are_copied_in_batches(world: World, database: Database) -> None:
    """However many there are, few of them are in memory."""
    rounds, text = 3_000, "x" * 5_000
    scopes = [Scope(iteration_id="it", iteration_index=n, path=(("it", n),)) for n in range(rounds)]
    old = ended(world, *(record("inner", scope=scope, outputs={"text": text}) for scope in scopes))

    tracemalloc.start()
    new = resume(world, old.run_id, "inner")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < rounds * len(text) / 2
    assert [position for position, _, _ in rows(world, new)] == list(range(1, rounds + 1))
