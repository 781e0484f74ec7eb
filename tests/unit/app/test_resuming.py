"""`POST /v1/workflows/run/{id}/resume`: who may go on from what, with which version, and how that is answered."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from tests.services import documents
from tests.services.documents import Document
from tests.unit.app.serving import Caller, Script, Service, Waiting, begin, events, form, served
from tests.unit.app.test_runs import runs
from tests.unit.running import record
from worker.config import Config
from worker.engine.events import NodeStatus, RunStatus
from worker.journal import RunJournal
from worker.store import apps as store_apps
from worker.store.claims import Claim, load_records
from worker.store.models import RUNS, NodeExecution
from worker.store.sealed_documents import seal_document
from worker.store.sealing import Sealing

TEXT = documents.variable("q", required=True)


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with served(config=Config(database_url="sqlite://", data_dir=tmp_path_factory.mktemp("data"), secret_key="a secret")) as made:
        yield made


def chain(*variables: documents.Node, b: str = "one", environment: Any = ()) -> Document:
    """start, a, b, end; what ``b`` asks for can be changed."""
    nodes = [documents.start(*variables), documents.http_get("a", "http://a"), documents.http_get("b", f"http://b/{b}"), documents.end()]
    document = documents.chain("chain", nodes)
    document["workflow"]["environment_variables"] = list(environment)
    return document


@pytest.fixture
def caller(service: Service) -> Caller:
    return service.publish(chain(TEXT))


def ends_as(status: RunStatus, *nodes: str, failed: str | None = None) -> Script:
    """Nodes that succeed, one that fails, and how the run ends."""

    def script(held: Claim, journal: RunJournal) -> None:
        begin(held, journal)
        made = [record(name, node_type="start" if name == "start" else "code", execution_id=str(uuid.uuid4())) for name in nodes]
        if failed is not None:
            made.append(record(failed, status=NodeStatus.FAILED, execution_id=str(uuid.uuid4())))
        for item in made:
            journal.record(item, durable=True)
        journal.close(status, "as the test wants it")

    return script


def ended(caller: Caller, status: RunStatus = RunStatus.FAILED, **options: Any) -> str:
    """Id of a run that went through ``start`` and ``a``, and failed at ``b``."""
    usual = caller.service.worker.script
    caller.service.worker.script = ends_as(status, "start", "a", failed="b")
    run_id: str = caller.run(**options).json["workflow_run_id"]
    caller.service.worker.script = usual
    return run_id


def resume(caller: Caller, run_id: str, headers: dict[str, str] | None = None, **body: Any) -> TestResponse:
    return caller.post(f"/v1/workflows/run/{run_id}/resume", json={"user": "alice", **body}, headers=headers or {})


def publish(caller: Caller, document: Document) -> str:
    """Another version, the current one from now on."""
    with caller.service.database.begin() as session:
        version, _ = store_apps.publish(session, caller.app_id, document, uuid.uuid4().hex)
        return version.id


def taken_over(caller: Caller, answer: TestResponse) -> list[str]:
    """Nodes whose results the new run began with."""
    assert answer.status_code == 200, answer.json
    with caller.service.database.read() as session:
        return [item.node_id for item in load_records(session, answer.json["workflow_run_id"])]


def inputs(caller: Caller, run_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(caller.get(f"/v1/workflows/run/{run_id}").json["inputs"])
    return found


# ---- the run


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.STOPPED])
def test_a_new_run_takes_over_what_the_old_one_has_done(caller: Caller, status: RunStatus):
    old = ended(caller, status)
    before = caller.get(f"/v1/workflows/run/{old}").json

    answer = resume(caller, old)

    assert answer.json["workflow_run_id"] != old
    assert (answer.json["data"]["status"], answer.json["data"]["outputs"]) == ("succeeded", {"q": "hello"})
    assert taken_over(caller, answer) == ["start", "a"]
    assert caller.get(f"/v1/workflows/run/{old}").json == before


def test_it_has_ids_and_a_user_of_its_own(service: Service, caller: Caller):
    old = ended(caller)

    new = resume(caller, old, user="bob", trace_id="t-1").json

    before, after = inputs(caller, old), inputs(caller, new["workflow_run_id"])
    assert list(after) == list(before)
    assert (after["q"], after["sys.user_id"], after["sys.workflow_run_id"]) == ("hello", "bob", new["workflow_run_id"])
    assert after["sys.workflow_id"] == before["sys.workflow_id"] == new["data"]["workflow_id"]
    with service.database.read() as session:
        row = session.execute(select(RUNS).where(RUNS.c.id == new["workflow_run_id"])).one()
    assert (row.task_id, row.trace_id, row.resumed_from, row.sequence_number) == (new["task_id"], "t-1", old, 2)


def test_the_start_node_tells_of_the_new_run(service: Service, caller: Caller):
    new = resume(caller, ended(caller), user="bob").json["workflow_run_id"]

    with service.database.read() as session:
        first = load_records(session, new)[0]
    assert (first.outputs["sys.workflow_run_id"], first.outputs["sys.user_id"], first.outputs["out"]) == (new, "bob", "start")


def test_it_is_answered_as_a_run_request_is(service: Service, caller: Caller):
    old = ended(caller)

    streamed = events(resume(caller, old, response_mode="streaming"))
    waiting = service.worker.script = Waiting()
    accepted = resume(caller, old, response_mode="async")
    waiting.may_end.set()

    assert [event["event"] for event in streamed] == ["workflow_started", "node_started", "node_finished", "workflow_finished"]
    assert (accepted.status_code, accepted.json["data"]["status"]) == (202, "running")
    assert len({old, streamed[0]["workflow_run_id"], accepted.json["workflow_run_id"]}) == 3


def test_the_same_request_again_is_the_same_run(caller: Caller):
    old, other = ended(caller), ended(caller)
    key = {"Idempotency-Key": "k"}

    answers = [resume(caller, run_id, key) for run_id in (old, old.upper(), other)]

    assert answers[0].json == answers[1].json
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [None, "true", None]
    assert resume(caller, old, key, user="bob").json["code"] == "idempotency_key_reused"
    assert runs(caller) == 4


def test_a_webhook_may_be_told_of_it(caller: Caller):
    answer = resume(caller, ended(caller), webhook={"url": "http://receiver.example/x", "events": ["nosuch"]})

    assert (answer.status_code, answer.json["code"], answer.json["params"]) == (400, "invalid_param", "webhook")


# ---- what cannot be resumed


@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.PARTIAL_SUCCEEDED])
def test_a_success_is_refused(caller: Caller, status: RunStatus):
    answer = resume(caller, ended(caller, status))

    assert (answer.status_code, answer.json) == (
        409,
        {"code": "run_not_resumable", "message": "The run succeeded: nothing is left to do.", "status": 409},
    )
    assert runs(caller) == 1


def test_a_run_that_goes_on_is_refused(service: Service, caller: Caller):
    service.worker.script = None
    waiting = caller.run(response_mode="async").json["workflow_run_id"]
    running = service.worker.script = Waiting()
    begun = caller.run(response_mode="async").json["workflow_run_id"]
    assert running.has_begun.wait(10)

    answers = [resume(caller, run_id) for run_id in (waiting, begun)]
    running.may_end.set()

    assert [(answer.status_code, answer.json["message"]) for answer in answers] == [(409, "The run has not ended.")] * 2


@pytest.mark.parametrize("run_id", [str(uuid.uuid4()), "nosuch", "x" * 300])
def test_an_unknown_run_is_not_found(caller: Caller, run_id: str):
    answer = resume(caller, run_id, {"Idempotency-Key": "k"})

    assert (answer.status_code, answer.json["code"], answer.json["message"]) == (404, "not_found", "Workflow run not found.")


def test_a_run_of_another_app_is_not_found(service: Service, caller: Caller):
    assert resume(service.hello(), ended(caller)).status_code == 404


@pytest.mark.parametrize("body", [{"user": None}, {"response_mode": "later"}, {"workflow_id": 7}], ids=str)
def test_a_request_that_does_not_fit_is_refused_by_the_name_of_the_field(caller: Caller, body: dict[str, Any]):
    answer = resume(caller, ended(caller), **body)

    assert (answer.status_code, answer.json["code"], answer.json["params"]) == (400, "invalid_param", next(iter(body)))


def test_results_that_this_release_cannot_read_are_a_refusal(service: Service, caller: Caller):
    old = ended(caller)
    with service.database.begin() as session:
        for row in session.scalars(select(NodeExecution).where(NodeExecution.run_id == old)):
            row.record = row.record.replace('"v":1', '"v":99')

    answer = resume(caller, old)

    assert (answer.status_code, answer.json["code"]) == (409, "run_not_resumable")
    assert "version 99" in answer.json["message"]
    assert runs(caller) == 1


# ---- versions


def test_without_a_word_the_version_of_the_run_stays(caller: Caller):
    old = ended(caller)
    pinned = caller.get(f"/v1/workflows/run/{old}").json["workflow_id"]
    publish(caller, chain(TEXT, b="two"))

    assert resume(caller, old).json["data"]["workflow_id"] == pinned


def test_another_version_leaves_behind_what_was_changed(caller: Caller):
    old = ended(caller)
    mended = publish(caller, chain(TEXT, b="two"))
    other = chain(TEXT)
    other["workflow"]["graph"]["nodes"][1]["data"]["url"] = "http://elsewhere"
    publish(caller, other)

    by_id, latest = resume(caller, old, workflow_id=mended), resume(caller, old, workflow_id="latest")

    assert by_id.json["data"]["workflow_id"] == mended
    assert (taken_over(caller, by_id), taken_over(caller, latest)) == (["start", "a"], ["start"])


def test_the_version_that_the_run_has_already_may_be_named(caller: Caller):
    old = ended(caller)
    pinned = caller.get(f"/v1/workflows/run/{old}").json["workflow_id"]

    assert [taken_over(caller, resume(caller, old, workflow_id=name)) for name in (pinned, "latest")] == [["start", "a"]] * 2


@pytest.mark.parametrize(("version", "status"), [("nosuch", 400), (str(uuid.uuid4()), 404)])
def test_an_unknown_version_is_refused(caller: Caller, version: str, status: int):
    assert resume(caller, ended(caller), workflow_id=version).status_code == status


def test_a_version_of_another_app_is_not_found(service: Service, caller: Caller):
    foreign = publish(service.hello(), chain(TEXT))

    assert resume(caller, ended(caller), workflow_id=foreign).status_code == 404


def test_an_input_that_the_other_version_wants_besides_is_named(caller: Caller):
    old = ended(caller)
    publish(caller, chain(TEXT, documents.variable("more", required=True)))

    answer = resume(caller, old, workflow_id="latest")

    assert (answer.status_code, answer.json["code"]) == (400, "invalid_param")
    assert answer.json["message"] == "more is required in input form"
    assert runs(caller) == 1


def test_inputs_are_those_that_the_other_version_declares(caller: Caller):
    old = ended(caller)
    publish(caller, chain(TEXT, documents.variable("more", default="new")))

    answer = resume(caller, old, workflow_id="latest")

    given = inputs(caller, answer.json["workflow_run_id"])
    assert (given["q"], given["more"]) == ("hello", "new")
    assert taken_over(caller, answer) == []


def test_files_are_still_those_that_were_given(service: Service):
    files = {"allowed_file_types": ["document"], "allowed_file_upload_methods": ["local_file"]}
    declared = [documents.variable("one", "file", **files), documents.variable("many", "file-list", **files)]
    uploading = {"file_upload": {"enabled": True, "allowed_file_types": ["document"], "allowed_file_upload_methods": ["local_file"]}}
    caller = service.publish(form(*declared, **uploading))
    upload = {"file": (io.BytesIO(b"text"), "a.txt", "text/plain"), "user": "alice"}
    file_id = caller.post("/v1/files/upload", data=upload).json["id"]
    file = {"type": "document", "transfer_method": "local_file", "upload_file_id": file_id}
    old = ended(caller, inputs={"one": file, "many": [file, file]}, files=[file])
    publish(caller, form(*declared, documents.variable("more"), **uploading))

    answers = [resume(caller, old, user="bob", workflow_id=version) for version in (None, "latest")]

    for answer in answers:
        given = inputs(caller, answer.json["workflow_run_id"])
        found = [given["one"], *given["many"], *given["sys.files"]]
        assert [item["related_id"] for item in found] == [file_id] * 4
        assert all(item["url"] for item in found)


def publish_sealed(caller: Caller, sealing: Sealing, key: str) -> str:
    """A version whose node ``a`` sends a key, which nobody sees in what is stored."""
    document = chain(TEXT)
    document["workflow"]["graph"]["nodes"][1]["data"]["headers"] = f"X-Api-Key: {key}"
    stored = seal_document(caller.app_id, document, lambda: sealing)
    assert key not in json.dumps(stored.document)
    return publish(caller, dict(stored.document))


def test_a_secret_that_was_changed_is_a_change(service: Service):
    caller = service.publish()
    sealing = Sealing.find(service.parts.config)
    publish_sealed(caller, sealing, "first-secret")
    old = ended(caller)
    same, other = (publish_sealed(caller, sealing, key) for key in ("first-secret", "other-secret"))

    assert taken_over(caller, resume(caller, old, workflow_id=same)) == ["start", "a"]
    assert taken_over(caller, resume(caller, old, workflow_id=other)) == ["start"]


def test_secrets_that_cannot_be_opened_matter_only_where_versions_are_compared(service: Service):
    caller = service.publish()
    publish_sealed(caller, Sealing.find(Config(database_url="sqlite://", secret_key="another one")), "secret")
    old = ended(caller)
    publish(caller, chain(TEXT))

    refused = resume(caller, old, workflow_id="latest")

    assert taken_over(caller, resume(caller, old)) == ["start", "a"]
    assert (refused.status_code, refused.json["code"]) == (400, "workflow_request_error")
