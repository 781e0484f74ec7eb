import io
from typing import Any

import pytest

from tests.unit.app.asking import FILE, FILES, PARAGRAPH, SELECT, Asking, form_of
from tests.unit.app.serving import Caller, Service, events, frames, served
from worker.config import Config
from worker.engine.human_form import HumanForm
from worker.store.end_users import find_end_user
from worker.store.errors import StorageUnavailable
from worker.store.models import FORMS

#: Up to the pause, and from there on.
BEFORE = ["workflow_started", "node_started", "node_finished", "human_input_required", "workflow_paused"]
AFTER = ["workflow_started", "human_input_form_filled", "workflow_finished"]


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory):
    with served(config=Config(database_url="sqlite://", data_dir=tmp_path_factory.mktemp("data"))) as made:
        yield made


@pytest.fixture
def asking(service: Service) -> Asking:
    service.worker.script = script = Asking(service.database)
    return script


def names(read: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in read]


def ask(caller: Caller, *forms: HumanForm, **options: Any) -> dict[str, Any]:
    """A run that waits for these forms: the answer of the blocking call."""
    if forms:
        options["forms"] = forms
    caller.service.worker.script = Asking(caller.service.database, **options)
    answer = caller.run()
    assert answer.status_code == 200
    return answer.json


def token_of(answer: dict[str, Any], number: int = 0) -> str:
    return answer["data"]["reasons"][number]["form_token"]


def show(caller: Caller, token: str):
    return caller.get(f"/v1/form/human_input/{token}")


def submit(caller: Caller, token: str, inputs: Any = None, action: Any = "approve", user: Any = "bob", **more: Any):
    body = {"inputs": {"reason": "Fine."} if inputs is None else inputs, "action": action, "user": user, **more}
    return caller.post(f"/v1/form/human_input/{token}", json=body)


def outputs(caller: Caller, answer: dict[str, Any]) -> dict[str, Any]:
    """What the run put out in the end."""
    caller.service.worker.join()
    detail = caller.get(f"/v1/workflows/run/{answer['workflow_run_id']}").json
    assert detail["status"] == "succeeded"
    return detail["outputs"]


# ---- what a paused run looks like


def test_a_blocking_call_answers_the_paused_shape(caller: Caller):
    answer = ask(caller, form_of(PARAGRAPH, content="Say {{#$output.reason#}}"))

    data = answer["data"]
    (reason,) = data.pop("reasons")
    assert data == {
        "id": answer["workflow_run_id"],
        "workflow_id": caller.get(f"/v1/workflows/run/{answer['workflow_run_id']}").json["workflow_id"],
        "status": "paused",
        "outputs": {},
        "error": None,
        "elapsed_time": 0.5,
        "total_tokens": 0,
        "total_steps": 2,
        "created_at": data["created_at"],
        "finished_at": None,
        "paused_nodes": ["ask0"],
    }
    assert reason == {
        "TYPE": "human_input_required",
        "form_id": reason["form_id"],
        "node_id": "ask0",
        "node_title": "ASK0",
        "form_content": "Say {{#$output.reason#}}",
        "inputs": [PARAGRAPH],
        "actions": [
            {"id": "approve", "title": "Approve", "button_style": "primary"},
            {"id": "reject", "title": "Reject", "button_style": "default"},
        ],
        "display_in_ui": True,
        "form_token": reason["form_token"],
        "approval_channels": [],
        "resolved_default_values": {},
        "expiration_time": reason["expiration_time"],
    }


def test_a_stream_ends_with_the_pause(caller: Caller, asking: Asking):
    read = events(caller.stream())

    assert names(read) == BEFORE
    assert read[-1]["data"]["reasons"] == [{"TYPE": "human_input_required", **read[-2]["data"]}]
    assert read[-1]["data"]["status"] == "paused"


def test_the_record_of_a_paused_run_has_no_end_yet(caller: Caller):
    run_id = ask(caller)["workflow_run_id"]

    detail = caller.get(f"/v1/workflows/run/{run_id}").json

    assert (detail["status"], detail["outputs"], detail["error"], detail["finished_at"]) == ("paused", {}, None, None)


def test_the_log_shows_a_paused_run(caller: Caller):
    ask(caller)

    (entry,) = caller.get("/v1/workflows/logs").json["data"]

    assert (entry["workflow_run"]["status"], entry["workflow_run"]["finished_at"]) == ("paused", None)


# ---- GET


def test_a_form_shows_what_to_fill_in(caller: Caller):
    answer = ask(caller, form_of(PARAGRAPH, SELECT, FILE, FILES, content="**Please**", reason="As before."))

    shown = show(caller, token_of(answer))

    assert (shown.status_code, shown.content_type) == (200, "application/json")
    assert shown.json == {
        "form_content": "**Please**",
        "inputs": [PARAGRAPH, SELECT, FILE, FILES],
        "resolved_default_values": {"reason": "As before."},
        "user_actions": [
            {"id": "approve", "title": "Approve", "button_style": "primary"},
            {"id": "reject", "title": "Reject", "button_style": "default"},
        ],
        "expiration_time": answer["data"]["reasons"][0]["expiration_time"],
    }


@pytest.mark.parametrize("token", ["nope", "x" * 500, "%00", "a%2Fb"])
def test_an_unknown_form_is_not_found(caller: Caller, token: str):
    for answer in (show(caller, token), submit(caller, token)):
        assert answer.status_code == 404
        assert answer.json["code"] == "not_found"


def test_a_form_of_another_app_is_not_found(service: Service, caller: Caller):
    token = token_of(ask(service.hello()))

    for answer in (show(caller, token), submit(caller, token)):
        assert answer.json == {"code": "not_found", "message": "Form not found", "status": 404}


def test_a_form_wants_a_key(caller: Caller):
    token = token_of(ask(caller))
    stranger = Caller(caller.service, caller.app_id, "app-wrong")

    assert (show(stranger, token).status_code, submit(stranger, token).status_code) == (401, 401)


# ---- POST


def test_an_answer_makes_the_run_go_on_under_its_task_id(service: Service, caller: Caller):
    answer = ask(caller)

    done = submit(caller, token_of(answer))

    assert (done.status_code, done.json) == (200, {})
    assert outputs(caller, answer) == {"ask0": {"action": "approve", "reason": "Fine."}}
    read = events(caller.get(f"/v1/workflow/{answer['workflow_run_id']}/events?user=alice&include_state_snapshot=true"))
    assert names(read) == BEFORE + AFTER
    assert {event["task_id"] for event in read} == {answer["task_id"]}
    assert [event["data"]["reason"] for event in read if event["event"] == "workflow_started"] == ["initial", "resumption"]


def test_who_answered_is_kept(service: Service, caller: Caller):
    submit(caller, token_of(ask(caller)), user="bob")

    with service.database.read() as session:
        bob = find_end_user(session, caller.app_id, "bob")
        assert session.query(FORMS.c.end_user_id).where(FORMS.c.app_id == caller.app_id).all() == [(bob,)]


def test_the_task_is_sent_after_the_answer_is_stored(service: Service, caller: Caller, monkeypatch: pytest.MonkeyPatch):
    """Whatever happens to the broker then: the sweeper finds a scheduled run."""
    answer = ask(caller)
    seen = []
    monkeypatch.setattr(
        service.worker, "send", lambda run_id, task_id: seen.append((run_id, task_id, show(caller, token_of(answer)).status_code))
    )

    submit(caller, token_of(answer))

    assert seen == [(answer["workflow_run_id"], answer["task_id"], 412)]


def test_a_second_answer_changes_nothing(caller: Caller):
    answer = ask(caller)
    submit(caller, token_of(answer))

    again = submit(caller, token_of(answer), {"reason": "No."}, "reject")

    assert again.json == {"code": "human_input_form_submitted", "message": "The form has been submitted.", "status": 412}
    assert show(caller, token_of(answer)).json == again.json
    assert outputs(caller, answer) == {"ask0": {"action": "approve", "reason": "Fine."}}


def test_an_answer_that_comes_together_with_another_is_refused(service: Service, caller: Caller, monkeypatch: pytest.MonkeyPatch):
    """Both requests found the form open; the one that stores first wins."""
    from app.views import human_input

    token = token_of(ask(caller))
    found = human_input.open_form

    def find(*arguments: Any) -> Any:
        form = found(*arguments)
        monkeypatch.setattr(human_input, "open_form", found)
        assert submit(caller, token).status_code == 200
        return form

    monkeypatch.setattr(human_input, "open_form", find)

    late = submit(caller, token, action="reject")

    assert (late.status_code, late.json["code"]) == (412, "human_input_form_submitted")


def test_an_expired_form_takes_no_answer(caller: Caller):
    answer = ask(caller, timeout_s=-1.0)

    for late in (show(caller, token_of(answer)), submit(caller, token_of(answer))):
        assert late.json == {"code": "human_input_form_expired", "message": "The form has expired.", "status": 412}


@pytest.mark.parametrize(
    ("inputs", "action", "message"),
    [
        ({"reason": "x", "urgency": "low"}, "nope", "Invalid action: nope"),
        ({"reason": "x", "urgency": "low"}, "", "Invalid action: "),
        ({}, "approve", "Missing required inputs: reason, urgency"),
        ({"reason": None, "urgency": "low"}, "approve", "Missing required inputs: reason"),
        ({"reason": "x", "urgency": "medium"}, "approve", "urgency in input form must be one of the following: ['low', 'high']"),
        ({"reason": ["x"], "urgency": "low"}, "approve", "(type 'paragraph') reason in input form must be a string"),
    ],
)
def test_an_answer_that_does_not_fit_changes_nothing(caller: Caller, inputs: dict[str, Any], action: str, message: str):
    token = token_of(ask(caller, form_of(PARAGRAPH, SELECT)))

    assert submit(caller, token, inputs, action).json == {"code": "invalid_form_data", "message": message, "status": 400}
    assert show(caller, token).status_code == 200
    assert submit(caller, token, {"reason": "x", "urgency": "low"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "user"),
        ({"inputs": {}, "action": "approve", "user": ""}, "user"),
        ({"action": "approve", "user": "bob"}, "inputs"),
        ({"inputs": [], "action": "approve", "user": "bob"}, "inputs"),
        ({"inputs": {}, "user": "bob"}, "action"),
        ({"inputs": {}, "action": 5, "user": "bob"}, "action"),
    ],
)
def test_a_body_of_another_shape_names_the_field(caller: Caller, body: dict[str, Any], field: str):
    answer = caller.post("/v1/form/human_input/nope", json=body)

    assert (answer.status_code, answer.json["code"], answer.json["params"]) == (400, "invalid_param", field)


def test_a_body_that_is_no_json_is_a_bad_request(caller: Caller):
    answer = caller.post("/v1/form/human_input/nope", data="{", content_type="application/json")

    assert (answer.status_code, answer.json["code"]) == (400, "bad_request")


def test_inputs_that_the_form_does_not_have_are_dropped(caller: Caller):
    answer = ask(caller)

    submit(caller, token_of(answer), {"reason": "Fine.", "more": 1}, more=2)

    assert outputs(caller, answer) == {"ask0": {"action": "approve", "reason": "Fine."}}


def test_nothing_is_stored_while_storage_is_away(service: Service, caller: Caller, monkeypatch: pytest.MonkeyPatch):
    answer = ask(caller)

    with monkeypatch.context() as patch:

        def fail(work: Any) -> None:
            raise StorageUnavailable("gone")

        patch.setattr(service.database, "transact", fail)
        refused = submit(caller, token_of(answer), user="alice")

    assert (refused.status_code, refused.json["code"]) == (503, "service_unavailable")
    assert submit(caller, token_of(answer)).status_code == 200


# ---- files


def uploaded(caller: Caller, user: str, name: str = "note.txt") -> dict[str, Any]:
    data = {"file": (io.BytesIO(b"text"), name, "text/plain"), "user": user}
    file_id = caller.post("/v1/files/upload", data=data).json["id"]
    return {"type": "document", "transfer_method": "local_file", "upload_file_id": file_id}


def test_files_are_found_as_those_of_a_run(caller: Caller):
    answer = ask(caller, form_of(FILE, FILES))
    files = {"contract": uploaded(caller, "bob"), "annexes": [uploaded(caller, "bob", "a.md"), uploaded(caller, "bob", "b.md")]}

    assert submit(caller, token_of(answer), files).status_code == 200

    told = outputs(caller, answer)["ask0"]
    assert (told["contract"]["filename"], [file["filename"] for file in told["annexes"]]) == ("note.txt", ["a.md", "b.md"])
    assert told["contract"]["url"].startswith("http")


def test_a_file_that_does_not_fit_is_refused(caller: Caller):
    token = token_of(ask(caller, form_of(FILE)))

    foreign = submit(caller, token, {"contract": uploaded(caller, "alice")})
    image = {"type": "image", "transfer_method": "remote_url", "url": "http://127.0.0.1:9/x.png"}

    assert foreign.json == {"code": "invalid_form_data", "message": "Invalid upload file", "status": 400}
    assert submit(caller, token, {"contract": image}).json["code"] == "invalid_form_data"
    assert submit(caller, token, {"contract": "note.txt"}).json["message"] == "contract in input form must be a file"
    assert show(caller, token).status_code == 200


def test_more_files_than_the_form_takes_are_refused(caller: Caller):
    token = token_of(ask(caller, form_of(FILES)))

    refused = submit(caller, token, {"annexes": [uploaded(caller, "bob")] * 3})

    assert refused.json["message"] == "annexes in input form must be less than 2 files"


# ---- several forms


def test_a_run_that_waits_for_two_forms_pauses_again_for_the_other(caller: Caller):
    answer = ask(caller, form_of(PARAGRAPH), form_of(PARAGRAPH))
    run_id = answer["workflow_run_id"]
    assert answer["data"]["paused_nodes"] == ["ask0", "ask1"]

    submit(caller, token_of(answer, 1), {"reason": "second"})
    caller.service.worker.join()
    between = events(caller.get(f"/v1/workflow/{run_id}/events?user=alice&include_state_snapshot=true"))
    submit(caller, token_of(answer, 0), {"reason": "first"}, "reject")

    again = ["workflow_started", "human_input_form_filled", "human_input_required", "workflow_paused"]
    assert names(between) == [*BEFORE[:3], *["human_input_required"] * 2, "workflow_paused", *again]
    assert between[-1]["data"]["paused_nodes"] == ["ask0"]
    assert between[-2]["data"]["form_token"] == token_of(answer, 0)
    assert outputs(caller, answer) == {"ask0": {"action": "reject", "reason": "first"}, "ask1": {"action": "approve", "reason": "second"}}


# ---- following a run over its pause


def follow(caller: Caller, run_id: str, query: str = "", **options: Any):
    return caller.get(f"/v1/workflow/{run_id}/events?user=alice&{query}", **options)


@pytest.mark.parametrize("is_lost", [False, True], ids=["log", "sql"])
def test_a_snapshot_of_a_paused_run_ends_with_the_pause(service: Service, caller: Caller, is_lost: bool):
    run_id = ask(caller)["workflow_run_id"]
    if is_lost:
        service.log.lose()

    assert names(events(follow(caller, run_id, "include_state_snapshot=true"))) == BEFORE


@pytest.mark.parametrize("is_lost", [False, True], ids=["log", "sql"])
@pytest.mark.parametrize("after", range(9))
def test_a_stream_goes_on_anywhere_before_and_behind_a_pause_that_is_over(service: Service, caller: Caller, after: int, is_lost: bool):
    answer = ask(caller)
    submit(caller, token_of(answer))
    service.worker.join()
    if is_lost:
        service.log.lose()

    read = frames(follow(caller, answer["workflow_run_id"], headers={"Last-Event-ID": str(after)}))

    assert [frame.split(b"\n")[1] for frame in read] == [b"id: %d" % number for number in range(after + 1, 9)]


@pytest.mark.parametrize("options", [{"query": ""}, {"headers": {"Last-Event-ID": "5"}}], ids=["now", "after"])
def test_who_joins_a_paused_run_behind_its_pause_hears_how_it_goes_on(service: Service, caller: Caller, options: dict[str, Any]):
    answer = ask(caller)
    stream = follow(caller, answer["workflow_run_id"], **options)

    submit(caller, token_of(answer))

    assert names(events(stream)) == AFTER


def test_a_stream_that_continues_on_pause_follows_the_run_to_its_end(service: Service, caller: Caller):
    answer = ask(caller)
    stream = follow(caller, answer["workflow_run_id"], "include_state_snapshot=true&continue_on_pause=true")

    submit(caller, token_of(answer))

    assert names(events(stream)) == BEFORE + AFTER


def test_a_snapshot_taken_after_the_answer_does_not_end_at_the_old_pause(service: Service, caller: Caller):
    """The answer is stored, but no worker has taken the run yet: the pause is the last event still."""
    answer = ask(caller)
    script = service.worker.script
    assert isinstance(script, Asking)
    script.may_go_on.clear()
    submit(caller, token_of(answer))

    stream = follow(caller, answer["workflow_run_id"], "include_state_snapshot=true")
    read = stream.iter_encoded()
    first = b"".join(next(read) for _ in range(len(BEFORE) + 1))
    script.may_go_on.set()
    rest = b"".join(read)
    stream.close()

    assert first.count(b"data: ") == len(BEFORE)
    assert rest.count(b"data: ") == len(AFTER)


# ---- stop


def test_a_paused_run_can_be_stopped_and_its_form_takes_no_answer_then(service: Service, caller: Caller):
    answer = ask(caller)
    stream = follow(caller, answer["workflow_run_id"], "include_state_snapshot=true&continue_on_pause=true")

    stopped = caller.post(f"/v1/workflows/tasks/{answer['task_id']}/stop", json={"user": "alice"})

    assert stopped.json == {"result": "success"}
    read = events(stream)
    assert names(read)[-1] == "workflow_finished"
    assert (read[-1]["data"]["status"], read[-1]["data"]["error"]) == ("stopped", "Stopped by user.")
    assert caller.get(f"/v1/workflows/run/{answer['workflow_run_id']}").json["status"] == "stopped"
    assert submit(caller, token_of(answer)).json["code"] == "human_input_form_expired"
    assert names(events(follow(caller, answer["workflow_run_id"]))) == ["workflow_finished"]


# ---- idempotency


def test_a_request_sent_again_finds_its_run_paused_or_over(caller: Caller):
    caller.service.worker.script = Asking(caller.service.database)
    headers = {"Idempotency-Key": "once"}

    def send():
        return caller.post("/v1/workflows/run", json={"inputs": {"q": "x"}, "user": "alice"}, headers=headers).json

    first, again = send(), send()
    submit(caller, token_of(first))
    caller.service.worker.join()

    assert again == first
    assert send()["data"]["status"] == "succeeded"
