"""Secrets of documents, in every database."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.contract.store.world import World
from worker.config import Config
from worker.store import apps
from worker.store.encoding import loads
from worker.store.errors import SealError
from worker.store.models import Workflow
from worker.store.sealed_documents import (
    SEALED,
    StoredDocument,
    forget_plain_texts,
    open_document,
    seal_document,
    seal_versions,
    sealed_paths,
)
from worker.store.sealing import Sealing
from worker.store.session import Database

CANARY = "canary-5up3r-53cr37"
CONFIG = Config(secret_key="a key")
PROVIDE = partial(Sealing.provide, CONFIG)
PLAIN: dict[str, Any] = {"app": {"name": "a"}, "workflow": {"graph": {"nodes": []}}}


def secretive(value: str = CANARY) -> dict[str, Any]:
    headers = {"id": "n", "data": {"type": "http-request", "headers": f"X-Token: {value}"}}
    variables = [{"name": "KEY", "value_type": "secret", "value": value}]
    return {"app": {"name": "a"}, "workflow": {"graph": {"nodes": [headers]}, "environment_variables": variables}}


def no_key() -> Sealing:
    raise SealError("There is no key.")


def publish(world: World, stored: StoredDocument) -> tuple[Workflow, bool]:
    with world.database.begin() as session:
        return apps.publish(session, world.app_id, stored.document, stored.content_hash)


def test_a_document_opens_as_it_was(world: World) -> None:
    version, _ = publish(world, seal_document(world.app_id, secretive(), PROVIDE))

    assert CANARY not in version.document
    assert open_document(world.app_id, loads(version.document), CONFIG) == secretive()
    assert loads(version.document)["workflow"]["environment_variables"] == [{"name": "KEY", "value_type": "secret", "value": ""}]
    assert sealed_paths(loads(version.document)) == {
        ("workflow", "environment_variables", 0, "value"),
        ("workflow", "graph", "nodes", 0, "data", "headers"),
    }


def test_a_document_without_secrets_needs_no_key(world: World) -> None:
    stored = seal_document(world.app_id, PLAIN, no_key)

    assert stored.document == PLAIN
    assert open_document(world.app_id, stored.document, Config(database_url="postgresql://x")) == PLAIN
    assert sealed_paths(stored.document) == set()


def test_a_document_with_secrets_is_refused_without_a_key(world: World) -> None:
    with pytest.raises(SealError, match=r"such as workflow\.environment_variables\.0\.value, .* There is no key"):
        seal_document(world.app_id, secretive(), no_key)


def test_the_same_document_is_known_again_and_another_secret_is_a_change(world: World) -> None:
    first, _ = publish(world, seal_document(world.app_id, secretive(), PROVIDE))
    same, is_new = publish(world, seal_document(world.app_id, secretive(), PROVIDE))
    other, is_other = publish(world, seal_document(world.app_id, secretive("another"), PROVIDE))

    assert (same.id, is_new) == (first.id, False)
    assert is_other
    assert other.id != first.id


def test_under_a_new_key_the_same_document_is_published_anew(world: World) -> None:
    publish(world, seal_document(world.app_id, secretive(), PROVIDE))
    version, is_new = publish(world, seal_document(world.app_id, secretive(), lambda: Sealing(b"another key")))

    assert is_new
    assert open_document(world.app_id, loads(version.document), Config(secret_key="another key")) == secretive()


def test_nothing_but_its_key_and_app_opens_a_document(world: World) -> None:
    stored = seal_document(world.app_id, secretive(), PROVIDE).document
    first, second = stored[SEALED]
    exchanged = {**stored, SEALED: [{**first, "path": second["path"]}, {**second, "path": first["path"]}]}

    for app_id, document, config in [
        (world.app_id, stored, Config(secret_key="another key")),
        (world.app_id, stored, Config(database_url="postgresql://x")),
        ("11111111-1111-4111-8111-111111111111", stored, CONFIG),
        (world.app_id, exchanged, CONFIG),
    ]:
        with pytest.raises(SealError, match="PENSTOCK_SECRET_KEY is missing or another one"):
            open_document(app_id, document, config)


@pytest.mark.parametrize("sealed", [7, ["x"], [{"path": ["workflow", "gone"], "value": "AQ=="}], [{"path": [], "value": None}]])
def test_a_damaged_document_is_said_to_be_one(world: World, sealed: Any) -> None:
    with pytest.raises(SealError, match="cannot be opened"):
        open_document(world.app_id, {**PLAIN, SEALED: sealed}, CONFIG)


def test_an_import_cannot_bring_sealed_texts_along(world: World) -> None:
    forged = {**PLAIN, SEALED: [{"path": ["app", "name"], "value": "AQ=="}]}

    assert seal_document(world.app_id, forged, no_key).document == PLAIN


@pytest.fixture
def old_version(own_database: Database) -> World:
    """A version with its secrets in plain text, as an earlier release stored it."""
    world = World(own_database)
    publish(world, StoredDocument(secretive(), "plain hash"))
    return world


def test_versions_of_an_earlier_release_are_sealed_once(old_version: World) -> None:
    with old_version.database.begin() as session:
        assert seal_versions(session, PROVIDE) == 1
    with old_version.database.begin() as session:
        assert seal_versions(session, no_key) == 0

    version, is_new = publish(old_version, seal_document(old_version.app_id, secretive(), PROVIDE))
    assert not is_new
    assert open_document(old_version.app_id, loads(version.document), CONFIG) == secretive()


def test_what_was_sealed_is_gone_from_the_pages_of_the_database(old_version: World) -> None:
    database = old_version.database
    assert CANARY.encode() in pages(database)

    with database.begin() as session:
        seal_versions(session, PROVIDE)
    forget_plain_texts(database)

    assert CANARY.encode() not in pages(database)


def pages(database: Database) -> bytes:
    """All files of SQLite, or all pages of PostgreSQL's table."""
    if database.dialect == "sqlite":
        file = Path(str(database.engine.url.database))
        return b"".join(part.read_bytes() for part in file.parent.iterdir() if part.name.startswith(file.name))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CHECKPOINT"))
        return bytes(connection.execute(text("SELECT pg_read_binary_file(pg_relation_filepath('workflows'))")).scalar_one())
