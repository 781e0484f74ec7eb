import pytest

from tests.unit.app.serving import Caller, Service, Waiting, events, frames, served

EVENTS = ["workflow_started", "node_started", "node_finished", "workflow_finished"]


def names(read: list[dict]) -> list[str]:
    return [event["event"] for event in read]


def follow(caller: Caller, run_id: str, query: str = "", **options):
    return caller.get(f"/v1/workflow/{run_id}/events?user=alice&{query}", **options)


def test_a_finished_run_is_one_event_whose_task_is_the_run(caller: Caller):
    run_id = caller.run().json["workflow_run_id"]

    answer = follow(caller, run_id)

    (event,) = events(answer)
    assert answer.content_type == "text/event-stream; charset=utf-8"
    assert answer.headers["X-Workflow-Run-ID"] == run_id
    assert (event["event"], event["task_id"], event["workflow_run_id"]) == ("workflow_finished", run_id, run_id)


def test_a_snapshot_is_the_whole_history(caller: Caller):
    done = caller.run().json

    read = events(follow(caller, done["workflow_run_id"], "include_state_snapshot=true"))

    assert names(read) == EVENTS
    assert {event["task_id"] for event in read} == {done["task_id"]}


@pytest.mark.parametrize("value", ["false", "True", "1", ""])
def test_only_the_literal_true_asks_for_a_snapshot(caller: Caller, value: str):
    run_id = caller.run().json["workflow_run_id"]

    assert names(events(follow(caller, run_id, f"include_state_snapshot={value}"))) == EVENTS[-1:]


def test_a_run_is_found_by_its_task_id_too(caller: Caller):
    task_id = caller.run().json["task_id"]

    assert names(events(follow(caller, task_id.upper(), "include_state_snapshot=true"))) == EVENTS


@pytest.mark.parametrize("after", range(6))
def test_a_stream_goes_on_after_the_last_event_id(caller: Caller, after: int):
    run_id = caller.run().json["workflow_run_id"]

    read = frames(follow(caller, run_id, headers={"Last-Event-ID": str(after)}))

    assert [frame.split(b"\n")[1] for frame in read] == [b"id: %d" % number for number in range(after + 1, 5)]


def test_event_ids_without_a_last_one_replay_the_run(caller: Caller):
    run_id = caller.run().json["workflow_run_id"]

    assert [frame.split(b"\n")[1] for frame in frames(follow(caller, run_id, "event_ids=true"))] == [b"id: 1", b"id: 2", b"id: 3", b"id: 4"]


def test_a_run_is_replayed_from_sql_when_the_log_is_gone(service: Service, caller: Caller):
    run_id = caller.run().json["workflow_run_id"]
    service.log.lose()

    assert names(events(follow(caller, run_id, "include_state_snapshot=true"))) == EVENTS


def test_who_joins_a_run_without_a_snapshot_hears_what_happens_from_now_on(service: Service, caller: Caller):
    waiting = service.worker.script = Waiting()
    first = caller.stream()
    waiting.has_begun.wait(5)

    second = follow(caller, first.headers["X-Workflow-Run-ID"])
    waiting.may_end.set()

    assert names(events(second)) == EVENTS[-1:]
    assert names(events(first)) == EVENTS


def test_who_joins_a_run_with_a_snapshot_misses_and_repeats_nothing(service: Service, caller: Caller):
    waiting = service.worker.script = Waiting()
    first = caller.stream()
    waiting.has_begun.wait(5)

    second = follow(caller, first.headers["X-Workflow-Run-ID"], "include_state_snapshot=true")
    waiting.may_end.set()

    assert names(events(second)) == EVENTS
    first.close()


def test_a_run_that_ends_while_somebody_joins_still_tells_its_end(service: Service, caller: Caller):
    """The end is in the log already, but the reader still saw the run running in SQL."""
    from app.stream.relay import position_now

    caller.run()
    log = service.log
    (run_id,) = log._logs.keys() - set(list(log._logs)[:-1])

    assert position_now(log, run_id, 1) == 3


@pytest.mark.parametrize("user", ["", "user=", "user=mallory"])
def test_only_the_starter_may_follow(caller: Caller, user: str):
    run_id = caller.run().json["workflow_run_id"]

    answer = caller.get(f"/v1/workflow/{run_id}/events?{user}")

    wanted = {"code": "not_found", "message": "Workflow run not found", "status": 404}
    missing = {"code": "invalid_param", "message": "Arg user must be provided.", "status": 400, "params": "user"}
    assert answer.json == (wanted if user.endswith("mallory") else missing)


@pytest.mark.parametrize("run_id", ["xyz", "2f4b9a10-7c55-4a0e-9f5a-0d1c2b3a4e5f"])
def test_an_unknown_run_is_not_found(caller: Caller, run_id: str):
    assert follow(caller, run_id).json["code"] == "not_found"


def test_a_run_of_another_app_is_not_found(service: Service, caller: Caller):
    foreign = service.hello().run().json["workflow_run_id"]

    assert follow(caller, foreign, headers={"Last-Event-ID": "1"}).json["code"] == "not_found"


def test_a_key_of_another_mode_follows_nothing(service: Service):
    assert follow(service.hello(mode="chat"), "xyz").json["code"] == "not_workflow_app"


@pytest.mark.parametrize("number", ["x", "-1", "1.5", "9" * 30])
def test_a_last_event_id_that_is_no_number_is_refused(caller: Caller, number: str):
    run_id = caller.run().json["workflow_run_id"]

    assert follow(caller, run_id, headers={"Last-Event-ID": number}).json["code"] == "invalid_param"


def test_head_answers_the_headers_alone(service: Service, caller: Caller):
    service.worker.script = None
    stream = caller.stream()
    run_id = stream.headers["X-Workflow-Run-ID"]

    answer = caller.open("HEAD", f"/v1/workflow/{run_id}/events?user=alice")

    assert (answer.status_code, answer.content_type) == (200, "text/event-stream; charset=utf-8")
    assert answer.data == b""
    stream.close()


def test_draining_ends_streams_behind_a_whole_event_and_says_when_to_come_back():
    with served() as service:
        waiting = service.worker.script = Waiting()
        caller = service.hello()
        plain = caller.stream()
        resumable = caller.post(
            "/v1/workflows/run?event_ids=true", json={"inputs": {"q": "x"}, "user": "alice", "response_mode": "streaming"}
        )
        waiting.has_begun.wait(5)

        service.parts.streams.drain(0)
        refused = caller.run()
        before, read = frames(plain), frames(resumable)
        waiting.may_end.set()
        service.worker.join()

        assert all(frame.startswith(b"data: ") for frame in before)
        assert read[-1] == b"retry: 1000"
        assert caller.get("/healthz/ready").status_code == 503
        assert (refused.status_code, refused.json["code"]) == (503, "service_unavailable")


def test_a_call_that_waits_while_the_process_drains_is_told_where_the_run_is():
    import threading

    with served() as service:
        waiting = service.worker.script = Waiting()
        drain = threading.Thread(target=lambda: waiting.has_begun.wait(5) and service.parts.streams.drain(0.01))
        drain.start()
        answer = service.hello().run()
        waiting.may_end.set()
        drain.join()

    assert (answer.status_code, answer.json["code"]) == (503, "service_unavailable")
    assert "GET /v1/workflows/run/" in answer.json["message"]


def test_a_failure_in_the_middle_of_a_stream_is_a_complete_error_event(service: Service, caller: Caller):
    from sqlalchemy import delete

    from worker.store.models import Run

    run_id = caller.run().json["workflow_run_id"]
    service.log.lose()
    answer = follow(caller, run_id, "include_state_snapshot=true")
    with service.database.begin() as session:
        session.execute(delete(Run).where(Run.id == run_id))

    (event,) = events(answer)

    assert (event["event"], event["code"], event["status"]) == ("error", "not_found", 404)
    assert event["workflow_run_id"] == run_id
