from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event

from tests.services import documents
from tests.unit.running import memory_database
from worker.config import Config
from worker.engine.dsl import Workflow, read_workflow
from worker.engine.errors import VariableError
from worker.engine.variables import Secret
from worker.environments import Environments
from worker.store.app_environment import set_value
from worker.store.apps import Profile, create_app
from worker.store.sealing import Sealing
from worker.store.session import Database

CONFIG = Config(secret_key="a key", database_url="sqlite://")


@pytest.fixture
def database() -> Iterator[Database]:
    made = memory_database()
    yield made
    made.dispose()


@pytest.fixture
def app_id(database: Database) -> str:
    with database.begin() as session:
        return create_app(session, Profile("App")).id


def workflow(**declared: tuple[str, Any]) -> Workflow:
    """``NAME=(type, value)`` for each environment variable."""
    document = documents.chain("app", [documents.start(), documents.end()])
    variables = [{"name": name, "value_type": kind, "value": value} for name, (kind, value) in declared.items()]
    document["workflow"]["environment_variables"] = variables
    return read_workflow(document)


def put(database: Database, app_id: str, name: str, text: str, key: bytes = b"a key") -> None:
    with database.begin() as session:
        set_value(session, app_id, name, Sealing(key).seal(app_id, name, text))


def values(database: Database, app_id: str, declaring: Workflow, config: Config = CONFIG, **environ: str) -> dict[str, Any]:
    return Environments(database, config, environ).values(app_id, declaring)


def test_the_process_counts_more_than_what_is_set_and_that_more_than_the_document(database: Database, app_id: str) -> None:
    declaring = workflow(A=("string", "document"), B=("string", "document"), C=("string", "document"))
    put(database, app_id, "A", "set")
    put(database, app_id, "B", "set")

    found = values(database, app_id, declaring, PENSTOCK_ENV_A="process", PENSTOCK_ENV_D="undeclared")

    assert found == {"A": "process", "B": "set", "C": "document"}


def test_a_set_value_has_the_declared_type(database: Database, app_id: str) -> None:
    declaring = workflow(KEY=("secret", ""), N=("number", 1), M=("llm", {}))
    put(database, app_id, "KEY", "sk-1")
    put(database, app_id, "N", "2.5")
    put(database, app_id, "M", '{"name": "m"}')

    found = values(database, app_id, declaring)

    assert found == {"KEY": "sk-1", "N": 2.5, "M": {"name": "m"}}
    assert isinstance(found["KEY"], Secret)


def test_a_new_value_counts_at_once(database: Database, app_id: str) -> None:
    environments, declaring = Environments(database, CONFIG, {}), workflow(KEY=("secret", ""))

    seen = [environments.values(app_id, declaring)]
    for text in ("one", "two"):
        put(database, app_id, "KEY", text)
        seen.append(environments.values(app_id, declaring))

    assert seen == [{"KEY": ""}, {"KEY": "one"}, {"KEY": "two"}]


def test_values_of_another_app_do_not_count(database: Database, app_id: str) -> None:
    with database.begin() as session:
        other = create_app(session, Profile("Other")).id
    put(database, other, "KEY", "theirs")

    assert values(database, app_id, workflow(KEY=("secret", ""))) == {"KEY": ""}


def test_a_value_that_does_not_open_is_named(database: Database, app_id: str) -> None:
    declaring = workflow(KEY=("secret", ""))
    put(database, app_id, "KEY", "canary", key=b"another key")

    with pytest.raises(VariableError, match="'KEY' was sealed with another PENSTOCK_SECRET_KEY"):
        values(database, app_id, declaring)
    with pytest.raises(VariableError, match="PENSTOCK_SECRET_KEY is not set"):
        values(database, app_id, declaring, Config(database_url="sqlite://"))


def test_a_value_that_no_run_needs_is_not_opened(database: Database, app_id: str) -> None:
    put(database, app_id, "KEY", "x", key=b"another key")
    put(database, app_id, "OLD", "x", key=b"another key")
    put(database, app_id, "S", "mine")

    found = values(database, app_id, workflow(KEY=("secret", ""), S=("string", "")), PENSTOCK_ENV_KEY="process")

    assert found == {"KEY": "process", "S": "mine"}


def test_a_text_that_the_type_of_a_later_version_does_not_fit_is_named_but_not_shown(database: Database, app_id: str) -> None:
    put(database, app_id, "N", "canary")

    with pytest.raises(VariableError, match="'N' is no number") as caught:
        values(database, app_id, workflow(N=("number", 1)))
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(("declared", "queries"), [({}, 0), ({"A": ("string", "x")}, 0), ({"A": ("string", "x"), "B": ("string", "x")}, 1)])
def test_the_database_is_asked_once_and_only_where_it_could_matter(
    database: Database, app_id: str, declared: dict[str, Any], queries: int
) -> None:
    seen: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *arguments: seen.append(arguments[2]))

    values(database, app_id, workflow(**declared), PENSTOCK_ENV_A="process")

    assert len(seen) == queries
