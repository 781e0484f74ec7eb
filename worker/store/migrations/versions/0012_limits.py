"""Limits of apps and keys, and the key that began a run."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

LIMITED = ("apps", "api_keys")
LIMITS = ("max_concurrency", "max_rate", "max_burst")
OPEN = sa.text("finished_at IS NULL")


def upgrade() -> None:
    for table in LIMITED:
        for limit in LIMITS:
            op.add_column(table, sa.Column(limit, sa.Integer(), nullable=True))
    op.add_column("runs", sa.Column("key_id", sa.String(length=36), nullable=True))
    op.create_index("ix_runs_open", "runs", ["app_id", "key_id"], postgresql_where=OPEN, sqlite_where=OPEN)


def downgrade() -> None:
    op.drop_index("ix_runs_open", table_name="runs")
    with op.batch_alter_table("runs") as runs:
        runs.drop_column("key_id")
    for table in LIMITED:
        with op.batch_alter_table(table) as limited:
            for limit in LIMITS:
                limited.drop_column(limit)
