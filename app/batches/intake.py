"""Stores a batch piece by piece: whole and valid as far as it goes, or not at all."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from app.errors import APIError, invalid_param
from app.published import PublishedWorkflow
from app.schemas.batches import window_s
from worker.engine.errors import one_line
from worker.store.batch_facts import BatchFacts, load_batch
from worker.store.batches import NewBatch, NewItem, add_items, discard_batch, new_batch, seal_batch
from worker.store.encoding import dumps
from worker.store.errors import StorageUnavailable
from worker.store.session import Database
from worker.store.webhooks import RunWebhook

#: Items of one transaction, and about how many bytes: SQLite stops the whole process for each. While 100,000 items were accepted, other
#: requests waited 23 ms in the median with this, 40 ms with 1,000 items.
PIECE_ITEMS = 250
PIECE_BYTES = 4 * 1024 * 1024

#: Items after which other requests are served: reading them waits for nothing, and the processes of the API have one thread.
TURN_ITEMS = 20

#: Items that an answer shows the errors of.
SHOWN_ERRORS = 10
SHOWN_LENGTH = 200


@dataclass(frozen=True, slots=True)
class AcceptedBatch:
    facts: BatchFacts
    #: The first items that cannot be run.
    errors: Sequence[NewItem] = ()
    #: How a file was read: format, encoding, delimiter.
    read_as: Mapping[str, Any] | None = None
    #: An earlier request with the same key made it.
    is_replay: bool = False


@dataclass(slots=True)
class Tally:
    """What has been stored so far."""

    valid: int = 0
    total: int = 0
    errors: list[NewItem] = field(default_factory=list)


def new_batch_of(
    workflow: PublishedWorkflow, end_user_id: str, options: Mapping[str, Any], webhook: RunWebhook | None, **more: Any
) -> NewBatch:
    """A batch of this version. ``options``: by the names of ``schemas.batches.BatchOptions``, checked; ``more``: further fields."""
    window = options["completion_window"]
    return NewBatch(
        workflow.app_id,
        workflow.workflow_id,
        workflow.version,
        end_user_id,
        max_concurrency=options["max_concurrency"],
        priority=options["priority"] or 0,
        stop_on_error_rate=options["stop_on_error_rate"],
        webhook=webhook,
        completion_window_s=None if window is None else window_s(window),
        metadata=options["metadata"] or {},
        **more,
    )


def store_batch(database: Database, batch: NewBatch, items: Iterable[NewItem], max_items: int) -> AcceptedBatch:
    """Store a batch with its items, or find the one that the same request made before.

    Raises ``APIError`` if no item can be run or there are too many, what ``new_batch`` raises, and whatever reading the items raises;
    nothing is stored then.
    """
    with database.begin() as session:
        begun = new_batch(session, batch)
    if not begun.is_new:
        return AcceptedBatch(load_known(database, begun.batch_id), is_replay=True)
    try:
        tally = _fill(database, begun.batch_id, items, max_items)
        if not tally.valid:
            raise none_valid(tally)
        with database.begin() as session:
            return AcceptedBatch(seal_batch(session, begun.batch_id), tally.errors)
    except BaseException:
        # Without this the dispatcher would remove it a little later.
        with suppress(StorageUnavailable), database.begin() as session:
            discard_batch(session, begun.batch_id)
        raise


def load_known(database: Database, batch_id: str) -> BatchFacts:
    """A batch that was just found. Raises ``APIError`` if it is gone all the same."""
    with database.read() as session:
        found = load_batch(session, batch_id)
    if found is None:
        raise APIError("not_found", "Batch not found.")
    return found


def _fill(database: Database, batch_id: str, items: Iterable[NewItem], max_items: int) -> Tally:
    tally = Tally()
    for piece in pieces(items):
        tally.total += len(piece)
        if tally.total > max_items:
            raise invalid_param(f"A batch must not have more than {max_items} items: divide it into several.", "items")
        with database.begin() as session:
            tally.valid += add_items(session, batch_id, piece).valid
        bad = [item for item in piece if item.error is not None]
        tally.errors += bad[: SHOWN_ERRORS - len(tally.errors)]
    return tally


def pieces(items: Iterable[NewItem]) -> Iterator[list[NewItem]]:
    """The items in lists for one transaction each."""
    piece: list[NewItem] = []
    size = 0
    for item in items:
        piece.append(item)
        size += len(dumps(item.inputs))
        if len(piece) % TURN_ITEMS == 0:
            time.sleep(0)
        if len(piece) == PIECE_ITEMS or size >= PIECE_BYTES:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def none_valid(tally: Tally) -> APIError:
    if not tally.total:
        return invalid_param("The batch has no items.", "items")
    shown = " ".join(f"Line {item.line}: {one_line(str(item.error).removesuffix('.'), SHOWN_LENGTH)}." for item in tally.errors)
    more = tally.total - len(tally.errors)
    return invalid_param(f"No item can be run. {shown}" + (f" And {more} more." if more else ""), "items")
