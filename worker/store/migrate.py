"""The schema: made and upgraded by ``penstock migrate``, checked by every process that starts.

A new revision is a file in ``migrations/versions`` and its id at the end of ``REVISIONS``. Old code runs beside the new schema while a
release is rolled out, so a revision only adds; what it makes useless is removed by a later one (reliability.md P58).
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.orm import Session

from worker.config import Config
from worker.store.errors import SchemaError
from worker.store.session import Database, translated_failures

#: Revisions that this release knows, oldest first; it runs on the last one. Here, so that a check need not import Alembic.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0011", "0012", "0013", "0014", "0015")

#: Name of the lock under which PostgreSQL lets one process at a time migrate; any number that nobody else uses.
MIGRATION_LOCK = 0x50454E53


def upgrade(config: Config) -> None:
    """Bring the database to the schema of this release. Several processes may do so at once.

    Raises ``SchemaError`` for a database of a later release, ``StorageUnavailable``.
    """
    database = Database.connect(config)
    try:
        with translated_failures(), database.engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            _upgrade(connection)
    finally:
        database.dispose()


def check_schema(database: Database) -> None:
    """Raises ``SchemaError`` unless the database has the schema of this release; ``StorageUnavailable``."""
    with database.read() as session:
        check_revision(session)


def check_revision(session: Session) -> None:
    """The same in a transaction of the caller's."""
    found = _revision(session.connection())
    _check_known(found)
    if found is None:
        raise SchemaError("The database has no tables yet; run `penstock migrate`.")
    if found != REVISIONS[-1]:
        raise SchemaError(f"The database has schema {found}, this release needs {REVISIONS[-1]}; run `penstock migrate`.")


def _upgrade(connection: Connection) -> None:
    found = _revision(connection)
    _check_known(found)
    if found != REVISIONS[-1]:
        _run_alembic(connection)


def _run_alembic(connection: Connection) -> None:
    # Imported here: Alembic takes longer to load than everything else that a process needs at its start.
    from alembic import command
    from alembic.config import Config as AlembicConfig

    settings = AlembicConfig(attributes={"connection": connection})
    settings.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    command.upgrade(settings, "head")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _check_known(found: str | None) -> None:
    if found is not None and found not in REVISIONS:
        raise SchemaError(f"The database has schema {found}, which this release does not know: it belongs to a later one.")
