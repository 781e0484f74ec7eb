"""Making batches, and looking at them: nothing half done is ever seen."""

from typing import Any

import pytest
from sqlalchemy import select

from tests.contract.store.batching import add, begin, change, facts, items, make, new_batch, nowhere
from tests.contract.store.world import World, count, race
from worker.store import batch_closing, batch_facts, batch_items, batch_work, batches
from worker.store.apps import delete_app
from worker.store.batch_facts import BatchStatus, ItemStatus
from worker.store.batch_models import BATCH_ITEMS, Batch, BatchItem
from worker.store.errors import KeyInProgress, KeyReused, NotFound


def seen(world: World, batch_id: str) -> batch_facts.BatchFacts | None:
    with world.database.read() as session:
        return batch_facts.get_batch(session, world.app_id, batch_id)


def listed(world: World, **options: Any) -> list[str]:
    with world.database.read() as session:
        return [batch.id for batch in batch_facts.list_batches(session, world.app_id, **options)]


def test_a_batch_is_seen_once_it_is_complete(world: World) -> None:
    batch_id = begin(world, priority=3, metadata={"night": 1})
    add(world, batch_id, items(2))
    assert (seen(world, batch_id), listed(world)) == (None, [])

    with world.database.begin() as session:
        sealed = batches.seal_batch(session, batch_id)

    assert seen(world, batch_id) == sealed
    assert (sealed.status, sealed.priority, sealed.metadata, sealed.user) == (BatchStatus.IN_PROGRESS, 3, {"night": 1}, "ada")
    assert (sealed.counts.total, sealed.counts.waiting) == (2, 2)
    assert sealed.started_at is not None
    assert listed(world) == [batch_id]


def test_items_go_on_where_the_last_ones_ended(world: World) -> None:
    batch_id = begin(world)
    add(world, batch_id, items(2))
    add(world, batch_id, items(2, first=3))

    with world.database.read() as session:
        found = session.execute(select(BATCH_ITEMS.c.position, BATCH_ITEMS.c.custom_id).order_by(BATCH_ITEMS.c.position)).all()

    assert [tuple(row) for row in found] == [(1, "item-1"), (2, "item-2"), (3, "item-3"), (4, "item-4")]


def test_bad_items_are_kept_with_what_is_wrong(world: World) -> None:
    batch_id = begin(world)
    bad = batches.NewItem("bad", 7, error_code="invalid_inputs", error="name is required.")

    added = add(world, batch_id, [*items(1), bad])

    assert added == batches.Added(1, 1)
    with world.database.begin() as session:
        batches.seal_batch(session, batch_id)
    with world.database.read() as session:
        (found,) = batch_items.read_items(session, world.app_id, batch_id, statuses=batch_items.ERRORS)
    assert (found.position, found.line, found.status) == (2, 7, ItemStatus.INVALID)
    assert (found.error_code, found.error) == ("invalid_inputs", "name is required.")


def test_an_id_that_an_earlier_item_has_is_an_error_of_the_later_one(world: World) -> None:
    batch_id = begin(world)
    one, other = items(1)[0], batches.NewItem("bad", 5, error_code="invalid_inputs", error="No.")

    first = add(world, batch_id, [one, one, other])
    second = add(world, batch_id, [batches.NewItem("bad", 6, {}), one])

    assert (first, second) == (batches.Added(1, 2), batches.Added(1, 1))
    with world.database.read() as session:
        found = session.execute(select(BATCH_ITEMS.c.position, BATCH_ITEMS.c.error_code).order_by(BATCH_ITEMS.c.position)).all()
    assert [row.error_code for row in found] == [None, batches.DUPLICATE, "invalid_inputs", None, batches.DUPLICATE]


def test_a_batch_that_is_given_up_leaves_nothing(world: World) -> None:
    batch_id = begin(world, idempotency_key="k", fingerprint="f")
    add(world, batch_id, items(3))
    with world.database.begin() as session:
        batches.discard_batch(session, batch_id)

    with pytest.raises(NotFound, match="given up"):
        add(world, batch_id, items(1, first=4))
    assert begin(world, idempotency_key="k", fingerprint="other") != batch_id
    while purge(world, batch_id):
        pass

    assert (count(world.database, Batch), count(world.database, BatchItem)) == (1, 0)


def purge(world: World, batch_id: str) -> bool:
    with world.database.begin() as session:
        return batch_closing.purge(session, batch_id)


def test_a_batch_whose_maker_died_is_found_and_a_living_one_is_left_alone(world: World) -> None:
    dead, living = begin(world), begin(world)
    change(world, dead, validating_until=1.0)

    with world.database.read() as session:
        found = batch_work.open_batches(session)

    assert [batch.id for batch in found] == [dead]
    purge(world, living)
    with world.database.begin() as session, pytest.raises(NotFound):
        batches.seal_batch(session, dead)
    with world.database.begin() as session:
        batches.seal_batch(session, living)


def test_a_request_that_comes_again_finds_its_batch(world: World) -> None:
    keyed = {"idempotency_key": "key", "fingerprint": "body"}
    batch_id = make(world, **keyed)

    with world.database.begin() as session:
        again = batches.new_batch(session, new_batch(world, **keyed))
        assert again == batches.Begun(batch_id, is_new=False)
        with pytest.raises(KeyReused):
            batches.new_batch(session, new_batch(world, idempotency_key="key", fingerprint="other"))


def test_a_request_that_is_still_being_stored_is_not_made_twice(world: World) -> None:
    begin(world, idempotency_key="key", fingerprint="body")

    with world.database.begin() as session, pytest.raises(KeyInProgress):
        batches.new_batch(session, new_batch(world, idempotency_key="key", fingerprint="body"))


def test_requests_that_race_make_one_batch(world: World) -> None:
    def contend() -> str | None:
        try:
            return begin(world, idempotency_key="key", fingerprint="body")
        except KeyInProgress:
            return None

    made = [batch_id for batch_id in race([contend] * 8) if batch_id is not None]

    assert len(made) == 1


def test_a_key_stands_for_its_batch_for_a_day(world: World) -> None:
    batch_id = make(world, idempotency_key="key", fingerprint="body")
    change(world, batch_id, created_at=1.0)

    assert begin(world, idempotency_key="key", fingerprint="other") != batch_id


def test_a_batch_needs_an_app(world: World) -> None:
    with world.database.begin() as session, pytest.raises(NotFound):
        batches.new_batch(session, new_batch(world, app_id=nowhere()))


def test_an_app_sees_its_own_batches(world: World) -> None:
    batch_id = make(world)
    stranger = World(world.database, "Stranger")

    assert seen(stranger, batch_id) is None
    assert listed(stranger) == []
    with world.database.read() as session:
        assert batch_items.read_items(session, stranger.app_id, batch_id) == []
        assert batch_facts.get_batch(session, world.app_id, "no id") is None


def test_batches_are_listed_newest_first_page_by_page(world: World) -> None:
    made = [make(world, 1) for _ in range(3)]
    for at, batch_id in enumerate(made, 1):
        change(world, batch_id, created_at=float(at))
    change(world, made[0], status=BatchStatus.PAUSED)

    assert listed(world) == made[::-1]
    assert listed(world, limit=2) == [made[2], made[1]]
    assert listed(world, after=made[1]) == [made[0]]
    assert listed(world, after=nowhere()) == []
    assert listed(world, status=BatchStatus.PAUSED) == [made[0]]


def test_a_batch_goes_with_its_app(world: World) -> None:
    make(world)
    with world.database.begin() as session:
        delete_app(session, world.app_id)

    assert (count(world.database, Batch), count(world.database, BatchItem)) == (0, 0)


def test_texts_that_a_database_refuses_are_cleaned(world: World) -> None:
    batch_id = begin(world)
    add(world, batch_id, [batches.NewItem("a\0b", 1, {"text": "\0\ud800"}), batches.NewItem("c", 2, error_code="x", error="\ud800")])

    assert facts(world, batch_id).counts.total == 2
