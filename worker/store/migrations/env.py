"""Alembic's entry point. ``store/migrate.py`` hands it a connection; Alembic's own command line connects as the settings say."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import Connection

from worker.config import Config
from worker.store.session import Database
from worker.store.tables import Base


def run(connection: Connection) -> None:
    # SQLite alters a table by copying it, which is what Alembic calls a batch.
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with Database.connect(Config.from_env(os.environ)).engine.begin() as own:
        run(own)
