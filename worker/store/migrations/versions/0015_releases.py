"""Aliases of published versions, and an index for what an operator lists over all apps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "app_aliases",
        sa.Column("app_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("workflow_id", sa.String(length=36), nullable=False),
        sa.Column("updated_at", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_app_aliases_app_id_apps"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflows.id"], name=op.f("fk_app_aliases_workflow_id_workflows"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("app_id", "name", name=op.f("pk_app_aliases")),
    )
    op.create_index(op.f("ix_app_aliases_workflow_id"), "app_aliases", ["workflow_id"])
    op.create_index(op.f("ix_runs_created_at"), "runs", ["created_at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_runs_created_at"), table_name="runs")
    op.drop_index(op.f("ix_app_aliases_workflow_id"), table_name="app_aliases")
    op.drop_table("app_aliases")
