"""Batches and their items, the queue of a run, and webhook messages about batches."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

COUNTS = ("total", "invalid", "waiting", "running", "succeeded", "partial", "failed", "stopped", "cancelled", "expired")

UUID = sa.String(length=36)
FLOAT = sa.Float(precision=53)

#: Conditions of partial indexes.
UNENDED = sa.text("ended_at IS NULL")
VALID = sa.text("status <> 'invalid'")
WAITING = sa.text("status = 'waiting'")
RUNNING = sa.text("status = 'running'")
ENDED = sa.text("ended_order IS NOT NULL")


def upgrade() -> None:
    _create_batches()
    _create_items()
    op.create_table(
        "batch_workers",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("until", FLOAT, nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_batch_workers")),
    )
    op.add_column("runs", sa.Column("queue", sa.String(length=16), nullable=True))
    _keep_attempts(_widen_deliveries)


def _create_batches() -> None:
    op.create_table(
        "batches",
        sa.Column("id", UUID, nullable=False),
        sa.Column("app_id", UUID, nullable=False),
        sa.Column("workflow_id", UUID, nullable=False),
        sa.Column("workflow_version", sa.String(length=40), nullable=False),
        sa.Column("end_user_id", UUID, nullable=False),
        sa.Column("key_id", UUID, nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("closing_as", sa.String(length=16), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("max_concurrency", sa.Integer(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("stop_on_error_rate", FLOAT, nullable=True),
        sa.Column("webhook", sa.Text(), nullable=True),
        sa.Column("completion_window_s", FLOAT, nullable=True),
        sa.Column("expires_at", FLOAT, nullable=True),
        sa.Column("details", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in COUNTS),
        sa.Column("last_ended", sa.BigInteger(), nullable=False),
        sa.Column("total_tokens", sa.BigInteger(), nullable=False),
        sa.Column("total_price", sa.String(length=40), nullable=False),
        sa.Column("currency", sa.String(length=16), nullable=False),
        sa.Column("created_at", FLOAT, nullable=False),
        sa.Column("started_at", FLOAT, nullable=True),
        sa.Column("ended_at", FLOAT, nullable=True),
        sa.Column("validating_until", FLOAT, nullable=True),
        sa.Column("idempotency_key", sa.String(length=64), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_batches_app_id_apps"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["end_user_id"], ["end_users.id"], name=op.f("fk_batches_end_user_id_end_users"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
        sa.UniqueConstraint("app_id", "idempotency_key", name=op.f("uq_batches_app_id")),
    )
    op.create_index(op.f("ix_batches_end_user_id"), "batches", ["end_user_id"])
    op.create_index("ix_batches_app_id_created_at", "batches", ["app_id", "created_at", "id"])
    op.create_index("ix_batches_unended", "batches", ["app_id", "status"], postgresql_where=UNENDED, sqlite_where=UNENDED)
    op.create_index("ix_batches_ended_at", "batches", ["ended_at"])


def _create_items() -> None:
    op.create_table(
        "batch_items",
        sa.Column("batch_id", UUID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("custom_id", sa.String(length=255), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=24), nullable=False),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("run_id", UUID, nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("ended_order", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", FLOAT, nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_batch_items_batch_id_batches"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("batch_id", "position", name=op.f("pk_batch_items")),
    )
    ids = ["batch_id", "custom_id"]
    op.create_index("ix_batch_items_custom_id", "batch_items", ids, unique=True, postgresql_where=VALID, sqlite_where=VALID)
    waiting = ["batch_id", "position"]
    op.create_index("ix_batch_items_waiting", "batch_items", waiting, postgresql_where=WAITING, sqlite_where=WAITING)
    op.create_index("ix_batch_items_running", "batch_items", ["batch_id", "run_id"], postgresql_where=RUNNING, sqlite_where=RUNNING)
    op.create_index("ix_batch_items_ended", "batch_items", ["batch_id", "ended_order"], postgresql_where=ENDED, sqlite_where=ENDED)


def _widen_deliveries() -> None:
    with op.batch_alter_table("webhook_deliveries") as deliveries:
        deliveries.alter_column("run_id", existing_type=UUID, nullable=True)
        deliveries.add_column(sa.Column("batch_id", UUID, nullable=True))
        deliveries.create_foreign_key(op.f("fk_webhook_deliveries_batch_id_batches"), "batches", ["batch_id"], ["id"], ondelete="CASCADE")
        deliveries.create_index(op.f("ix_webhook_deliveries_batch_id"), ["batch_id"])


def _narrow_deliveries() -> None:
    op.execute("DELETE FROM webhook_deliveries WHERE run_id IS NULL")
    with op.batch_alter_table("webhook_deliveries") as deliveries:
        deliveries.drop_index(op.f("ix_webhook_deliveries_batch_id"))
        deliveries.drop_constraint(op.f("fk_webhook_deliveries_batch_id_batches"), type_="foreignkey")
        deliveries.drop_column("batch_id")
        deliveries.alter_column("run_id", existing_type=UUID, nullable=False)


def _keep_attempts(change: Callable[[], None]) -> None:
    """SQLite changes a table by making it anew, and what belongs to the rows of the old one would go with them."""
    if op.get_bind().dialect.name != "sqlite":
        change()
        return
    op.execute("CREATE TEMPORARY TABLE kept_attempts AS SELECT * FROM webhook_attempts")
    change()
    op.execute("INSERT OR IGNORE INTO webhook_attempts SELECT * FROM kept_attempts")
    op.execute("DROP TABLE kept_attempts")


def downgrade() -> None:
    _keep_attempts(_narrow_deliveries)
    # Not as a batch: SQLite would make the table anew, and all that belongs to runs would go with the old one.
    op.drop_column("runs", "queue")
    for table in ("batch_workers", "batch_items", "batches"):
        op.drop_table(table)
