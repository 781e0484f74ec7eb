"""API keys."""

import re

import pytest
from sqlalchemy import text

from tests.contract.store.world import World
from worker.store import keys
from worker.store.errors import NotFound
from worker.store.models import ApiKey, App
from worker.store.session import Database


def create(world: World, name: str = "", token: str | None = None) -> tuple[ApiKey, str]:
    with world.database.begin() as session:
        return keys.create_key(session, world.app_id, name, token)


def find(database: Database, token: str) -> keys.KeyedApp | None:
    with database.read() as session:
        return keys.find_app_by_token(session, token)


def test_a_token_has_the_form_of_the_contract(world: World) -> None:
    _, token = create(world)

    assert re.fullmatch(r"app-[A-Za-z0-9]{24}", token)


def test_a_token_opens_its_app(world: World, database: Database) -> None:
    other = World(database, "Other")
    key, token = create(world)
    _, other_token = create(other)

    found, found_other = find(database, token), find(database, other_token)

    assert found is not None
    assert found_other is not None
    assert (found.key_id, found.app_id, found.name, found.workflow_id) == (key.id, world.app_id, "Greeter", world.workflow_id)
    assert (found.mode, found.status, found.api_enabled, found.description) == ("workflow", "normal", True, "")
    assert found_other.app_id == other.app_id


@pytest.mark.parametrize("change", [lambda t: t[:-1] + "?", lambda t: t + "x", lambda t: t.lower() + "!", lambda t: "", lambda t: "\0"])
def test_any_other_token_opens_nothing(world: World, database: Database, change) -> None:
    _, token = create(world)

    assert find(database, change(token)) is None


def test_tokens_with_the_same_beginning_are_told_apart(world: World, database: Database) -> None:
    tokens = ["same-beginning-1", "same-beginning-2", "same-beg"]
    ids = [create(world, token=token)[0].id for token in tokens]

    assert [app.key_id for app in map(lambda token: find(database, token), tokens) if app] == ids


def test_a_given_token_is_taken_as_it_is(world: World, database: Database) -> None:
    for token in ("x", "schlüssel", "nul\0", "\ud800"):
        create(world, token=token)
        assert find(database, token) is not None


def test_no_token_can_be_read_from_the_database(world: World, database: Database) -> None:
    _, token = create(world)

    with database.read() as session:
        (row,) = session.execute(text("SELECT * FROM api_keys")).all()

    assert token not in str(row)
    assert token[8:] not in str(row)


def test_a_revoked_key_opens_nothing(world: World, database: Database) -> None:
    key, token = create(world)
    other, other_token = create(world)

    with database.begin() as session:
        assert keys.revoke_key(session, world.app_id, key.id).revoked_at is not None

    assert find(database, token) is None
    assert find(database, other_token) is not None
    with database.read() as session:
        # Two keys of one millisecond, which is what SQLite's clock resolves, come in either order.
        assert {one.id for one in keys.list_keys(session, world.app_id)} == {key.id, other.id}


@pytest.mark.parametrize("named_by", [lambda key, token: key.prefix, lambda key, token: token])
def test_a_key_is_revoked_by_what_its_owner_knows_of_it(world: World, database: Database, named_by) -> None:
    key, token = create(world)

    with database.begin() as session:
        keys.revoke_key(session, world.app_id, named_by(key, token))

    assert find(database, token) is None


def test_a_key_is_revoked_through_its_own_app_only(world: World, database: Database) -> None:
    other = World(database, "Other")
    key, token = create(world)

    with pytest.raises(NotFound), database.begin() as session:
        keys.revoke_key(session, other.app_id, key.id)

    assert find(database, token) is not None


def test_a_key_that_several_fit_is_not_revoked(world: World, database: Database) -> None:
    create(world, token="same-beginning-1")
    create(world, token="same-beginning-2")

    with pytest.raises(NotFound, match="More than one"), database.begin() as session:
        keys.revoke_key(session, world.app_id, "same-beg")


def test_a_use_is_noted_once_a_minute(world: World, database: Database) -> None:
    key, _ = create(world)

    def use() -> float | None:
        with database.begin() as session:
            keys.note_use(session, key.id)
        with database.read() as session:
            return session.get_one(ApiKey, key.id).last_used_at

    first, second = use(), use()

    assert first is not None
    assert first == second


def test_the_state_of_the_app_comes_with_its_key(world: World, database: Database) -> None:
    _, token = create(world)
    with database.begin() as session:
        app = session.get_one(App, world.app_id)
        app.status, app.api_enabled = "archived", False

    found = find(database, token)

    assert found is not None
    assert (found.status, found.api_enabled) == ("archived", False)
