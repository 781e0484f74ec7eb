import json
import uuid

import pytest

from app.config import ApiConfig
from tests.services import documents
from tests.unit.app.serving import Caller, Service, Waiting, events, fail, form, frames, refuse, served
from tests.unit.running import success
from worker.engine.events import RunStatus
from worker.store.errors import StorageUnavailable
from worker.store.logs import LogQuery, query_logs


def runs(caller: Caller) -> int:
    with caller.service.database.read() as session:
        return query_logs(session, LogQuery(caller.app_id)).total


# ---- blocking


def test_a_blocking_run_answers_the_eleven_fields_and_no_others(caller: Caller):
    answer = caller.run()

    assert answer.status_code == 200
    assert answer.content_type == "application/json; charset=utf-8"
    assert list(answer.json) == ["task_id", "workflow_run_id", "data"]
    data = answer.json["data"]
    assert data == {
        "id": answer.json["workflow_run_id"],
        "workflow_id": data["workflow_id"],
        "status": "succeeded",
        "outputs": {"q": "hello"},
        "error": None,
        "elapsed_time": 1.5,
        "total_tokens": 0,
        "total_steps": 2,
        "created_at": 100,
        "finished_at": 102,
    }


@pytest.mark.parametrize("body", [{}, {"response_mode": None}, {"response_mode": "blocking"}])
def test_a_run_is_blocking_unless_streaming_is_asked_for(caller: Caller, body: dict):
    assert caller.run(**body).json["data"]["status"] == "succeeded"


def test_a_workflow_that_fails_is_a_200(service: Service, caller: Caller):
    service.worker.script = fail

    answer = caller.run()

    assert answer.status_code == 200
    assert answer.json["data"]["status"] == "failed"
    assert answer.json["data"]["error"] == "the node's own words"
    assert answer.json["data"]["outputs"] == {}


def test_a_run_that_could_not_be_executed_at_all_is_an_http_error(service: Service, caller: Caller):
    service.worker.script = refuse

    assert caller.run().json == {"code": "workflow_request_error", "message": "No such node type.", "status": 400}


def test_integers_over_64_bits_in_outputs_keep_their_digits(service: Service, caller: Caller):
    service.worker.script = lambda held, journal: journal.finish(success(outputs={"n": 2**80}))

    answer = caller.run()

    assert answer.json["data"]["outputs"] == {"n": 2**80}
    assert caller.get(f"/v1/workflows/run/{answer.json['workflow_run_id']}").json["outputs"] == {"n": 2**80}


def test_a_call_that_waits_too_long_for_this_deployment_is_answered_with_the_ids():
    with served(ApiConfig(blocking_max_wait_s=0.05)) as service:
        waiting = service.worker.script = Waiting()
        answer = service.hello().run()
        waiting.may_end.set()

    assert answer.status_code == 202
    assert set(answer.json) == {"task_id", "workflow_run_id"}


def test_a_run_that_nobody_claims_yet_reads_running(service: Service, caller: Caller):
    service.worker.script = None
    stream = caller.stream()
    run_id = stream.headers["X-Workflow-Run-ID"]

    detail = caller.get(f"/v1/workflows/run/{run_id}").json
    stream.close()

    assert detail["status"] == "running"
    assert (detail["outputs"], detail["error"], detail["total_steps"], detail["finished_at"]) == ({}, None, 0, None)
    assert detail["elapsed_time"] == 0.0
    assert isinstance(detail["elapsed_time"], float)


# ---- streaming


def test_a_stream_has_its_headers_and_every_event(caller: Caller):
    answer = caller.stream()

    assert answer.content_type == "text/event-stream; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Accel-Buffering"] == "no"
    assert "Content-Length" not in answer.headers
    read = events(answer)
    assert [event["event"] for event in read] == ["workflow_started", "node_started", "node_finished", "workflow_finished"]
    assert {event["workflow_run_id"] for event in read} == {answer.headers["X-Workflow-Run-ID"]}
    assert len({event["task_id"] for event in read}) == 1


def test_the_headers_of_a_stream_are_sent_before_the_first_event(service: Service, caller: Caller):
    service.worker.script = None
    answer = caller.stream()

    assert next(iter(answer.response)) == b""
    answer.close()


def test_frames_are_one_data_line_and_nothing_else(caller: Caller):
    for frame in frames(caller.stream({"q": "line\u2028separator\u0085 and \r\n"})):
        assert frame.startswith(b"data: {")
        assert b"\n" not in frame
        assert not {"\u2028", "\u0085"} & set(frame.decode())


@pytest.mark.parametrize("options", [{"query_string": "event_ids=true"}, {"headers": {"Last-Event-ID": "0"}}])
def test_ids_are_sent_to_those_who_ask_for_them(caller: Caller, options: dict):
    answer = caller.post("/v1/workflows/run", json={"inputs": {"q": "x"}, "user": "u", "response_mode": "streaming"}, **options)

    assert [frame.split(b"\n")[1] for frame in frames(answer)] == [b"id: 1", b"id: 2", b"id: 3", b"id: 4"]


def test_a_long_stream_is_kept_alive_by_pings():
    with served(ApiConfig(ping_interval_s=0.02)) as service:
        waiting = service.worker.script = Waiting()
        answer = service.hello().stream()
        read = []
        for chunk in answer.iter_encoded():
            read.append(chunk)
            if read.count(b"event: ping\n\n") == 3:
                waiting.may_end.set()
        answer.close()

    assert read[-1].startswith(b'data: {"event":"workflow_finished"')
    assert set(read) - {b""} - {chunk for chunk in read if chunk.startswith(b"data: ")} == {b"event: ping\n\n"}


def test_an_error_before_the_run_is_one_event(service: Service, caller: Caller):
    service.worker.script = refuse

    (event,) = events(caller.stream())

    assert event["event"] == "error"
    assert (event["code"], event["status"]) == ("workflow_request_error", 400)
    assert uuid.UUID(event["task_id"])
    assert uuid.UUID(event["workflow_run_id"])


def test_a_client_that_leaves_changes_nothing_about_the_run(service: Service, caller: Caller):
    waiting = service.worker.script = Waiting(success(outputs={"a": 1}))
    answer = caller.stream()
    waiting.has_begun.wait(5)

    answer.close()
    waiting.may_end.set()
    service.worker.join()

    detail = caller.get(f"/v1/workflows/run/{answer.headers['X-Workflow-Run-ID']}").json
    assert (detail["status"], detail["outputs"]) == ("succeeded", {"a": 1})
    assert service.parts.listener._subscriptions == []


# ---- what is refused, and in which order


@pytest.mark.parametrize("mode", ["blocking", "streaming"])
def test_inputs_that_do_not_fit_are_refused_before_anything_is_stored(caller: Caller, mode: str):
    answer = caller.run({}, response_mode=mode)

    assert answer.json == {"code": "invalid_param", "message": "q is required in input form", "status": 400}
    assert answer.content_type == "application/json"
    assert runs(caller) == 0


def test_the_end_user_is_stored_although_a_later_check_fails(service: Service, caller: Caller):
    from worker.store.end_users import ensure_end_user
    from worker.store.models import EndUser

    caller.run({}, user="early")

    with service.database.begin() as session:
        found = session.get(EndUser, ensure_end_user(session, caller.app_id, "early"))
        assert found is not None
        before = found.id
    assert caller.run(user="early").status_code == 200
    with service.database.begin() as session:
        assert ensure_end_user(session, caller.app_id, "early") == before


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Arg user must be provided."),
        ({"user": "u"}, "inputs is required."),
        ({"user": "u", "inputs": None}, "inputs must be an object."),
        ({"user": "u", "inputs": []}, "inputs must be an object."),
        ({"user": "u", "inputs": {}, "files": "x", "response_mode": "sync"}, "response_mode must be 'streaming', 'blocking' or 'async'."),
        ({"user": "u", "inputs": {}, "response_mode": ""}, "response_mode must be 'streaming', 'blocking' or 'async'."),
        ({"user": "u", "inputs": {}, "files": "x"}, "files must be an array of file objects."),
        ({"user": "u", "inputs": {}, "files": ["x"]}, "files.0 must be an object."),
    ],
)
def test_the_first_wrong_field_is_named(caller: Caller, body: dict, message: str):
    answer = caller.post("/v1/workflows/run", json=body)

    assert (answer.status_code, answer.json["code"], answer.json["message"]) == (400, "invalid_param", message)
    assert answer.json["params"] == message.removeprefix("Arg ").split(".")[0].split()[0]


def test_unknown_fields_and_undeclared_inputs_are_ignored(caller: Caller):
    answer = caller.run({"q": "x", "other": 1}, conversation_id="", files=None, query="?")

    assert answer.json["data"]["outputs"] == {"q": "x"}


def test_the_mode_of_the_app_is_checked_between_user_and_payload(service: Service):
    chat = service.hello(mode="advanced-chat")

    assert chat.run(user="").json["code"] == "invalid_param"
    refusal = chat.run(inputs=None, response_mode="x").json
    assert refusal["code"] == "not_workflow_app"
    assert refusal["message"] == "Please check if your app mode matches the right API route."


def test_an_app_without_a_version_is_an_invalid_param(service: Service):
    assert service.publish().run().json == {"code": "invalid_param", "message": "Workflow not published", "status": 400}


def test_a_document_that_cannot_be_executed_is_a_workflow_request_error(service: Service):
    loop = documents.workflow("loop", [documents.start(), documents.template("a", ""), documents.template("b", "")], [])
    loop["workflow"]["graph"]["edges"] = [documents.edge(0, "start", "a"), documents.edge(1, "a", "b"), documents.edge(2, "b", "a")]

    assert service.publish(loop).run().json["code"] == "workflow_request_error"


def test_a_stored_document_that_cannot_be_read_is_app_unavailable(service: Service, caller: Caller):
    from sqlalchemy import update

    from worker.store.models import Workflow

    with service.database.begin() as session:
        session.execute(update(Workflow).where(Workflow.app_id == caller.app_id).values(document="{"))

    assert caller.run().json["code"] == "app_unavailable"
    assert caller.get("/v1/parameters").json["code"] == "app_unavailable"


def test_a_json_object_is_checked_against_its_schema_up_front(service: Service):
    schema = {"type": "object", "properties": {"a": {"type": "number"}}}
    caller = service.publish(form(documents.variable("j", "json_object", required=True, json_schema=schema)))

    assert caller.run({"j": {"a": 1}}).status_code == 200
    assert caller.run({"j": {"a": "x"}}).json["message"] == "JSON object for 'j' does not match schema: 'x' is not of type 'number'"


def test_an_unreachable_database_is_503_and_nothing_is_stored():
    with served() as service:
        service.parts.intake._database = Broken()
        caller = service.hello()
        answer = caller.run(response_mode="streaming")
        stored = runs(caller)

    assert (answer.status_code, answer.json["code"]) == (503, "service_unavailable")
    assert answer.headers["Retry-After"].isdecimal()
    assert (stored, service.worker.threads) == (0, [])


class Broken:
    def transact_once(self, work: object, group: str) -> None:
        raise StorageUnavailable("gone")


def test_an_unexpected_failure_is_a_500_that_says_nothing_of_itself():
    with served() as service:
        service.parts.published._database = None
        answer = service.hello().run()

    assert (answer.status_code, answer.json["code"]) == (500, "internal_server_error")
    assert "NoneType" not in answer.text


# ---- versions


def test_a_version_is_run_by_its_id_in_any_case(service: Service, caller: Caller):
    first = caller.run().json["data"]["workflow_id"]

    answer = caller.run(path=f"/v1/workflows/{first.upper()}/run")

    assert answer.json["data"]["workflow_id"] == first


@pytest.mark.parametrize(
    ("version", "status", "code", "message"),
    [
        ("abc", 400, "bad_request", "Invalid workflow_id format: 'abc'. "),
        ("19eff89f-ec03-4f75-b0fc-897e7effea02", 404, "not_found", "Workflow not found with id: 19eff89f-ec03-4f75-b0fc-897e7effea02"),
    ],
)
def test_another_version_id_is_refused(caller: Caller, version: str, status: int, code: str, message: str):
    assert caller.run(path=f"/v1/workflows/{version}/run").json == {"code": code, "message": message, "status": status}


def test_a_version_of_another_app_is_not_found(service: Service, caller: Caller):
    foreign = service.hello().run().json["data"]["workflow_id"]

    for _ in range(2):  # The second time it comes from the cache of versions.
        assert caller.run(path=f"/v1/workflows/{foreign}/run").json["code"] == "not_found"


# ---- trace ids


@pytest.mark.parametrize(
    ("headers", "query", "body", "wanted"),
    [
        ({"X-Trace-Id": "head"}, "trace_id=query", "body", "head"),
        ({}, "trace_id=query", "body", "query"),
        ({"X-Trace-Id": "not valid!"}, "", "body", "body"),
        ({"Traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}, "", 7, "4bf92f3577b34da6a3ce929d0e0e4736"),
        ({"Traceparent": "nonsense"}, "trace_id=" + "x" * 129, None, None),
    ],
)
def test_the_trace_id_comes_from_the_first_place_with_a_valid_one(
    service: Service, caller: Caller, headers: dict, query: str, body: object, wanted: str | None
):
    from sqlalchemy import select

    from worker.store.models import Run

    answer = caller.post(f"/v1/workflows/run?{query}", json={"inputs": {"q": "x"}, "user": "u", "trace_id": body}, headers=headers)

    assert answer.status_code == 200
    with service.database.read() as session:
        assert session.scalar(select(Run.trace_id).where(Run.app_id == caller.app_id)) == wanted


# ---- details


def test_a_run_is_shown_with_inputs_as_text_and_outputs_as_an_object(caller: Caller):
    done = caller.run().json

    detail = caller.get(f"/v1/workflows/run/{done['workflow_run_id'].upper()}").json

    assert detail["outputs"] == {"q": "hello"}
    assert (detail["created_at"], detail["finished_at"]) == (detail["created_at"], 102)
    inputs = json.loads(detail["inputs"])
    assert inputs["q"] == "hello"
    assert list(inputs)[1:] == ["sys.files", "sys.user_id", "sys.app_id", "sys.workflow_id", "sys.workflow_run_id", "sys.timestamp"]
    assert inputs["sys.workflow_run_id"] == detail["id"] == done["workflow_run_id"]


@pytest.mark.parametrize("run_id", ["xyz", "2f4b9a10-7c55-4a0e-9f5a-0d1c2b3a4e5f"])
def test_an_unknown_run_is_not_found(caller: Caller, run_id: str):
    answer = caller.get(f"/v1/workflows/run/{run_id}")

    assert answer.json == {"code": "not_found", "message": "Workflow run not found.", "status": 404}


def test_runs_of_other_apps_and_task_ids_are_not_found(service: Service, caller: Caller):
    foreign = service.hello().run().json
    own = caller.run().json

    for run_id in (foreign["workflow_run_id"], own["task_id"]):
        assert caller.get(f"/v1/workflows/run/{run_id}").status_code == 404


def test_details_as_of_november_2024_on_request(caller: Caller):
    run_id = caller.run().json["workflow_run_id"]

    detail = caller.get(f"/v1/workflows/run/{run_id}", headers={"X-Dify-Compat": "2024-11"}).json

    assert detail["outputs"] == '{"q":"hello"}'
    assert detail["finished_at"] == "Thu, 01 Jan 1970 00:01:42 -0000"


def test_details_as_of_november_2024_for_a_deployment():
    with served(ApiConfig(run_detail_legacy=True)) as service:
        service.worker.script = lambda held, journal: journal.close(RunStatus.FAILED, "no")
        caller = service.hello()
        detail = caller.get(f"/v1/workflows/run/{caller.run().json['workflow_run_id']}").json

    assert detail["outputs"] is None
    assert detail["created_at"].endswith("-0000")


def test_a_key_of_another_mode_sees_no_runs(service: Service):
    assert service.hello(mode="chat").get("/v1/workflows/run/xyz").json["code"] == "not_workflow_app"


# ---- how many


def test_a_full_process_answers_503():
    with served(ApiConfig(max_streams=1)) as service:
        caller = service.hello()
        service.worker.script = None
        first = caller.stream()
        refused = caller.run()
        first.close()

    assert (refused.status_code, refused.json["code"]) == (503, "service_unavailable")
    assert refused.headers["Retry-After"].isdecimal()


def test_an_app_that_only_triggers_can_start_refuses_a_run(service: Service):
    schedule = documents.node("tick", "trigger-schedule")
    caller = service.publish(documents.chain("scheduled", [schedule, documents.end(time=["sys", "timestamp"])]))

    answer = caller.run(inputs={})

    assert (answer.status_code, answer.json["code"]) == (400, "invalid_param")
    assert "no start node" in answer.json["message"]
    assert runs(caller) == 0
