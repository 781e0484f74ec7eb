import pytest

from app.config import ApiConfig
from tests.unit.app.serving import Caller, Service, Waiting, events, served


def task_of(caller: Caller, run_id: str) -> str:
    with caller.service.database.read() as session:
        from worker.store.readers import find_readable

        found = find_readable(session, caller.app_id, run_id)
    assert found is not None
    return found.task_id


def stop(caller: Caller, task_id: str, user: object = "alice", path: str = "/v1/workflows/tasks/{}/stop") -> object:
    answer = caller.post(path.format(task_id), json={"user": user})
    assert (answer.status_code, answer.json) == (200, {"result": "success"})
    return answer


@pytest.mark.parametrize("path", ["/v1/workflows/tasks/{}/stop", "/v1/workflows/{}/stop"])
def test_a_run_that_nobody_claimed_ends_stopped_in_stream_and_record(service: Service, caller: Caller, path: str):
    service.worker.script = None
    stream = caller.stream()
    run_id = stream.headers["X-Workflow-Run-ID"]

    stop(caller, task_of(caller, run_id), path=path)

    read = events(stream)
    assert [event["event"] for event in read] == ["workflow_started", "workflow_finished"]
    assert (read[-1]["data"]["status"], read[-1]["data"]["error"]) == ("stopped", "Stopped by user.")
    detail = caller.get(f"/v1/workflows/run/{run_id}").json
    assert (detail["status"], detail["error"]) == ("stopped", "Stopped by user.")
    assert service.worker.revoked == [read[0]["task_id"]]
    assert service.worker.stopped == []


def test_the_worker_of_a_run_is_told_and_the_task_revoked(service: Service, caller: Caller):
    waiting = service.worker.script = Waiting()
    stream = caller.stream()
    run_id = stream.headers["X-Workflow-Run-ID"]
    waiting.has_begun.wait(5)

    stop(caller, task_of(caller, run_id).upper())
    waiting.may_end.set()

    assert service.worker.stopped == [run_id]
    assert events(stream)[-1]["data"]["status"] == "stopped"


def test_a_stop_by_another_user_is_a_success_without_effect(service: Service, caller: Caller):
    waiting = service.worker.script = Waiting()
    stream = caller.stream()
    waiting.has_begun.wait(5)

    stop(caller, task_of(caller, stream.headers["X-Workflow-Run-ID"]), user="mallory")
    waiting.may_end.set()

    assert service.worker.stopped == service.worker.revoked == []
    assert events(stream)[-1]["data"]["status"] == "succeeded"


def test_a_deployment_may_let_every_user_stop():
    with served(ApiConfig(stop_any_user=True)) as service:
        service.worker.script = None
        caller = service.hello()
        stream = caller.stream()
        stop(caller, task_of(caller, stream.headers["X-Workflow-Run-ID"]), user="mallory")

        assert events(stream)[-1]["data"]["status"] == "stopped"


def test_a_task_of_another_app_is_left_alone(service: Service, caller: Caller):
    service.worker.script = None
    other = service.hello()
    stream = other.stream()
    run_id = stream.headers["X-Workflow-Run-ID"]

    stop(caller, task_of(other, run_id))

    assert other.get(f"/v1/workflows/run/{run_id}").json["status"] == "running"
    stream.close()


@pytest.mark.parametrize("task_id", ["zzz", "2f4b9a10-7c55-4a0e-9f5a-0d1c2b3a4e5f"])
def test_an_unknown_task_is_a_success(caller: Caller, task_id: str):
    stop(caller, task_id)


def test_a_finished_run_stays_what_it_is(caller: Caller):
    done = caller.run().json

    for _ in range(2):
        stop(caller, done["task_id"])

    assert caller.get(f"/v1/workflows/run/{done['workflow_run_id']}").json["status"] == "succeeded"


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"json": {}}, 400, "invalid_param"),
        ({"data": b"", "content_type": "application/json"}, 400, "bad_request"),
        ({"data": b'{"user":"u"}'}, 415, "unsupported_media_type"),
    ],
)
def test_a_malformed_stop_is_refused(caller: Caller, options: dict, status: int, code: str):
    answer = caller.post("/v1/workflows/tasks/zzz/stop", **options)

    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_a_key_of_another_mode_stops_nothing(service: Service):
    answer = service.hello(mode="chat").post("/v1/workflows/tasks/zzz/stop", json={"user": "u"})

    assert answer.json["code"] == "not_workflow_app"
