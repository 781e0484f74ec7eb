"""Tables of releases: which published version a name stands for, and what lists of runs over all apps are read from."""

from __future__ import annotations

from typing import cast

from sqlalchemy import Float, ForeignKey, Index, String, Table
from sqlalchemy.orm import Mapped, mapped_column

from worker.store.models import RUNS, UUID, Base


class AppAlias(Base):
    """A name, such as ``production``, under which a published version of an app can be run."""

    __tablename__ = "app_aliases"

    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    workflow_id: Mapped[str] = mapped_column(UUID, ForeignKey("workflows.id", ondelete="CASCADE"), index=True)
    updated_at: Mapped[float] = mapped_column(Float(53))


ALIASES = cast(Table, AppAlias.__table__)

# Runs of all apps, newest first (store/listings.py): the index that begins with the app is of no use for them.
Index(None, RUNS.c.created_at)
