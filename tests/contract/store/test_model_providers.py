"""Model providers that operators configure, on every database."""

import time

import pytest

from tests.contract.store.world import World
from worker.config import Config
from worker.engine.models import NOT_INITIALIZED, ModelError
from worker.llm.providers import Provider
from worker.model_providers import load_providers
from worker.store import model_providers as stored
from worker.store.errors import NotFound
from worker.store.model_providers import StoredModelProvider
from worker.store.sealing import Sealing


@pytest.fixture(autouse=True)
def no_providers(world: World) -> None:
    """The database is the module's."""
    with world.database.begin() as session:
        for provider in stored.list_providers(session):
            stored.remove_provider(session, provider.name)


def put(world: World, name: str, key: bytes | None = None, base_url: str = "") -> None:
    with world.database.begin() as session:
        stored.save_provider(session, StoredModelProvider(name, "openai", base_url, key, ""))


def listed(world: World) -> list[StoredModelProvider]:
    with world.database.read() as session:
        return stored.list_providers(session)


def test_providers_are_kept_by_name_and_replaced(world: World) -> None:
    put(world, "b")
    put(world, "a", b"\0", "http://one")
    put(world, "a", b"\1", "http://two")

    assert [(row.name, row.base_url, row.api_key) for row in listed(world)] == [("a", "http://two", b"\1"), ("b", "", None)]
    assert listed(world)[0].updated_at == pytest.approx(time.time(), abs=60)


def test_what_is_not_there_cannot_be_removed(world: World) -> None:
    with pytest.raises(NotFound, match="no model provider 'a'"), world.database.begin() as session:
        stored.remove_provider(session, "a")


def test_keys_are_opened_for_calls(world: World) -> None:
    config = Config(secret_key="s" * 32)
    put(world, "a", Sealing.provide(config).seal(stored.SEALED_FOR, "a", "sk-1"), "http://one")

    assert load_providers(config, world.database) == {"a": Provider("a", "openai", "http://one", "sk-1")}


def test_a_key_that_was_sealed_with_another_secret_is_named(world: World) -> None:
    put(world, "a", Sealing.provide(Config(secret_key="s" * 32)).seal(stored.SEALED_FOR, "a", "sk-1"))

    with pytest.raises(ModelError, match="model provider a cannot be opened") as caught:
        load_providers(Config(secret_key="t" * 32), world.database)
    assert caught.value.code == NOT_INITIALIZED
