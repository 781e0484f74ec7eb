"""Indexes for what is removed because of its age."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0009"
branch_labels = None
depends_on = None

DETAILED = sa.text("finished_at IS NOT NULL AND last_event > 0")
BARE = sa.text("finished_at IS NOT NULL AND last_event = 0")


def upgrade() -> None:
    op.create_index("ix_runs_detailed", "runs", ["finished_at"], postgresql_where=DETAILED, sqlite_where=DETAILED)
    op.create_index("ix_runs_bare", "runs", ["finished_at"], postgresql_where=BARE, sqlite_where=BARE)
    op.create_index("ix_files_created_at", "files", ["created_at"])


def downgrade() -> None:
    op.drop_index("ix_files_created_at", table_name="files")
    op.drop_index("ix_runs_bare", table_name="runs")
    op.drop_index("ix_runs_detailed", table_name="runs")
