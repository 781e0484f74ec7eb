"""Tables of batches: many runs of one version, asked for together and dispatched a few at a time."""

from __future__ import annotations

from typing import cast

from sqlalchemy import BigInteger, Float, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint, literal_column, text
from sqlalchemy.orm import Mapped, mapped_column

from worker.store.models import UUID, Base

#: Conditions of partial indexes; queries must say them too, word by word: no database looks into their parameters for that.
UNENDED = "ended_at IS NULL"
VALID = "status <> 'invalid'"
WAITING = "status = 'waiting'"
RUNNING = "status = 'running'"
ENDED = "ended_order IS NOT NULL"


class Batch(Base):
    """A batch with the counts of its items, which change in the transactions that change the items."""

    __tablename__ = "batches"
    __table_args__ = (
        UniqueConstraint("app_id", "idempotency_key"),
        Index("ix_batches_app_id_created_at", "app_id", "created_at", "id"),
        # What the dispatcher looks through: the few batches that have not ended.
        Index("ix_batches_unended", "app_id", "status", postgresql_where=text(UNENDED), sqlite_where=text(UNENDED)),
        Index("ix_batches_ended_at", "ended_at"),
    )

    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"))
    #: Version that all items are executed by; no foreign key, since items whose version is gone end with an error of their own.
    workflow_id: Mapped[str] = mapped_column(UUID)
    workflow_version: Mapped[str] = mapped_column(String(40))
    end_user_id: Mapped[str] = mapped_column(ForeignKey("end_users.id", ondelete="CASCADE"), index=True)
    #: Key that made it, None for an operator's batch; no foreign key, as in ``runs``.
    key_id: Mapped[str | None] = mapped_column(UUID)
    #: ``BatchStatus``.
    status: Mapped[str] = mapped_column(String(16))
    #: What a ``cancelling`` batch becomes when its last run has ended.
    closing_as: Mapped[str | None] = mapped_column(String(16))
    #: Why it ended before its time; a sentence.
    error: Mapped[str | None] = mapped_column(Text)
    #: Runs that it may have open at a time; None: as many as there is room for.
    max_concurrency: Mapped[int | None] = mapped_column(Integer)
    #: Among the batches of its app, higher ones go first.
    priority: Mapped[int] = mapped_column(Integer, default=0)
    #: Part of the ended items, 0 to 1, beyond whose failure the batch ends as ``failed``.
    stop_on_error_rate: Mapped[float | None] = mapped_column(Float(53))
    #: JSON of ``RunWebhook``: whom to tell of its end, besides the endpoints of its app.
    webhook: Mapped[str | None] = mapped_column(Text)
    #: Seconds from the first dispatch that it may take, also after a retry, and when they are over.
    completion_window_s: Mapped[float | None] = mapped_column(Float(53))
    expires_at: Mapped[float | None] = mapped_column(Float(53))
    #: JSON object that the client gave.
    details: Mapped[str] = mapped_column(Text, default="{}")

    total: Mapped[int] = mapped_column(Integer, default=0)
    invalid: Mapped[int] = mapped_column(Integer, default=0)
    waiting: Mapped[int] = mapped_column(Integer, default=0)
    running: Mapped[int] = mapped_column(Integer, default=0)
    succeeded: Mapped[int] = mapped_column(Integer, default=0)
    partial: Mapped[int] = mapped_column(Integer, default=0)
    failed: Mapped[int] = mapped_column(Integer, default=0)
    stopped: Mapped[int] = mapped_column(Integer, default=0)
    cancelled: Mapped[int] = mapped_column(Integer, default=0)
    expired: Mapped[int] = mapped_column(Integer, default=0)
    #: Last ``ended_order`` given out.
    last_ended: Mapped[int] = mapped_column(BigInteger, default=0)

    #: Of all runs that have ended, those of earlier attempts included.
    total_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    #: A decimal number as text, and its currency; empty where no model was asked.
    total_price: Mapped[str] = mapped_column(String(40), default="0")
    currency: Mapped[str] = mapped_column(String(16), default="")

    created_at: Mapped[float] = mapped_column(Float(53))
    #: When it was complete and in progress.
    started_at: Mapped[float | None] = mapped_column(Float(53))
    ended_at: Mapped[float | None] = mapped_column(Float(53))
    #: Of a ``validating`` batch: its upload counts as given up after this time.
    validating_until: Mapped[float | None] = mapped_column(Float(53))
    #: SHA-256 hex of the request's idempotency key; None: it has none, or its day is over.
    idempotency_key: Mapped[str | None] = mapped_column(String(64))
    #: SHA-256 hex of the request.
    fingerprint: Mapped[str | None] = mapped_column(String(64))


class BatchItem(Base):
    """One item of a batch. It becomes a run when it is dispatched; a retry makes another run of it."""

    __tablename__ = "batch_items"
    __table_args__ = (
        # An item with an id that an earlier one has is invalid.
        Index(
            "ix_batch_items_custom_id",
            "batch_id",
            "custom_id",
            unique=True,
            postgresql_where=text(VALID),
            sqlite_where=text(VALID),
        ),
        Index("ix_batch_items_waiting", "batch_id", "position", postgresql_where=text(WAITING), sqlite_where=text(WAITING)),
        Index("ix_batch_items_running", "batch_id", "run_id", postgresql_where=text(RUNNING), sqlite_where=text(RUNNING)),
        # Partial, so that SQLite does not take it for a way to the few items that run.
        Index("ix_batch_items_ended", "batch_id", "ended_order", postgresql_where=text(ENDED), sqlite_where=text(ENDED)),
    )

    batch_id: Mapped[str] = mapped_column(ForeignKey("batches.id", ondelete="CASCADE"), primary_key=True)
    #: 1, 2, 3 ... in the order of the request.
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    custom_id: Mapped[str] = mapped_column(String(255))
    #: Line of the file, or place in the request, counted from 1.
    line: Mapped[int] = mapped_column(Integer)
    #: JSON object: prepared form values and ``sys.files``; ``{}`` of an invalid item.
    inputs: Mapped[str] = mapped_column(Text)
    #: ``ItemStatus``.
    status: Mapped[str] = mapped_column(String(24))
    #: A stable code and a sentence; None unless something went wrong.
    error_code: Mapped[str | None] = mapped_column(String(64))
    error: Mapped[str | None] = mapped_column(Text)
    #: Its last run; no foreign key, since runs are removed because of their age.
    run_id: Mapped[str | None] = mapped_column(UUID)
    #: How often it was dispatched.
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    #: Its place among the ended items, ascending with gaps; None: it has not ended.
    ended_order: Mapped[int | None] = mapped_column(BigInteger)
    ended_at: Mapped[float | None] = mapped_column(Float(53))


class BatchWorker(Base):
    """A worker process that is up, as far as it has told lately: how many runs batches may have at a time depends on them."""

    __tablename__ = "batch_workers"

    #: Of its leases.
    owner: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: Runs that it may execute at a time.
    slots: Mapped[int] = mapped_column(Integer)
    #: It counts as gone after this time.
    until: Mapped[float] = mapped_column(Float(53))


BATCHES = cast(Table, Batch.__table__)
BATCH_ITEMS = cast(Table, BatchItem.__table__)
BATCH_WORKERS = cast(Table, BatchWorker.__table__)

#: The same conditions for statements.
IS_VALID = BATCH_ITEMS.c.status != literal_column("'invalid'")
IS_WAITING = BATCH_ITEMS.c.status == literal_column("'waiting'")
IS_RUNNING = BATCH_ITEMS.c.status == literal_column("'running'")
