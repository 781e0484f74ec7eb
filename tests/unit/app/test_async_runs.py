from app.config import ApiConfig
from tests.unit.app.serving import Caller, Service, Waiting, events, served
from tests.unit.app.test_runs import runs


def test_an_async_run_is_answered_at_once_with_its_ids(service: Service, caller: Caller):
    waiting = service.worker.script = Waiting()

    answer = caller.run(response_mode="async")
    detail = caller.get(f"/v1/workflows/run/{answer.json['workflow_run_id']}").json
    waiting.may_end.set()

    assert (answer.status_code, answer.content_type) == (202, "application/json; charset=utf-8")
    assert answer.json == {
        "task_id": answer.json["task_id"],
        "workflow_run_id": detail["id"],
        "data": {"id": detail["id"], "workflow_id": detail["workflow_id"], "status": "running", "created_at": detail["created_at"]},
    }


def test_its_end_is_found_by_its_id(service: Service, caller: Caller):
    run_id = caller.run(response_mode="async").json["workflow_run_id"]
    service.worker.join()

    assert caller.get(f"/v1/workflows/run/{run_id}").json["status"] == "succeeded"


def test_its_events_are_followed_from_the_first_one(service: Service, caller: Caller):
    accepted = caller.run(response_mode="async").json
    stream = caller.get(f"/v1/workflow/{accepted['workflow_run_id']}/events", query_string={"user": "alice", "event_ids": "true"})

    seen = events(stream)
    assert [event["event"] for event in seen] == ["workflow_started", "node_started", "node_finished", "workflow_finished"]
    assert {event["task_id"] for event in seen} == {accepted["task_id"]}


def test_it_is_stopped_by_its_task_id(service: Service, caller: Caller):
    service.worker.script = None
    accepted = caller.run(response_mode="async").json

    caller.post(f"/v1/workflows/tasks/{accepted['task_id']}/stop", json={"user": "alice"})

    assert caller.get(f"/v1/workflows/run/{accepted['workflow_run_id']}").json["status"] == "stopped"


def test_it_is_validated_like_any_other(caller: Caller):
    assert caller.run({}, response_mode="async").json["code"] == "invalid_param"
    assert runs(caller) == 0


def test_it_needs_no_room_for_a_stream():
    with served(ApiConfig(max_streams=1)) as service:
        waiting = service.worker.script = Waiting()
        caller = service.hello()
        accepted = [caller.run(response_mode="async") for _ in range(3)]
        stream = service.hello().stream()
        refused, taken = service.hello().stream(), service.hello().run(response_mode="async")
        waiting.may_end.set()
        stream.close()
        # Nobody listens to a run that was only accepted.
        assert service.parts.listener._subscriptions == []

    assert [answer.status_code for answer in accepted] == [202] * 3
    assert (refused.status_code, taken.status_code) == (503, 202)


def test_the_same_request_again_is_the_same_answer_whatever_became_of_the_run(service: Service, caller: Caller):
    body = {"inputs": {"q": "hello"}, "user": "alice", "response_mode": "async"}
    first = caller.post("/v1/workflows/run", json=body, headers={"Idempotency-Key": "k"})
    service.worker.join()
    second = caller.post("/v1/workflows/run", json=body, headers={"Idempotency-Key": "k"})

    assert (second.status_code, second.json) == (202, first.json)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert runs(caller) == 1
