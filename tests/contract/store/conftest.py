"""Every database that the store runs on: a SQLite file and a real PostgreSQL."""

from collections.abc import Callable, Iterator

import pytest

from tests.contract.store.world import World
from worker.config import Config
from worker.store.migrate import upgrade
from worker.store.session import Database
from worker.store.tables import Base


@pytest.fixture(params=["sqlite_url", "postgres_url"])
def empty_config(request: pytest.FixtureRequest) -> Config:
    """Settings that name a database of the test's own, without tables."""
    return Config(database_url=request.getfixturevalue(request.param))


@pytest.fixture
def own_database(empty_config: Config) -> Iterator[Database]:
    """A database whose tables the test may harm; ``empty_config`` names it."""
    upgrade(empty_config)
    database = Database.connect(empty_config)
    yield database
    database.dispose()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def module_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, new_postgres_database: Callable[[], str]
) -> Iterator[Database]:
    is_file = request.param == "sqlite"
    config = Config(database_url=f"sqlite:///{tmp_path_factory.mktemp('store') / 'test.sqlite3'}" if is_file else new_postgres_database())
    upgrade(config)
    database = Database.connect(config, pool_size=16)
    yield database
    database.dispose()


@pytest.fixture
def database(module_database: Database) -> Database:
    """A database with tables, all empty."""
    with module_database.begin() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())
    return module_database


@pytest.fixture
def world(database: Database) -> World:
    """An app with a published version and an end user."""
    return World(database)
