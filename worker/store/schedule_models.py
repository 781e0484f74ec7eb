"""Tables of schedules and of webhook triggers: what begins runs of an app without a request that carries its key."""

from __future__ import annotations

from typing import cast

from sqlalchemy import Float, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from worker.store.models import UUID, Base


class Schedule(Base):
    """When runs of an app begin by themselves, and what with."""

    __tablename__ = "schedules"
    __table_args__ = (
        # Schedules of operators have no node, and NULLs differ from each other.
        UniqueConstraint("app_id", "node_id"),
        # Of those that will fire; queries must say ``next_at IS NOT NULL`` too.
        Index(
            "ix_schedules_due",
            "next_at",
            postgresql_where=text("next_at IS NOT NULL"),
            sqlite_where=text("next_at IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Text)
    #: Schedule trigger of the current version that it stands for; None: an operator made it.
    node_id: Mapped[str | None] = mapped_column(String(255))
    #: What the document says, ``cron`` and time zone in two lines; None: an operator made it. What operators change counts until the
    #: document says something else.
    written: Mapped[str | None] = mapped_column(Text)
    cron: Mapped[str] = mapped_column(Text)
    timezone: Mapped[str] = mapped_column(String(64))
    #: JSON object: inputs of the form, as a request brings them.
    inputs: Mapped[str] = mapped_column(Text, default="{}")
    #: ``sys.user_id`` of its runs.
    user: Mapped[str] = mapped_column(String(255))
    #: ``once``, ``skip`` or ``all`` (schedules/planning.py).
    missed: Mapped[str] = mapped_column(String(8))
    #: ``skip``, ``wait`` or ``allow``.
    overlap: Mapped[str] = mapped_column(String(8))
    #: Since when an operator lets it rest.
    paused_at: Mapped[float | None] = mapped_column(Float(53))
    #: The due time that has not been dealt with yet; None: it rests, or no time is left.
    next_at: Mapped[float | None] = mapped_column(Float(53))
    created_at: Mapped[float] = mapped_column(Float(53))


class Firing(Base):
    """What became of one due time of a schedule. A due time has one row, whoever looks at it and how often."""

    __tablename__ = "schedule_firings"

    schedule_id: Mapped[str] = mapped_column(ForeignKey("schedules.id", ondelete="CASCADE"), primary_key=True)
    #: Epoch seconds; of a run that an operator asked for: when.
    due_at: Mapped[float] = mapped_column(Float(53), primary_key=True)
    #: ``started``, ``skipped``, ``missed`` or ``failed``.
    status: Mapped[str] = mapped_column(String(8))
    #: Run that was started; no foreign key, since it may be gone by now.
    run_id: Mapped[str | None] = mapped_column(UUID)
    #: Why there is no run.
    error: Mapped[str | None] = mapped_column(Text)
    #: Due times before it that were not dealt with one by one, since no worker was there in time.
    missed: Mapped[int] = mapped_column(Integer, default=0)
    fired_at: Mapped[float] = mapped_column(Float(53), index=True)


class WebhookTrigger(Base):
    """The address of a webhook trigger of an app's workflow. It stays the same for all versions that have the node."""

    __tablename__ = "webhook_triggers"
    __table_args__ = (UniqueConstraint("app_id", "node_id"),)

    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"))
    node_id: Mapped[str] = mapped_column(String(255))
    #: SHA-256 hex of the token in the address: who knows it may begin runs.
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    #: The token, sealed (store/sealing.py).
    token: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[float] = mapped_column(Float(53))
    last_used_at: Mapped[float | None] = mapped_column(Float(53))


SCHEDULES = cast(Table, Schedule.__table__)
FIRINGS = cast(Table, Firing.__table__)
WEBHOOK_TRIGGERS = cast(Table, WebhookTrigger.__table__)
