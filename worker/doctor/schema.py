"""The tables are those of this release."""

from __future__ import annotations

from worker.doctor.finding import Check, Finding
from worker.store.errors import SchemaError
from worker.store.migrate import check_schema
from worker.store.session import Database

SCHEMA = Check("schema", "The database has the schema of this release.", "Run `penstock migrate` with the release that the workers run.")


def examine_schema(database: Database) -> list[Finding]:
    """Raises ``StorageUnavailable``."""
    try:
        check_schema(database)
    except SchemaError as error:
        return [SCHEMA.finding("database", str(error))]
    return []
