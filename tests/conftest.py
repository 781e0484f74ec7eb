"""Services that tests may ask for. Each is started once, by the first test that needs it, and ends with the session."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest
from hypothesis import settings

from tests.services.models import DevModel
from tests.services.penstock import Server
from tests.services.postgres import Postgres
from tests.services.valkey import Valkey


def pytest_configure(config: pytest.Config) -> None:
    """End on SIGTERM as on Ctrl-C: fixtures are torn down, so that no server outlives the tests."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    # For `--hypothesis-profile=long`: minutes instead of a second for each property.
    settings.register_profile("long", max_examples=20_000)


@pytest.fixture(scope="session")
def shared_valkey() -> Iterator[Valkey]:
    """The server behind ``redis_url``. Tests that harm their server start a ``Valkey`` of their own."""
    with Valkey() as server:
        yield server


@pytest.fixture
def redis_url(shared_valkey: Valkey) -> str:
    """An empty Redis database."""
    shared_valkey.flush()
    return shared_valkey.url


@pytest.fixture(scope="session")
def shared_postgres() -> Iterator[Postgres]:
    """The server behind ``postgres_url``. Tests that harm their server start a ``Postgres`` of their own."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def new_postgres_database(shared_postgres: Postgres) -> Callable[[], str]:
    """Makes empty databases, for fixtures that want one for a whole module; they go with the server."""
    return shared_postgres.create_database


@pytest.fixture
def postgres_url(shared_postgres: Postgres) -> Iterator[str]:
    """An empty PostgreSQL database for one test, as ``DATABASE_URL`` would name it."""
    url = shared_postgres.create_database()
    yield url
    shared_postgres.drop_database(url)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An SQLite file for one test, as ``DATABASE_URL`` would name it."""
    return f"sqlite:///{tmp_path / 'test.sqlite3'}"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, shared_dev_model: DevModel) -> Iterator[Server]:
    """One `penstock up` for every test that only talks to it. Its workflows may call servers on this machine."""
    settings = {
        "PENSTOCK_OUTBOUND_ALLOW": "127.0.0.1/32",
        "PENSTOCK_UPLOAD_FILE_EXTENSION_BLACKLIST": "blocked",
        "PENSTOCK_PROVIDER_OPENAI_API_KEY": "none",
        "PENSTOCK_PROVIDER_OPENAI_BASE_URL": shared_dev_model.base_url,
        "PENSTOCK_SPEECH_MODEL": "openai/dev-speech",
        "PENSTOCK_TRANSCRIPTION_MODEL": "openai/dev-transcription",
    }
    with Server(tmp_path_factory.mktemp("server"), **settings) as server:
        yield server


@pytest.fixture(scope="session")
def shared_dev_model() -> Iterator[DevModel]:
    """The server behind ``dev_model``."""
    with DevModel() as server:
        yield server


@pytest.fixture
def dev_model(shared_dev_model: DevModel) -> DevModel:
    """A model vendor that answers by script (docs/dev-model.md) and has not been asked anything yet."""
    shared_dev_model.forget()
    return shared_dev_model
