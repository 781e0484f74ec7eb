"""Runs that go on from others, from the command line."""

import json
import re
import uuid

import pytest

from app.admin.resuming import accept_resumed
from tests.services import documents
from tests.unit import running
from worker.config import Config
from worker.engine.errors import FormError
from worker.engine.events import RunStatus
from worker.store.apps import publish
from worker.store.claims import finish_run, load_records
from worker.store.errors import NotFound, NotResumable
from worker.store.events import EventStretch


@pytest.fixture
def database():
    database = running.memory_database()
    yield database
    database.dispose()


def chain(*variables, b="one"):
    nodes = [documents.start(*variables), documents.http_get("a", "http://a"), documents.http_get("b", f"http://b/{b}"), documents.end()]
    return documents.chain("chain", nodes)


TEXT = documents.variable("q")


def ended(database, status=RunStatus.FAILED):
    """A run that ended after ``start`` and ``a``."""
    run = running.accept(database, chain(TEXT))
    held = running.claimed(database, run)
    records = [running.record(name, execution_id=str(uuid.uuid4())) for name in ("start", "a")]
    with database.begin() as session:
        events = EventStretch.of(1, [b"{}"])
        finish_run(session, held.run_id, held.attempt, running.success(status=status), {}, list(enumerate(records, 1)), events)
    return run


def another_version(database, run, document):
    with database.begin() as session:
        version, _ = publish(session, run.app_id, document, uuid.uuid4().hex)
        return version.id, version.version


def resume(database, run, version=None):
    return accept_resumed(Config(database_url="sqlite://"), database, run.app_id, run.run_id, version)


def taken_over(database, run):
    with database.read() as session:
        return [item.node_id for item in load_records(session, run.run_id)]


def test_the_new_run_is_stored_in_the_name_of_the_same_user(database):
    old = ended(database)

    new = resume(database, old)

    seen = running.detail(database, new)
    assert (seen.resumed_from, seen.end_user_id, seen.workflow_id) == (old.run_id, old.end_user_id, old.workflow_id)
    given = json.loads(seen.inputs)
    assert (given["q"], given["sys.user_id"], given["sys.workflow_run_id"]) == ("v", "alice", new.run_id)
    assert taken_over(database, new) == ["start", "a"]


def test_a_version_is_named_by_its_id_by_its_time_or_as_the_latest(database):
    old = ended(database)
    version_id, version = another_version(database, old, chain(TEXT, b="two"))

    for name in (version_id, version_id.upper(), version, "latest"):
        new = resume(database, old, name)
        assert (new.workflow_id, taken_over(database, new)) == (version_id, ["start", "a"])


def test_an_unknown_version_is_refused(database):
    with pytest.raises(NotFound, match=r"^The app has no version 'nosuch'\.$"):
        resume(database, ended(database), "nosuch")


def test_a_version_that_wants_more_is_refused(database):
    old = ended(database)
    another_version(database, old, chain(TEXT, documents.variable("more", required=True)))

    with pytest.raises(FormError, match=r"^more is required in input form$"):
        resume(database, old, "latest")


def test_a_success_is_refused(database):
    with pytest.raises(NotResumable, match=re.escape("The run succeeded: nothing is left to do.")):
        resume(database, ended(database, RunStatus.SUCCEEDED))


def test_a_run_of_another_app_is_unknown(database):
    old, other = ended(database), ended(database)

    with pytest.raises(NotFound, match="There is no run"):
        accept_resumed(Config(database_url="sqlite://"), database, other.app_id, old.run_id, None)
