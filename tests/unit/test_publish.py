import pytest
from sqlalchemy import func, select

from app.documents import DocumentError, parse_document
from app.publish import check_document, import_document, publish_document
from worker.config import Config
from worker.engine.errors import GraphError
from worker.nodes.registry import Registry
from worker.store import apps
from worker.store.errors import NotFound
from worker.store.keys import find_app_by_token
from worker.store.migrate import upgrade
from worker.store.models import ApiKey, App, Workflow
from worker.store.sealing import Sealing
from worker.store.session import Database

DOCUMENT = """
app: {name: Echo, description: Says it again., mode: workflow, icon: E, icon_background: '#000000'}
kind: app
version: 0.5.0
workflow:
  graph:
    nodes:
      - {id: start, data: {type: start, variables: [{variable: q, type: text-input}]}}
      - {id: end, data: {type: end, title: End, outputs: [{variable: q, value_selector: [start, q]}]}}
    edges: [{source: start, target: end}]
"""
LATER = DOCUMENT.replace("Says it again.", "Says it once more.").replace("{variable: q, value_selector", "{variable: out, value_selector")


@pytest.fixture
def database(tmp_path):
    config = Config(database_url=f"sqlite:///{tmp_path / 'test.sqlite3'}")
    upgrade(config)
    database = Database.connect(config)
    yield database
    database.dispose()


@pytest.fixture
def registry():
    return Registry()


@pytest.fixture
def sealing():
    return lambda: Sealing(b"a key")


def counts(database):
    with database.read() as session:
        return [session.scalar(select(func.count()).select_from(model)) for model in (App, Workflow, ApiKey)]


def test_an_import_stores_app_version_and_key_together(database, registry, sealing):
    with database.begin() as session:
        imported = import_document(session, DOCUMENT, registry, sealing=sealing)

    with database.read() as session:
        found = find_app_by_token(session, imported.api_key)
        app = apps.find_app(session, "Echo")
    assert found is not None
    assert (found.app_id, found.workflow_id) == (imported.app_id, imported.workflow_id)
    assert (app.description, app.mode, app.icon, app.icon_background) == ("Says it again.", "workflow", "E", "#000000")
    assert counts(database) == [1, 1, 1]


@pytest.mark.parametrize("source", [DOCUMENT, DOCUMENT.encode(), parse_document(DOCUMENT)], ids=["text", "bytes", "mapping"])
def test_a_document_may_come_as_text_or_as_a_mapping(database, registry, sealing, source):
    with database.begin() as session:
        assert import_document(session, source, registry, sealing=sealing).name == "Echo"


def test_a_given_name_overrules_the_documents(database, registry, sealing):
    with database.begin() as session:
        assert import_document(session, DOCUMENT, registry, sealing=sealing, name="Mine").name == "Mine"


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("a: [", DocumentError),
        (DOCUMENT.replace("type: end", "type: oracle"), GraphError),
        (DOCUMENT.replace("{source: start, target: end}", "{source: start, target: end}, {source: end, target: start}"), GraphError),
        (DOCUMENT.replace("mode: workflow", "mode: chat"), GraphError),
    ],
    ids=["no-yaml", "unknown-type", "cycle", "other-mode"],
)
def test_what_cannot_run_leaves_nothing_behind(database, registry, sealing, source, error):
    with pytest.raises(error), database.begin() as session:
        import_document(session, source, registry, sealing=sealing)

    assert counts(database) == [0, 0, 0]


def test_publishing_keeps_id_and_name_and_replaces_the_description(database, registry, sealing):
    with database.begin() as session:
        imported = import_document(session, DOCUMENT, registry, sealing=sealing, name="Mine")
    with database.begin() as session:
        published = publish_document(session, "Mine", LATER, registry, sealing=sealing)

    with database.read() as session:
        app = apps.find_app(session, imported.app_id)
    assert published.is_new
    assert published.app_id == imported.app_id
    assert (app.name, app.description, app.workflow_id) == ("Mine", "Says it once more.", published.workflow_id)


def test_publishing_the_current_document_again_adds_nothing(database, registry, sealing):
    with database.begin() as session:
        imported = import_document(session, DOCUMENT, registry, sealing=sealing)
        published = publish_document(session, imported.app_id, DOCUMENT, registry, sealing=sealing)

    assert not published.is_new
    assert published.workflow_id == imported.workflow_id
    assert counts(database) == [1, 1, 1]


def test_publishing_to_nobody_is_refused(database, registry, sealing):
    with pytest.raises(NotFound), database.begin() as session:
        publish_document(session, "Nobody", DOCUMENT, registry, sealing=sealing)


def test_a_check_also_finds_what_only_the_graph_shows(registry):
    end = "{id: end, data: {type: end, title: End,"
    broken = parse_document(DOCUMENT.replace(end, "{id: end, data: {type: end, title: End, error_strategy: luck,"))

    check = check_document(broken, registry)

    assert check.workflow is None
    assert [(finding.node_id, finding.path) for finding in check.errors] == [("end", "workflow.graph.nodes[1].data.error_strategy")]


def test_a_good_document_gives_its_workflow_and_warnings(registry):
    document = parse_document(DOCUMENT.replace("{source: start, target: end}", "{source: start, target: end}, {source: end, target: gone}"))

    check = check_document(document, registry)

    assert check.workflow is not None
    assert check.errors == ()
    assert [finding.level for finding in check.warnings] == ["warning"]
