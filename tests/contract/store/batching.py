"""What the tests of batches have in common: batches of an app, and their items moved on as the dispatcher and workers do it."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, update

from tests.contract.store.world import World
from worker.config import Config
from worker.engine.events import RunStatus
from worker.store import batch_closing, batch_collecting, batch_dispatch, batch_work, batches
from worker.store.batch_facts import COUNT_COLUMNS, BatchFacts, ItemStatus, load_batch
from worker.store.batch_models import BATCH_ITEMS, BATCHES
from worker.store.models import RUNS

QUEUE = "batch"


def new_batch(world: World, **changes: Any) -> batches.NewBatch:
    facts: dict[str, Any] = {
        "app_id": world.app_id,
        "workflow_id": world.workflow_id,
        "workflow_version": world.version,
        "end_user_id": world.end_user_id,
    }
    return batches.NewBatch(**{**facts, **changes})


def items(number: int, first: int = 1) -> list[batches.NewItem]:
    return [batches.NewItem(f"item-{n}", n, {"name": f"Ada {n}", "sys.files": []}) for n in range(first, first + number)]


def begin(world: World, **changes: Any) -> str:
    with world.database.begin() as session:
        return batches.new_batch(session, new_batch(world, **changes)).batch_id


def add(world: World, batch_id: str, new: Sequence[batches.NewItem]) -> batches.Added:
    with world.database.begin() as session:
        return batches.add_items(session, batch_id, new)


def make(world: World, number: int = 3, **changes: Any) -> str:
    """A complete batch of so many items."""
    batch_id = begin(world, **changes)
    add(world, batch_id, items(number))
    with world.database.begin() as session:
        batches.seal_batch(session, batch_id)
    return batch_id


def facts(world: World, batch_id: str) -> BatchFacts:
    with world.database.read() as session:
        found = load_batch(session, batch_id)
    assert found is not None
    return found


def statuses(world: World, batch_id: str) -> list[str]:
    with world.database.read() as session:
        return list(
            session.scalars(select(BATCH_ITEMS.c.status).where(BATCH_ITEMS.c.batch_id == batch_id).order_by(BATCH_ITEMS.c.position))
        )


def check_counts(world: World, batch_id: str) -> None:
    """What the batch says of its items is what they are."""
    found, numbers = facts(world, batch_id).counts, Counter(statuses(world, batch_id))
    assert {status: getattr(found, COUNT_COLUMNS[status]) for status in ItemStatus} == {status: numbers[status] for status in ItemStatus}
    assert found.total == sum(numbers.values())


def look(world: World, batch_id: str) -> batch_work.OpenBatch:
    with world.database.read() as session:
        (found,) = [batch for batch in batch_work.open_batches(session) if batch.id == batch_id]
    return found


def dispatch(world: World, batch_id: str, wanted: int = 100, **settings: Any) -> batch_dispatch.Dispatched:
    chosen = look(world, batch_id)
    with world.database.begin() as session:
        return batch_dispatch.dispatch(session, Config(**settings), chosen, wanted, QUEUE)


def execute(world: World, run_id: str, status: RunStatus = RunStatus.SUCCEEDED, **changes: Any) -> None:
    """A worker brings a run to its end."""
    claim = world.claim(run_id)
    assert claim is not None
    world.finish(claim, status, **changes)


def collect(world: World, batch_id: str) -> list[batch_collecting.EndedRun]:
    with world.database.begin() as session:
        return batch_collecting.collect(session, batch_id)


def close(world: World, batch_id: str) -> bool:
    with world.database.begin() as session:
        return batch_closing.close(session, batch_id)


def change(world: World, batch_id: str, **values: Any) -> None:
    with world.database.begin() as session:
        session.execute(update(BATCHES).where(BATCHES.c.id == batch_id).values(**values))


def queues(world: World) -> dict[str, str | None]:
    with world.database.read() as session:
        return {run_id: queue for run_id, queue in session.execute(select(RUNS.c.id, RUNS.c.queue))}


def nowhere() -> str:
    return str(uuid.uuid4())
