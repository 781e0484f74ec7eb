"""How many runs apps and keys may have open: exact, however many store runs together."""

from typing import Any

import pytest
from sqlalchemy import text

from tests.contract.store.world import World, count, race
from worker.config import Config
from worker.engine.events import RunStatus
from worker.store import keys, runs
from worker.store.errors import NotFound, TooManyRuns
from worker.store.idempotency import Submission, accept_keyed_run
from worker.store.limit_settings import change_limits, clear_limits, list_limits
from worker.store.limits import COUNT_OPEN, COUNT_WAITING, Bounds, RunLimits, check_open_runs, limits_of, room_of, waiting_runs
from worker.store.models import App, Run
from worker.store.session import Database


def make_key(world: World) -> str:
    with world.database.begin() as session:
        return keys.create_key(session, world.app_id)[0].id


def change(world: World, key_id: str | None = None, **changes: int | None) -> RunLimits:
    with world.database.begin() as session:
        return change_limits(session, world.app_id, key_id, **changes)


def bounds(world: World, config: Config | None = None, key_id: str | None = None) -> Bounds | None:
    with world.database.read() as session:
        return limits_of(session, config or Config(), world.app_id, key_id)


def most(world: World, of_app: int = 0, of_key: int = 0, key_id: str | None = None) -> Bounds:
    return Bounds(world.app_id, key_id, RunLimits(of_app, 0, 0), RunLimits(of_key, 0, 0))


def accept(world: World, limits: Bounds, **changes: Any) -> bool:
    """Whether a run was stored."""
    try:
        world.accept(bounds=limits, key_id=limits.key_id, **changes)
    except TooManyRuns:
        return False
    return True


def room(world: World, key_id: str | None = None) -> int | None:
    with world.database.begin() as session:
        return room_of(session, Config(), world.app_id, key_id)


# ---- which limits count


def test_nothing_is_limited_unless_somebody_says_so(world: World) -> None:
    assert bounds(world) is None
    assert bounds(world, key_id=make_key(world)) is None


def test_what_operators_set_comes_before_the_settings(world: World) -> None:
    key_id = make_key(world)
    config = Config(app_max_concurrency=5, app_max_rate=60, key_max_concurrency=2)
    change(world, max_concurrency=9)
    change(world, key_id, max_concurrency=0, max_rate=30, max_burst=3)

    assert bounds(world, config, key_id) == Bounds(world.app_id, key_id, RunLimits(9, 60, 60), RunLimits(0, 30, 3))


def test_what_has_no_key_has_no_limit_of_keys(world: World) -> None:
    assert bounds(world, Config(key_max_concurrency=2)) is None


def test_the_limits_come_with_the_key(world: World) -> None:
    with world.database.begin() as session:
        key, token = keys.create_key(session, world.app_id)
    change(world, max_concurrency=9, max_rate=0)
    change(world, key.id, max_burst=4)
    with world.database.read() as session:
        found = keys.find_app_by_token(session, token)

    assert found is not None
    assert (found.app_limits, found.key_limits) == (RunLimits(9, 0, None), RunLimits(None, None, 4))


def test_a_change_leaves_the_other_numbers_alone(world: World) -> None:
    assert change(world, max_concurrency=9) == RunLimits(9, None, None)
    assert change(world, max_rate=5, max_burst=1) == RunLimits(9, 5, 1)
    assert change(world, max_concurrency=None) == RunLimits(None, 5, 1)


def test_cleared_limits_are_those_of_the_settings_again(world: World) -> None:
    change(world, max_concurrency=9, max_rate=5)
    with world.database.begin() as session:
        clear_limits(session, world.app_id)

    assert bounds(world) is None


def test_limits_are_changed_through_their_own_app_only(world: World, database: Database) -> None:
    other = World(database, "Other")
    key_id = make_key(world)

    with pytest.raises(NotFound), database.begin() as session:
        change_limits(session, other.app_id, key_id, max_concurrency=1)
    with pytest.raises(NotFound), database.begin() as session:
        change_limits(session, key_id, max_concurrency=1)
    with pytest.raises(ValueError, match="0 or more"):
        change(world, key_id, max_rate=-1)
    assert bounds(world, key_id=key_id) is None


def test_all_limits_are_listed_with_what_counts_and_what_is_open(world: World, database: Database) -> None:
    other = World(database, "Another")
    key_id, quiet = make_key(world), make_key(world)
    change(world, max_concurrency=9)
    change(world, key_id, max_rate=30)
    world.accept(key_id=key_id)
    world.finish(world.start(key_id=key_id))
    world.start()
    config = Config(app_max_rate=60, key_max_concurrency=4)
    with database.read() as session:
        everything = list_limits(session, config)
        (of_app, *of_keys) = list_limits(session, config, world.app_id)

    assert [(one.app_id, one.key_id, one.open_runs) for one in everything] == [
        (other.app_id, None, 0),
        (world.app_id, None, 2),
        (world.app_id, key_id, 1),
    ]
    assert (of_app.stored, of_app.limits) == (RunLimits(9, None, None), RunLimits(9, 60, 60))
    assert {one.key_id: one.limits for one in of_keys} == {key_id: RunLimits(4, 30, 30), quiet: RunLimits(4, 0, 0)}


# ---- open runs


def test_an_app_has_as_many_open_runs_as_it_may(world: World) -> None:
    assert [accept(world, most(world, 2)) for _ in range(3)] == [True, True, False]
    assert count(world.database, Run) == 2


def test_a_refused_run_leaves_no_trace(world: World, database: Database) -> None:
    accept(world, most(world, 1))
    accept(world, most(world, 1))

    with database.read() as session:
        assert session.get_one(App, world.app_id).last_sequence_number == 1
        assert session.execute(text("SELECT count(*) FROM run_payloads")).scalar() == 1


def test_runs_that_wait_for_people_or_have_ended_hold_no_place(world: World) -> None:
    world.finish(world.start())
    paused = world.start()
    with world.database.begin() as session:
        session.get_one(Run, paused.run_id).status = RunStatus.PAUSED

    assert [accept(world, most(world, 1)) for _ in range(2)] == [True, False]


def test_apps_and_keys_do_not_count_each_other_s_runs(world: World, database: Database) -> None:
    other, key_id = World(database, "Other"), make_key(world)
    accept(other, most(other))
    accept(world, most(world))

    assert [accept(world, most(world, of_key=1, key_id=key_id)) for _ in range(2)] == [True, False]
    assert [accept(world, most(world, 3)) for _ in range(2)] == [True, False]


def test_whoever_is_full_is_named_with_the_number(world: World) -> None:
    key_id = make_key(world)
    accept(world, most(world, 9, 1, key_id))

    with world.database.read() as session, pytest.raises(TooManyRuns, match=r"The key has .* it may have: 1 \(max_concurrency\)"):
        check_open_runs(session, most(world, 9, 1, key_id))
    with world.database.read() as session, pytest.raises(TooManyRuns, match=r"The app has .* it may have: 1 \(max_concurrency\)"):
        check_open_runs(session, most(world, 1, 1, key_id))


def test_of_a_hundred_runs_at_once_exactly_those_that_may_are_stored(world: World, database: Database) -> None:
    other = World(database, "Other")
    contestants = [lambda: accept(world, most(world, 7))] * 100 + [lambda: accept(other, most(other))] * 10

    stored = race(contestants)

    assert (sum(stored[:100]), sum(stored[100:])) == (7, 10)


def test_of_a_hundred_runs_of_two_keys_each_has_what_it_may(world: World) -> None:
    first, second = make_key(world), make_key(world)
    contestants = [lambda key=key: accept(world, most(world, 8, 5, key)) for key in (first, second) * 50]

    stored = race(contestants)

    assert sum(stored) == 8
    assert max(sum(stored[::2]), sum(stored[1::2])) <= 5


def test_a_hundred_requests_with_one_name_are_one_run_and_none_is_refused(world: World) -> None:
    asked = Submission(world.app_id, "/v1/workflows/run", "key", "fingerprint")

    def submit() -> str:
        run = world.new_run(bounds=most(world, 1))
        return world.database.transact(lambda session: accept_keyed_run(session, run, asked)).run_id

    assert len(set(race([submit] * 50))) == 1


# ---- those who wait for room


def test_room_is_what_is_left(world: World) -> None:
    key_id = make_key(world)
    assert room(world) is None
    change(world, max_concurrency=3)
    world.accept(key_id=key_id)

    assert room(world) == 2
    change(world, key_id, max_concurrency=1)
    assert (room(world, key_id), room(world)) == (0, 2)
    change(world, max_concurrency=1)
    world.accept()
    assert room(world) == 0


def test_room_that_was_found_is_still_there_when_it_is_filled(world: World) -> None:
    """Two dispatchers and a crowd of requests: each fills what it was told."""
    change(world, max_concurrency=7)

    def fill() -> int:
        with world.database.begin() as session:
            found = room_of(session, Config(), world.app_id) or 0
            for _ in range(min(found, 3)):
                runs.accept_run(session, world.new_run())
        return min(found, 3)

    stored = race([fill, fill, *[lambda: int(accept(world, most(world, 7)))] * 20])

    assert sum(stored) == count(world.database, Run) == 7


def test_runs_that_wait_for_a_worker_are_counted_as_far_as_anybody_cares(world: World, database: Database) -> None:
    other = World(database, "Other")
    world.start()
    for one in (world, world, other):
        one.accept()

    with database.read() as session:
        assert [waiting_runs(session, most) for most in (100, 3, 2)] == [3, 3, 2]


def test_counts_use_their_indexes(world: World, database: Database) -> None:
    """Those of the runs that have not ended: not all runs, and for an app none of the others."""
    given = {"app": world.app_id, "key": "k", "app_most": 5, "key_most": 5, "up_to": 5}

    plans = [plan(database, query.params(given)) for query in (COUNT_OPEN, COUNT_WAITING)]

    assert "ix_runs_open" in plans[0]
    assert "ix_runs_unfinished" in plans[1] or "ix_runs_open" in plans[1]


def plan(database: Database, query: Any) -> str:
    """How the database finds the rows of a large table."""
    explain = "EXPLAIN QUERY PLAN" if database.dialect == "sqlite" else "EXPLAIN"
    statement = query.compile(database.engine, compile_kwargs={"literal_binds": True})
    with database.read() as session:
        if database.dialect == "postgresql":
            # The tables of a test are so small that reading all of one is quicker.
            session.execute(text("SET enable_seqscan = off"))
        rows = session.execute(text(f"{explain} {statement}")).all()
        if database.dialect == "postgresql":
            session.execute(text("RESET enable_seqscan"))
    return " ".join(str(row) for row in rows)
