"""Values of environment variables, on every database."""

import time
import uuid
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy import MetaData, Table, text

from tests.contract.store.world import World, count, race
from worker.config import Config
from worker.store import app_environment, apps, migrate
from worker.store.errors import NotFound
from worker.store.models import App, AppEnvironment
from worker.store.session import Database


def put(world: World, name: str, value: bytes) -> None:
    with world.database.begin() as session:
        app_environment.set_value(session, world.app_id, name, value)


def values(world: World) -> dict[str, bytes]:
    with world.database.read() as session:
        return app_environment.load_values(session, world.app_id)


def listed(world: World) -> list[AppEnvironment]:
    with world.database.read() as session:
        return app_environment.list_values(session, world.app_id)


def test_values_are_kept_byte_by_byte_and_listed_by_name(world: World) -> None:
    put(world, "SECOND", bytes(range(256)))
    put(world, "FIRST", b"\0")

    assert values(world) == {"FIRST": b"\0", "SECOND": bytes(range(256))}
    assert [row.name for row in listed(world)] == ["FIRST", "SECOND"]
    assert listed(world)[0].updated_at == pytest.approx(time.time(), abs=60)


def test_a_second_value_replaces_the_first_and_its_time(world: World) -> None:
    put(world, "KEY", b"old")
    [before] = listed(world)
    with world.database.begin() as session:
        session.execute(text("UPDATE app_environment SET updated_at = 1"))
    put(world, "KEY", b"new")

    [after] = listed(world)
    assert (after.value, after.updated_at >= before.updated_at) == (b"new", True)


def test_writers_at_once_leave_one_value(world: World, database: Database) -> None:
    race([lambda number=number: put(world, "KEY", b"%d" % number) for number in range(8)])  # type: ignore[misc]

    assert count(database, AppEnvironment) == 1
    assert values(world)["KEY"] in {b"%d" % number for number in range(8)}


def test_a_value_that_was_taken_back_is_gone(world: World, database: Database) -> None:
    put(world, "KEY", b"x")
    put(world, "OTHER", b"y")

    with database.begin() as session:
        app_environment.unset_value(session, world.app_id, "KEY")

    assert values(world) == {"OTHER": b"y"}
    with pytest.raises(NotFound, match="No value is set for 'KEY'"), database.begin() as session:
        app_environment.unset_value(session, world.app_id, "KEY")


def test_apps_see_nothing_of_each_other(world: World, database: Database) -> None:
    other = World(database, "Other")
    put(world, "KEY", b"mine")

    assert values(other) == {}
    with pytest.raises(NotFound), database.begin() as session:
        app_environment.unset_value(session, other.app_id, "KEY")


def test_the_values_of_an_app_go_with_it(world: World, database: Database) -> None:
    other = World(database, "Other")
    put(world, "KEY", b"mine")
    put(other, "KEY", b"theirs")

    with database.begin() as session:
        apps.delete_app(session, world.app_id)

    assert count(database, AppEnvironment) == 1
    assert values(other) == {"KEY": b"theirs"}


def make_first_release(database: Database) -> None:
    with database.engine.begin() as connection:
        settings = AlembicConfig(attributes={"connection": connection})
        settings.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
        command.upgrade(settings, "0001")


def add_app_of_first_release(database: Database) -> str:
    """Its table had fewer columns than the model has; answers the app's id."""
    row = {"id": str(uuid.uuid4()), "name": "Greeter", "description": "", "mode": "workflow", "status": "normal", "api_enabled": True}
    with database.engine.begin() as connection:
        table = Table("apps", MetaData(), autoload_with=connection)
        connection.execute(table.insert(), {**row, "last_sequence_number": 0, "created_at": 1.0})
    return row["id"]


def test_a_database_of_the_first_release_gets_the_table_and_keeps_what_it_has(empty_config: Config) -> None:
    database = Database.connect(empty_config)
    make_first_release(database)
    with pytest.raises(migrate.SchemaError, match=r"has schema 0001, .* run `penstock migrate`"):
        migrate.check_schema(database)
    app_id = add_app_of_first_release(database)

    migrate.upgrade(empty_config)

    migrate.check_schema(database)
    with database.begin() as session:
        app_environment.set_value(session, app_id, "KEY", b"x")
    with database.read() as session:
        assert app_environment.load_values(session, app_id) == {"KEY": b"x"}
        assert session.get_one(App, app_id).name == "Greeter"
    database.dispose()
