import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import update
from werkzeug.test import TestResponse

from app.idempotency import fingerprint_of
from tests.services import documents
from tests.unit.app.serving import Caller, Service, Waiting, echo, events, fail, form, served
from tests.unit.app.test_runs import runs
from worker.config import Config
from worker.store import apps as store_apps
from worker.store.errors import KeyInProgress
from worker.store.idempotency import KEPT_S
from worker.store.models import IDEMPOTENCY_KEYS

BODY = {"inputs": {"q": "hello"}, "user": "alice"}


def submit(caller: Caller, key: str = "k", *, path: str = "/v1/workflows/run", **changes: Any) -> TestResponse:
    return caller.post(path, json={**BODY, **changes}, headers={"Idempotency-Key": key})


def run_id(answer: TestResponse) -> str:
    assert answer.status_code == 200, answer.json
    return answer.json["workflow_run_id"]


def test_the_same_request_again_is_answered_with_the_same_run(caller: Caller):
    first, second = submit(caller), submit(caller)

    assert second.json == first.json
    assert (first.headers.get("Idempotent-Replayed"), second.headers["Idempotent-Replayed"]) == (None, "true")
    assert runs(caller) == 1


def test_a_request_that_comes_while_the_run_goes_on_waits_for_the_same_result(service: Service, caller: Caller):
    waiting = service.worker.script = Waiting()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(submit, caller)
        assert waiting.has_begun.wait(10)
        second = pool.submit(submit, caller)
        waiting.may_end.set()

    assert second.result().json == first.result().json
    assert first.result().json["data"]["outputs"] == {"answer": 1}
    assert runs(caller) == 1


def test_a_stream_again_is_the_whole_stream_from_its_start(caller: Caller):
    first, second = (events(submit(caller, response_mode="streaming")) for _ in range(2))

    assert [event["event"] for event in first] == ["workflow_started", "node_started", "node_finished", "workflow_finished"]
    assert second == first
    assert runs(caller) == 1


def test_a_stream_can_be_joined_while_it_goes_on(service: Service, caller: Caller):
    waiting = service.worker.script = Waiting()
    first = submit(caller, response_mode="streaming")
    assert waiting.has_begun.wait(10)
    second = submit(caller, response_mode="streaming")
    waiting.may_end.set()

    assert events(second) == events(first)
    assert second.headers["X-Workflow-Run-ID"] == first.headers["X-Workflow-Run-ID"]


def test_another_body_is_refused(caller: Caller):
    submit(caller)

    for changes in ({"inputs": {"q": "bye"}}, {"user": "bob"}, {"response_mode": "streaming"}, {"more": 1}):
        answer = submit(caller, **changes)
        assert (answer.status_code, answer.json["code"], answer.json["status"]) == (422, "idempotency_key_reused", 422)
    assert runs(caller) == 1


def test_the_order_of_keys_and_the_spelling_of_json_do_not_count(caller: Caller):
    texts = [json.dumps(BODY), json.dumps(dict(reversed(BODY.items())), indent=2).replace("alice", "\\u0061lice")]

    answers = [
        caller.post("/v1/workflows/run", data=text, content_type="application/json", headers={"Idempotency-Key": "k"}) for text in texts
    ]

    assert run_id(answers[0]) == run_id(answers[1])


def test_fingerprints_tell_bodies_apart():
    bodies = [{}, {"a": 1}, {"a": "1"}, {"a": [1]}, {"a": None}, {"a": {"b": 1}}, {"a": {"c": 1}}, {"b": 1}]

    assert len({fingerprint_of(body) for body in bodies}) == len(bodies)
    assert fingerprint_of({"a": 1, "b": {"c": 1, "d": 2}}) == fingerprint_of({"b": {"d": 2, "c": 1}, "a": 1})


def test_keys_belong_to_an_app_and_to_an_endpoint(service: Service, caller: Caller):
    workflow_id = submit(caller).json["data"]["workflow_id"]
    by_version = [submit(caller, path=f"/v1/workflows/{text}/run") for text in (workflow_id, workflow_id.upper())]

    assert run_id(by_version[0]) == run_id(by_version[1])
    assert runs(caller) == 2
    assert run_id(submit(service.hello())) not in {run_id(submit(caller)), run_id(by_version[0])}


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_that_is_no_key_is_refused_by_the_name_of_the_header(caller: Caller, key: str):
    answer = submit(caller, key)

    assert (answer.status_code, answer.json["code"], answer.json["params"]) == (400, "invalid_param", "Idempotency-Key")
    assert "Idempotency-Key" in answer.json["message"]
    assert runs(caller) == 0


def test_a_key_of_255_characters_is_fine(caller: Caller):
    assert run_id(submit(caller, "é" * 255)) == run_id(submit(caller, "é" * 255))


def test_a_refused_request_may_be_mended_under_its_key(caller: Caller):
    assert submit(caller, inputs={}).status_code == 400
    assert submit(caller, inputs=None).status_code == 400

    assert run_id(submit(caller)) == run_id(submit(caller))


def test_the_run_is_found_although_its_request_would_be_refused_now(service: Service, caller: Caller):
    """Another version was published since, with another form."""
    first = submit(caller)
    with service.database.begin() as session:
        store_apps.publish(session, caller.app_id, form(documents.variable("other", required=True)), uuid.uuid4().hex)

    assert run_id(submit(caller)) == run_id(first)
    assert submit(caller, "new").status_code == 400


def test_after_a_day_the_key_makes_a_new_run(service: Service, caller: Caller):
    first = submit(caller)
    with service.database.begin() as session:
        session.execute(update(IDEMPOTENCY_KEYS).values(created_at=IDEMPOTENCY_KEYS.c.created_at - KEPT_S - 1))

    again = submit(caller, inputs={"q": "other"})

    assert run_id(again) != run_id(first)
    assert "Idempotent-Replayed" not in again.headers


def test_a_failed_run_is_a_result_too(service: Service, caller: Caller):
    service.worker.script = fail
    first = submit(caller)
    service.worker.script = echo

    assert submit(caller).json == first.json
    assert first.json["data"]["status"] == "failed"


def test_requests_that_came_together_and_saw_no_run_yet_get_the_same_one(service: Service, caller: Caller, monkeypatch: pytest.MonkeyPatch):
    """Both looked before either had stored anything."""
    monkeypatch.setattr("app.views.runs.earlier_run", lambda parts, submission: None)

    first, second = submit(caller), submit(caller)

    assert run_id(second) == run_id(first)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert submit(caller, user="bob").json["code"] == "idempotency_key_reused"
    assert len(service.worker.threads) == 1


def test_a_request_that_is_still_being_stored_is_a_conflict():
    with served() as service:
        service.parts.intake._database = Busy()
        answer = submit(service.hello())

    assert (answer.status_code, answer.json["code"]) == (409, "idempotency_in_progress")


class Busy:
    def transact(self, work: object) -> None:
        raise KeyInProgress("busy")


def test_requests_without_a_key_are_runs_of_their_own(caller: Caller):
    assert run_id(caller.run()) != run_id(caller.run())


def test_joining_a_run_is_no_new_one_and_never_refused():
    with served(config=Config(app_max_concurrency=1, app_max_rate=1)) as service:
        waiting = service.worker.script = Waiting()
        caller = service.hello()
        first = submit(caller, response_mode="streaming")
        joining = submit(caller, response_mode="streaming")
        new = caller.run()
        waiting.may_end.set()
        whole, joined = events(first), events(joining)

    assert new.status_code == 429
    assert joined == whole
