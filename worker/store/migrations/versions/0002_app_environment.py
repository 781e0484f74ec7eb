"""Values that operators give to environment variables of apps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "app_environment",
        sa.Column("app_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.Column("updated_at", sa.Float(precision=53), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_app_environment_app_id_apps"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("app_id", "name", name=op.f("pk_app_environment")),
    )


def downgrade() -> None:
    op.drop_table("app_environment")
