"""Forms that people are asked to fill in, and runs that wait for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("paused_at", sa.Float(precision=53), nullable=True))
    op.add_column("runs", sa.Column("paused_s", sa.Float(precision=53), server_default=sa.text("0"), nullable=False))
    op.create_table(
        "human_input_forms",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("app_id", sa.String(length=36), nullable=False),
        sa.Column("node_id", sa.Text(), nullable=False),
        sa.Column("node_title", sa.Text(), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Float(precision=53), nullable=False),
        sa.Column("ends_run", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("submitted", sa.Text(), nullable=False),
        sa.Column("end_user_id", sa.String(length=36), nullable=True),
        sa.Column("created_at", sa.Float(precision=53), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("closed_at", sa.Float(precision=53), nullable=True),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_human_input_forms_app_id_apps"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_human_input_forms_run_id_runs"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["end_user_id"], ["end_users.id"], name=op.f("fk_human_input_forms_end_user_id_end_users"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_human_input_forms")),
        sa.UniqueConstraint("token", name=op.f("uq_human_input_forms_token")),
    )
    op.create_index(op.f("ix_human_input_forms_run_id"), "human_input_forms", ["run_id"])
    op.create_index(op.f("ix_human_input_forms_app_id"), "human_input_forms", ["app_id"])
    op.create_index(op.f("ix_human_input_forms_end_user_id"), "human_input_forms", ["end_user_id"])
    op.create_index(
        "ix_human_input_forms_waiting",
        "human_input_forms",
        ["expires_at"],
        postgresql_where=sa.text("status = 'waiting'"),
        sqlite_where=sa.text("status = 'waiting'"),
    )


def downgrade() -> None:
    op.drop_table("human_input_forms")
    op.drop_column("runs", "paused_s")
    op.drop_column("runs", "paused_at")
