"""Schedules, what became of their due times, addresses of webhook triggers, and the trigger that a run began at."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("trigger_id", sa.String(length=255), nullable=True))
    _create_schedules()
    _create_firings()
    _create_webhook_triggers()


def _create_schedules() -> None:
    op.create_table(
        "schedules",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("app_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("node_id", sa.String(length=255), nullable=True),
        sa.Column("written", sa.Text(), nullable=True),
        sa.Column("cron", sa.Text(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("user", sa.String(length=255), nullable=False),
        sa.Column("missed", sa.String(length=8), nullable=False),
        sa.Column("overlap", sa.String(length=8), nullable=False),
        sa.Column("paused_at", sa.Float(precision=53), nullable=True),
        sa.Column("next_at", sa.Float(precision=53), nullable=True),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_schedules_app_id_apps"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
        sa.UniqueConstraint("app_id", "node_id", name=op.f("uq_schedules_app_id")),
    )
    will_fire = sa.text("next_at IS NOT NULL")
    op.create_index("ix_schedules_due", "schedules", ["next_at"], postgresql_where=will_fire, sqlite_where=will_fire)


def _create_firings() -> None:
    schedule = ["schedule_id"], ["schedules.id"]
    op.create_table(
        "schedule_firings",
        sa.Column("schedule_id", sa.String(length=36), nullable=False),
        sa.Column("due_at", sa.Float(precision=53), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("missed", sa.Integer(), nullable=False),
        sa.Column("fired_at", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(*schedule, name=op.f("fk_schedule_firings_schedule_id_schedules"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("schedule_id", "due_at", name=op.f("pk_schedule_firings")),
    )
    op.create_index(op.f("ix_schedule_firings_fired_at"), "schedule_firings", ["fired_at"])


def _create_webhook_triggers() -> None:
    op.create_table(
        "webhook_triggers",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("app_id", sa.String(length=36), nullable=False),
        sa.Column("node_id", sa.String(length=255), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("last_used_at", sa.Float(precision=53), nullable=True),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_webhook_triggers_app_id_apps"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_triggers")),
        sa.UniqueConstraint("app_id", "node_id", name=op.f("uq_webhook_triggers_app_id")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_webhook_triggers_token_hash")),
    )


def downgrade() -> None:
    for table in ("webhook_triggers", "schedule_firings", "schedules"):
        op.drop_table(table)
    with op.batch_alter_table("runs") as runs:
        runs.drop_column("trigger_id")
