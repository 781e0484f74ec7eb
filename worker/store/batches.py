"""Batches as their makers know them: made piece by piece, then complete in one statement, or gone.

While it is ``validating`` nobody sees a batch. If its maker dies, its time runs out and the dispatcher removes what there is of it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from sqlalchemy import bindparam, insert, or_, select, update
from sqlalchemy.orm import Session

from worker.store.batch_facts import BatchFacts, BatchStatus, ItemStatus, load_batch
from worker.store.batch_models import BATCH_ITEMS, BATCHES, IS_VALID, Batch, BatchItem
from worker.store.clock import now_s
from worker.store.encoding import clean_text, dumps
from worker.store.errors import KeyInProgress, KeyReused, NotFound
from worker.store.models import APPS
from worker.store.upsert import insert_or
from worker.store.webhooks import RunWebhook

#: Seconds that may pass between two pieces of a batch before it counts as given up.
VALIDATING_S = 120.0

#: Seconds for which an idempotency key stands for its batch.
KEPT_S = 24 * 3600.0

#: Code of an item whose ``custom_id`` an earlier item of the batch has.
DUPLICATE = "duplicate_custom_id"


@dataclass(frozen=True, slots=True)
class NewBatch:
    app_id: str
    workflow_id: str
    workflow_version: str
    end_user_id: str
    #: Key that makes it; None: an operator does.
    key_id: str | None = None
    #: 1 or more; None: as many as there is room for.
    max_concurrency: int | None = None
    priority: int = 0
    #: 0 to 1.
    stop_on_error_rate: float | None = None
    #: Its events are ``webhooks.BATCH_EVENTS``. The caller has seen to the secret that signs the messages.
    webhook: RunWebhook | None = None
    completion_window_s: float | None = None
    #: JSON object that the client gets back.
    metadata: Mapping[str, Any] = field(default_factory=dict)
    #: SHA-256 hex of the request's idempotency key, and of the request; both or none.
    idempotency_key: str | None = None
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class NewItem:
    """One item, in the order of the request. With an ``error_code`` it is stored as ``invalid`` and never becomes a run."""

    custom_id: str
    #: Line of the file, or place in the request, counted from 1.
    line: int
    #: Plain JSON as in ``NewRun.inputs``, without the ``sys.*`` keys that belong to a run: only ``sys.files`` beside the form's values.
    inputs: Mapping[str, Any] = field(default_factory=dict)
    error_code: str | None = None
    #: A sentence.
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """A batch under way to being stored; or, if not ``is_new``, the one that the same request has made before."""

    batch_id: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class Added:
    valid: int
    invalid: int


def new_batch(session: Session, batch: NewBatch) -> Begun:
    """Begin a batch: ``add_items`` in transactions of their own follow, then ``seal_batch`` or ``discard_batch``.

    Raises ``KeyInProgress`` while another request with the same key is being stored, ``KeyReused`` if the key came with another
    request, ``NotFound`` if the app is gone.
    """
    if session.scalar(select(APPS.c.id).where(APPS.c.id == batch.app_id)) is None:
        raise NotFound("The app no longer exists.")
    batch_id = str(uuid.uuid4())
    _forget_key(session, batch)
    statement = insert_or(session, Batch).values(**_row(batch_id, batch), created_at=now_s(), validating_until=now_s() + VALIDATING_S)
    statement = statement.on_conflict_do_nothing(index_elements=["app_id", "idempotency_key"])
    if session.scalar(statement.returning(BATCHES.c.id)) is not None:
        return Begun(batch_id, is_new=True)
    assert batch.idempotency_key is not None
    known = find_keyed_batch(session, batch.app_id, batch.idempotency_key, batch.fingerprint)
    if known is None:
        raise KeyInProgress("A request with the same Idempotency-Key is still being accepted.")
    return Begun(known, is_new=False)


def _row(batch_id: str, batch: NewBatch) -> dict[str, Any]:
    return {
        "id": batch_id,
        "app_id": batch.app_id,
        "workflow_id": batch.workflow_id,
        "workflow_version": batch.workflow_version,
        "end_user_id": batch.end_user_id,
        "key_id": batch.key_id,
        "status": BatchStatus.VALIDATING,
        "max_concurrency": batch.max_concurrency,
        "priority": batch.priority,
        "stop_on_error_rate": batch.stop_on_error_rate,
        "webhook": None if batch.webhook is None else batch.webhook.dump(),
        "completion_window_s": batch.completion_window_s,
        "details": dumps(batch.metadata),
        "idempotency_key": batch.idempotency_key,
        "fingerprint": batch.fingerprint,
    }


def _forget_key(session: Session, batch: NewBatch) -> None:
    """A key whose day is over, or whose batch was given up, stands for nothing."""
    if batch.idempotency_key is not None:
        keyed = (BATCHES.c.app_id == batch.app_id, BATCHES.c.idempotency_key == batch.idempotency_key)
        over = or_(BATCHES.c.created_at < now_s() - KEPT_S, IS_GIVEN_UP)
        session.execute(update(BATCHES).where(*keyed, over).values(idempotency_key=None))


#: What makes it one that nobody sees any more.
GIVEN_UP = {"status": BatchStatus.VALIDATING, "ended_at": None, "validating_until": now_s() - 1.0, "idempotency_key": None}

#: Of a batch whose maker has died or has discarded it, or that is removed because of its age.
IS_GIVEN_UP = (BATCHES.c.status == BatchStatus.VALIDATING) & (BATCHES.c.validating_until < now_s())


def find_keyed_batch(session: Session, app_id: str, idempotency_key: str, fingerprint: str | None) -> str | None:
    """The complete batch of an earlier request with this key; None: there is none, or none yet. Raises ``KeyReused``."""
    named = (BATCHES.c.app_id == app_id, BATCHES.c.idempotency_key == idempotency_key, BATCHES.c.created_at >= now_s() - KEPT_S)
    found = session.execute(
        select(BATCHES.c.id, BATCHES.c.fingerprint).where(*named, BATCHES.c.status != BatchStatus.VALIDATING)
    ).one_or_none()
    if found is None:
        return None
    if found.fingerprint != fingerprint:
        raise KeyReused("This Idempotency-Key came with another body before.")
    return str(found.id)


def add_items(session: Session, batch_id: str, items: Sequence[NewItem]) -> Added:
    """Store the next items of a batch, about 1,000 at a time: their positions go on from those that are there.

    An item whose ``custom_id`` an earlier valid one has becomes ``invalid`` with the code ``DUPLICATE``. Not safe to repeat: use
    ``Database.begin``. Raises ``NotFound`` if the batch was given up.
    """
    held = session.execute(HOLD, {"batch": batch_id, "more": len(items)}).one_or_none()
    if held is None:
        raise NotFound("The batch was given up: its items came too slowly.")
    rows = [_item_row(batch_id, position, item) for position, item in enumerate(items, held.total - len(items) + 1)]
    valid, invalid = ([row for row in rows if (row["error_code"] is None) is is_valid] for is_valid in (True, False))
    invalid = sorted([*invalid, *_store_valid(session, valid)], key=itemgetter("position"))
    for order, row in enumerate(invalid, held.last_ended + 1):
        row["ended_order"] = order
    if invalid:
        session.execute(insert(BATCH_ITEMS), invalid)
    session.execute(COUNT_ADDED, {"batch": batch_id, "valid": len(rows) - len(invalid), "bad": len(invalid)})
    return Added(len(rows) - len(invalid), len(invalid))


#: Also says that its maker lives.
HOLD = (
    update(BATCHES)
    .where(BATCHES.c.id == bindparam("batch"), BATCHES.c.status == BatchStatus.VALIDATING, BATCHES.c.validating_until >= now_s())
    .values(total=BATCHES.c.total + bindparam("more"), validating_until=now_s() + VALIDATING_S)
    .returning(BATCHES.c.total, BATCHES.c.last_ended)
)

COUNT_ADDED = (
    update(BATCHES)
    .where(BATCHES.c.id == bindparam("batch"))
    .values(
        waiting=BATCHES.c.waiting + bindparam("valid"),
        invalid=BATCHES.c.invalid + bindparam("bad"),
        last_ended=BATCHES.c.last_ended + bindparam("bad"),
    )
)


def _store_valid(session: Session, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Answers the others, as the invalid items that they are.

    The index itself finds them: a query for ids would be planned by what PostgreSQL knew of the table before this batch came.
    """
    if not rows:
        return []
    statement = insert_or(session, BatchItem).on_conflict_do_nothing(index_elements=["batch_id", "custom_id"], index_where=IS_VALID)
    stored = set(session.scalars(statement.returning(BATCH_ITEMS.c.position), rows))
    return [as_duplicate(row) for row in rows if row["position"] not in stored]


def as_duplicate(row: dict[str, Any]) -> dict[str, Any]:
    error = f"An earlier item has the custom_id {row['custom_id']!r}."
    return {**row, "inputs": "{}", "status": ItemStatus.INVALID, "error_code": DUPLICATE, "error": error}


def _item_row(batch_id: str, position: int, item: NewItem) -> dict[str, Any]:
    is_valid = item.error_code is None
    return {
        "batch_id": batch_id,
        "position": position,
        "custom_id": clean_text(item.custom_id),
        "line": item.line,
        "inputs": dumps(item.inputs) if is_valid else "{}",
        "status": ItemStatus.WAITING if is_valid else ItemStatus.INVALID,
        "error_code": item.error_code,
        "error": None if item.error is None else clean_text(item.error),
        "ended_order": None,
    }


def seal_batch(session: Session, batch_id: str) -> BatchFacts:
    """The batch is complete: from now on it is seen, and dispatched. Raises ``NotFound`` if it was given up."""
    sealed = session.execute(SEAL, {"batch": batch_id}).one_or_none()
    if sealed is None:
        raise NotFound("The batch was given up: its items came too slowly.")
    found = load_batch(session, batch_id)
    assert found is not None, "it was there in the statement before"
    return found


SEAL = (
    update(BATCHES)
    .where(BATCHES.c.id == bindparam("batch"), BATCHES.c.status == BatchStatus.VALIDATING, BATCHES.c.validating_until >= now_s())
    .values(
        status=BatchStatus.IN_PROGRESS,
        started_at=now_s(),
        expires_at=now_s() + BATCHES.c.completion_window_s,
        validating_until=None,
    )
    .returning(BATCHES.c.id)
)


def discard_batch(session: Session, batch_id: str) -> None:
    """Give up a batch that is not complete: nobody ever sees it, and the dispatcher removes it. Its key may be used again."""
    gone = update(BATCHES).where(BATCHES.c.id == batch_id, BATCHES.c.status == BatchStatus.VALIDATING)
    session.execute(gone.values(**GIVEN_UP))
