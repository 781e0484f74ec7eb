"""Aliases of published versions."""

from __future__ import annotations

import uuid

import pytest
from sqlalchemy import select

from tests.contract.store.world import World, count, race
from worker.store import apps, releases
from worker.store.errors import NotFound
from worker.store.models import App, Workflow
from worker.store.release_models import AppAlias
from worker.store.session import Database


def publish(world: World, content: str) -> str:
    with world.database.begin() as session:
        return apps.publish(session, world.app_id, {"n": content}, content)[0].id


def point(world: World, name: str, workflow_id: str) -> None:
    with world.database.begin() as session:
        releases.set_alias(session, world.app_id, name, workflow_id)


def target(world: World, name: str) -> str | None:
    with world.database.read() as session:
        found = releases.find_alias(session, world.app_id, name)
    return None if found is None else found.workflow_id


def chosen(world: World, version: str) -> str:
    with world.database.read() as session:
        return releases.choose_version(session, session.get_one(App, world.app_id), version).id


def test_an_alias_is_moved_from_version_to_version(world: World) -> None:
    second = publish(world, "second")

    point(world, "production", world.workflow_id)
    assert target(world, "production") == world.workflow_id
    point(world, "production", second)

    assert target(world, "production") == second
    assert count(world.database, AppAlias) == 1


def test_aliases_are_listed_by_name_with_their_versions(world: World) -> None:
    second = publish(world, "second")
    point(world, "staging", second)
    point(world, "production", world.workflow_id)

    with world.database.read() as session:
        listed = releases.list_aliases(session, world.app_id)
        number = releases.count_aliases(session, world.app_id)

    assert [(alias.name, alias.workflow_id) for alias in listed] == [("production", world.workflow_id), ("staging", second)]
    assert listed[0].version == world.version
    assert listed[0].updated_at > 1_700_000_000
    assert number == 2


def test_an_alias_is_one_of_its_app_only(world: World, database: Database) -> None:
    other = World(database, "Other")
    point(world, "production", world.workflow_id)

    assert target(other, "production") is None
    with pytest.raises(NotFound), database.begin() as session:
        releases.remove_alias(session, other.app_id, "production")
    assert target(world, "production") == world.workflow_id


def test_a_removed_alias_is_gone(world: World, database: Database) -> None:
    point(world, "production", world.workflow_id)

    with database.begin() as session:
        releases.remove_alias(session, world.app_id, "production")

    assert target(world, "production") is None
    with pytest.raises(NotFound, match="no alias 'production'"), database.begin() as session:
        releases.remove_alias(session, world.app_id, "production")


@pytest.mark.parametrize("name", ["nul\0", "", "Production", "no such alias"])
def test_what_is_no_alias_stands_for_nothing(world: World, name: str) -> None:
    point(world, "production", world.workflow_id)

    assert target(world, name) is None
    with pytest.raises(NotFound, match="has no version"):
        chosen(world, name)


def test_a_version_is_chosen_by_id_text_alias_and_as_the_current_one(world: World) -> None:
    second = publish(world, "second")
    point(world, "production", world.workflow_id)

    assert chosen(world, world.workflow_id.upper()) == world.workflow_id
    assert chosen(world, world.version) == world.workflow_id
    assert chosen(world, "production") == world.workflow_id
    assert chosen(world, "current") == second


def test_an_app_without_a_version_has_no_current_one(database: Database) -> None:
    with database.begin() as session:
        app = apps.create_app(session, apps.Profile("Empty"))

    with pytest.raises(NotFound, match="has no version 'current'"), database.read() as session:
        releases.choose_version(session, session.get_one(App, app.id), "current")


def test_movers_of_one_alias_at_once_leave_one_of_their_versions(world: World) -> None:
    versions = [publish(world, str(number)) for number in range(4)]

    race([lambda workflow_id=workflow_id: point(world, "production", workflow_id) for workflow_id in versions])

    assert target(world, "production") in versions
    assert count(world.database, AppAlias) == 1


def test_an_alias_goes_with_its_app(world: World, database: Database) -> None:
    point(world, "production", world.workflow_id)

    with database.begin() as session:
        apps.delete_app(session, world.app_id)

    assert count(database, AppAlias) == 0


def test_an_alias_cannot_stand_for_what_is_not_there(world: World) -> None:
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        point(world, "production", str(uuid.uuid4()))


def test_an_app_is_switched_off_and_on(world: World, database: Database) -> None:
    with database.begin() as session:
        assert not apps.change_app(session, world.app_id, api_enabled=False).api_enabled
    with database.read() as session:
        assert session.scalars(select(App.api_enabled)).all() == [False]
        assert session.scalars(select(Workflow.id)).all() == [world.workflow_id]
    with pytest.raises(NotFound), database.begin() as session:
        apps.change_app(session, "nobody", api_enabled=True)
