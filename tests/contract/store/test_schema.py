"""Migrations: they make the tables of the models, by whoever comes first, and strangers are refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from worker.config import Config
from worker.store import migrate
from worker.store.session import Database
from worker.store.tables import Base

ROOT = Path(__file__).parents[3]

UPGRADE = "import os; from worker.config import Config; from worker.store.migrate import upgrade; upgrade(Config.from_env(os.environ))"


def pretend(database: Database, revision: str) -> None:
    with database.begin() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def differences(connection: Connection) -> list[object]:
    return compare_metadata(MigrationContext.configure(connection, opts={"include_name": is_of_models}), Base.metadata)


def is_of_models(name: str | None, kind: str, parents: object) -> bool:
    """Full-text indexes are made by the migration alone: no model can say what FTS5 needs."""
    return not (name or "").startswith("knowledge_index")


def test_migrations_make_the_tables_of_the_models(own_database: Database) -> None:
    with own_database.engine.connect() as connection:
        assert differences(connection) == []


def test_a_forgotten_migration_would_be_noticed(own_database: Database) -> None:
    with own_database.begin() as session:
        session.execute(text("DROP TABLE locks"))

    with own_database.engine.connect() as connection:
        assert differences(connection) != []


def test_the_known_revisions_are_those_of_the_scripts() -> None:
    scripts = ScriptDirectory(str(Path(migrate.__file__).parent / "migrations"))

    assert [script.revision for script in reversed(list(scripts.walk_revisions()))] == list(migrate.REVISIONS)


def test_a_database_of_this_release_is_accepted(own_database: Database) -> None:
    migrate.check_schema(own_database)


def test_an_upgrade_of_what_is_new_already_changes_nothing(own_database: Database, empty_config: Config) -> None:
    migrate.upgrade(empty_config)
    migrate.check_schema(own_database)


def test_an_empty_database_is_refused(empty_config: Config) -> None:
    database = Database.connect(empty_config)

    with pytest.raises(migrate.SchemaError, match="penstock migrate"):
        migrate.check_schema(database)

    database.dispose()


def test_an_old_schema_is_refused(own_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "REVISIONS", (*migrate.REVISIONS, "next"))

    with pytest.raises(migrate.SchemaError, match="needs next; run `penstock migrate`"):
        migrate.check_schema(own_database)


def test_a_schema_of_a_later_release_is_refused(own_database: Database, empty_config: Config) -> None:
    pretend(own_database, "9999")

    with pytest.raises(migrate.SchemaError, match="later"):
        migrate.check_schema(own_database)
    with pytest.raises(migrate.SchemaError, match="later"):
        migrate.upgrade(empty_config)


def test_processes_that_start_together_upgrade_once(empty_config: Config) -> None:
    environ = {**os.environ, "DATABASE_URL": empty_config.database_url}
    processes = [
        subprocess.Popen([sys.executable, "-c", UPGRADE], cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]

    ends = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]

    assert ends == [("", 0)] * 4
    database = Database.connect(empty_config)
    migrate.check_schema(database)
    database.dispose()
