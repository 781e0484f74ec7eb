"""The event log in SQL."""

from tests.contract.store.world import World
from worker.store.events import EventStretch, read_events, store_events
from worker.store.session import Database

FRAMES = [f'{{"event":"node_started","n":{number}}}'.encode() for number in range(1, 10)]


def store(database: Database, run_id: str, *stretches: EventStretch) -> None:
    with database.begin() as session:
        for stretch in stretches:
            store_events(session, run_id, stretch)


def read(database: Database, run_id: str, after: int = 0, limit: int | None = None) -> list[tuple[int, bytes]]:
    with database.read() as session:
        return read_events(session, run_id, after, limit)


def test_events_are_read_from_any_number_on(world: World, database: Database) -> None:
    run_id = world.accept().run_id
    store(database, run_id, EventStretch.of(1, FRAMES[:2]), EventStretch.of(3, FRAMES[2:7]), EventStretch.of(8, FRAMES[7:]))
    numbered = list(enumerate(FRAMES, 1))

    assert [read(database, run_id, after) for after in range(11)] == [numbered[after:] for after in range(11)]


def test_a_reader_with_a_limit_gets_whole_stretches_and_asks_again(world: World, database: Database) -> None:
    run_id = world.accept().run_id
    store(database, run_id, EventStretch.of(1, FRAMES[:4]), EventStretch.of(5, FRAMES[4:6]), EventStretch.of(7, FRAMES[6:]))

    pages = [read(database, run_id, after, limit=5) for after in (0, 6, 9)]

    assert pages == [list(enumerate(FRAMES, 1))[:6], list(enumerate(FRAMES, 1))[6:], []]


def test_a_stretch_that_is_stored_again_replaces_itself(world: World, database: Database) -> None:
    run_id = world.accept().run_id
    store(database, run_id, EventStretch.of(1, FRAMES[:2]))

    store(database, run_id, EventStretch.of(1, FRAMES))

    assert read(database, run_id) == list(enumerate(FRAMES, 1))


def test_events_of_other_runs_are_not_read(world: World, database: Database) -> None:
    store(database, world.accept().run_id, EventStretch.of(1, FRAMES))

    assert read(database, world.accept().run_id) == []
