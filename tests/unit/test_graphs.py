from collections.abc import Iterator

import pytest

from tests.services import documents
from tests.unit.running import accept, memory_database
from worker.config import Config
from worker.engine.errors import GraphError
from worker.graphs import Graphs
from worker.nodes.registry import Registry
from worker.store.session import Database

GOOD = documents.chain("good", [documents.start(), documents.end()])


@pytest.fixture
def database() -> Iterator[Database]:
    made = memory_database()
    yield made
    made.dispose()


def test_a_version_is_compiled_once(database: Database) -> None:
    graphs = Graphs(database, Registry(), Config())
    run = accept(database, GOOD)

    compiled = graphs.get(run.workflow_id)

    assert sorted(compiled.graph.nodes) == ["end", "start"]
    assert graphs.get(run.workflow_id) is compiled


def test_the_version_that_was_used_longest_ago_gives_way(database: Database) -> None:
    graphs = Graphs(database, Registry(), Config(), capacity=2)
    first, second, third = (accept(database, GOOD).workflow_id for _ in range(3))
    kept = graphs.get(first)
    dropped = graphs.get(second)
    assert graphs.get(first) is kept

    graphs.get(third)

    assert graphs.get(first) is kept
    assert graphs.get(second) is not dropped


def test_a_version_that_is_gone_or_wrong_is_a_graph_error(database: Database) -> None:
    graphs = Graphs(database, Registry(), Config())
    with pytest.raises(GraphError):
        graphs.get("no-such-version")
    with pytest.raises(GraphError):
        graphs.get(accept(database).workflow_id)
