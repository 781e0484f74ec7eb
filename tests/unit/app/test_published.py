import pytest

from app.published import PublishedWorkflows
from tests.services import documents
from tests.unit.running import memory_database
from worker.engine.errors import GraphError
from worker.store.apps import Profile, create_app, publish


@pytest.fixture
def database():
    made = memory_database()
    yield made
    made.dispose()


def published(database, document) -> tuple[str, str]:
    with database.begin() as session:
        app = create_app(session, Profile("App"))
        version, _ = publish(session, app.id, document, "hash")
    return app.id, version.id


def document(*nodes: dict) -> dict:
    return documents.chain("doc", [documents.start(documents.variable("q")), *nodes, documents.end()])


def test_a_version_is_read_once(database):
    app_id, workflow_id = published(database, document())
    workflows = PublishedWorkflows(database)

    assert workflows.find(app_id, workflow_id) is workflows.find(app_id, workflow_id)


def test_the_version_that_was_used_longest_ago_is_forgotten(database):
    versions = [published(database, document()) for _ in range(3)]
    workflows = PublishedWorkflows(database, capacity=2)
    first = workflows.find(*versions[0])
    workflows.find(*versions[1])
    assert workflows.find(*versions[0]) is first

    workflows.find(*versions[2])

    assert workflows.find(*versions[0]) is first
    assert len(workflows._kept) == 2


def test_a_document_without_a_start_is_a_graph_error(database):
    workflows = PublishedWorkflows(database)

    with pytest.raises(GraphError):
        workflows.find(*published(database, documents.workflow("none", [documents.end()], [])))


def test_tools_have_icons(database):
    tool = documents.node("t", "tool", tool_name="search", provider_icon={"background": "#fff", "content": "S"})
    plain = documents.node("u", "tool", tool_name="other")

    found = PublishedWorkflows(database).find(*published(database, document(tool, plain)))

    assert found is not None
    assert found.tool_icons["search"] == {"background": "#fff", "content": "S"}
    assert set(found.tool_icons["other"]) == {"background", "content"}
