"""Runs whose text is told as speech too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # With a default of the database: processes of the release before insert runs without the column.
    op.add_column("runs", sa.Column("wants_speech", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade() -> None:
    op.drop_column("runs", "wants_speech")
