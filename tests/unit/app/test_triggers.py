from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from app.triggers import ShownTrigger, list_webhook_triggers, rotate_webhook_trigger
from tests.services import documents
from tests.unit.app.serving import Service, served
from worker.config import Config
from worker.operating.errors import Unusable
from worker.store.apps import publish
from worker.store.errors import SealError
from worker.store.limit_settings import change_limits
from worker.store.models import APPS, PAYLOADS, RUNS, StoredFile
from worker.store.schedule_models import WEBHOOK_TRIGGERS

CONFIG = Config(database_url="sqlite://", secret_key="a secret", files_url="https://penstock.example")


@pytest.fixture(scope="module")
def shared_service() -> Iterator[Service]:
    with served(config=CONFIG) as made:
        yield made


class Hook:
    """An app with one webhook trigger, and its caller."""

    def __init__(self, service: Service, **data: Any) -> None:
        self.service = service
        settings = {"method": "post", "content_type": "application/json", "status_code": 200, "response_body": "", **data}
        self.caller = service.publish(hooked(settings))
        (self.trigger,) = self.shown()

    @property
    def app_id(self) -> str:
        return self.caller.app_id

    def shown(self) -> list[ShownTrigger]:
        return list_webhook_triggers(CONFIG, self.service.database, self.app_id)

    def call(self, method: str = "POST", url: str | None = None, **options: Any) -> TestResponse:
        path = (url or self.trigger.url).removeprefix(CONFIG.files_url)
        return self.caller.client.open(path, method=method, **options)

    def runs(self) -> list[Any]:
        columns = (RUNS.c.id, RUNS.c.triggered_from, RUNS.c.trigger_id, RUNS.c.key_id, PAYLOADS.c.inputs)
        mine = select(*columns).join(PAYLOADS, PAYLOADS.c.run_id == RUNS.c.id).where(RUNS.c.app_id == self.app_id)
        with self.service.database.read() as session:
            return list(session.execute(mine.order_by(RUNS.c.sequence_number)))

    def data(self) -> dict[str, Any]:
        """What the only run was given of the request."""
        (run,) = self.runs()
        found: dict[str, Any] = json.loads(run.inputs)["webhook_data"]
        return found

    def files(self) -> list[StoredFile]:
        with self.service.database.read() as session:
            return list(session.scalars(select(StoredFile).where(StoredFile.app_id == self.app_id)))


def hooked(settings: dict[str, Any]) -> documents.Document:
    return documents.chain("hooked", [documents.node("hook", "trigger-webhook", **settings), documents.end()])


def refusal(answer: TestResponse) -> tuple[int, str]:
    assert answer.json is not None
    assert answer.json["status"] == answer.status_code
    return answer.status_code, answer.json["message"]


def test_a_request_begins_a_run_at_the_trigger(service: Service) -> None:
    hook = Hook(service, params=[{"name": "page", "type": "number"}])

    answer = hook.call(query_string={"page": "2", "more": "x"}, json={"amount": 3, "note": None}, headers={"X-Tenant": "a"})

    assert (answer.status_code, answer.json) == (200, {"status": "success", "message": "The request was accepted."})
    (run,) = hook.runs()
    inputs = json.loads(run.inputs)
    assert (run.triggered_from, run.trigger_id, run.key_id) == ("webhook", "hook", None)
    assert (inputs["sys.user_id"], inputs["sys.files"]) == ("webhook", [])
    data = inputs["webhook_data"]
    assert (data["method"], data["query_params"], data["files"]) == ("POST", {"page": 2, "more": "x"}, {})
    assert (data["body"], data["headers"]["X-Tenant"]) == ({"amount": 3, "note": None}, "a")


@pytest.mark.parametrize(
    ("data", "status", "body"),
    [
        ({"status_code": 202, "response_body": '{"ok": true}'}, 202, {"ok": True}),
        ({"response_body": "[1, 2]"}, 200, [1, 2]),
        ({"response_body": "thank you"}, 200, {"message": "thank you"}),
        ({"response_body": "42"}, 200, {"message": "42"}),
        ({"status_code": 400, "response_body": '{"no": 1}'}, 400, {"no": 1}),
        ({"status_code": 99}, 200, {"status": "success", "message": "The request was accepted."}),
    ],
)
def test_the_answer_is_what_the_node_says(service: Service, data: dict[str, Any], status: int, body: Any) -> None:
    answer = Hook(service, **data).call(json={})

    assert (answer.status_code, answer.mimetype, answer.json) == (status, "application/json", body)


def test_an_answer_without_a_body_has_none(service: Service) -> None:
    answer = Hook(service, status_code=204, response_body="ignored").call(json={})

    assert (answer.status_code, answer.data) == (204, b"")


def test_a_get_request_has_parameters_alone(service: Service) -> None:
    hook = Hook(service, method="get", params=[{"name": "q", "required": True}])

    assert hook.call("GET", query_string={"q": "x"}).status_code == 200
    assert hook.data()["body"] == {}
    assert refusal(hook.call("GET")) == (400, "The parameter q is required.")


def test_forms_and_uploads_are_taken(service: Service) -> None:
    fields = [{"name": "title", "type": "string"}, {"name": "count", "type": "number"}, {"name": "doc", "type": "file", "required": True}]
    hook = Hook(service, content_type="multipart/form-data", body=fields)
    upload = (io.BytesIO(b"hello"), "note.txt", "text/plain")

    answer = hook.call(data={"title": "A", "count": "3", "doc": upload, "other": (io.BytesIO(b"x"), "x.txt")})

    assert answer.status_code == 200, answer.json
    (file,) = hook.files()
    found = hook.data()
    assert (found["body"], list(found["files"])) == ({"title": "A", "count": 3}, ["doc"])
    assert (found["files"]["doc"]["related_id"], found["files"]["doc"]["filename"]) == (file.id, "note.txt")


def test_a_request_that_is_refused_leaves_no_file(service: Service) -> None:
    fields = [{"name": "doc", "type": "file"}, {"name": "title", "required": True}]
    hook = Hook(service, content_type="multipart/form-data", body=fields)

    answer = hook.call(data={"doc": (io.BytesIO(b"hello"), "note.txt")})

    assert refusal(answer) == (400, "The field title is required.")
    assert (hook.files(), hook.runs()) == ([], [])


def test_a_form_is_a_form(service: Service) -> None:
    hook = Hook(service, content_type="application/x-www-form-urlencoded", body=[{"name": "ok", "type": "boolean"}])

    assert hook.call(data={"ok": "true", "x": "1"}).status_code == 200
    assert hook.data()["body"] == {"ok": True, "x": "1"}


def test_text_and_bytes_are_one_value(service: Service) -> None:
    text, binary = Hook(service, content_type="text/plain"), Hook(service, content_type="application/octet-stream")

    assert text.call(data="all of it ✓".encode(), content_type="text/plain; charset=utf-8").status_code == 200
    assert binary.call(data=b"\x00\xff", content_type="application/octet-stream").status_code == 200

    assert text.data()["body"] == {"raw": "all of it ✓"}
    (file,) = binary.files()
    assert (binary.data()["body"]["raw"]["related_id"], file.size) == (file.id, 2)


@pytest.mark.parametrize(
    ("data", "request_", "status", "words"),
    [
        ({}, {"method": "PUT", "json": {}}, 405, "takes POST requests, not PUT"),
        ({}, {"method": "GET"}, 405, "takes POST requests, not GET"),
        ({}, {"data": "x", "content_type": "text/plain"}, 415, "takes the content type application/json, not text/plain"),
        ({}, {"data": b"{"}, 415, "not none"),
        ({}, {"data": "{", "content_type": "application/json"}, 400, "no JSON"),
        ({}, {"data": "[" * 200 + "]" * 200, "content_type": "application/json"}, 400, "nested deeper"),
        ({}, {"json": {}, "headers": {"Content-Encoding": "gzip"}}, 415, "Compressed"),
        ({"headers": [{"name": "X-Sign", "required": True}]}, {"json": {}}, 400, "The header X-Sign is required"),
        ({"params": [{"name": "n", "type": "number"}]}, {"json": {}, "query_string": {"n": "x"}}, 400, "The parameter n must be a number"),
        ({"body": [{"name": "n", "type": "number"}]}, {"json": {"n": "1"}}, 400, "The field n must be of type number"),
    ],
)
def test_what_the_trigger_does_not_take_begins_no_run(
    service: Service, data: dict[str, Any], request_: dict[str, Any], status: int, words: str
) -> None:
    hook = Hook(service, **data)

    answer = hook.call(**request_)

    found, message = refusal(answer)
    assert (found, words in message) == (status, True), message
    assert hook.runs() == []
    if status == 405:
        assert answer.headers["Allow"] == "POST"


def test_an_address_leads_to_its_own_app_alone(service: Service) -> None:
    hook, other = Hook(service), Hook(service)

    assert hook.trigger.url != other.trigger.url
    hook.call(json={})
    assert (len(hook.runs()), len(other.runs())) == (1, 0)
    assert refusal(hook.call(url="/triggers/webhook/guess", json={})) == (404, "There is no webhook at this address.")


def test_a_rotated_address_is_the_only_one(service: Service) -> None:
    hook = Hook(service)
    old = hook.trigger.url

    assert hook.shown()[0].url == old
    new = rotate_webhook_trigger(CONFIG, service.database, hook.app_id, "HOOK").url

    assert hook.call(url=old, json={}).status_code == 404
    assert hook.call(url=new, json={}).status_code == 200
    assert new.startswith("https://penstock.example/triggers/webhook/")
    with pytest.raises(Unusable, match="no webhook trigger 'other'"):
        rotate_webhook_trigger(CONFIG, service.database, hook.app_id, "other")


def test_the_database_does_not_know_the_address(service: Service) -> None:
    hook = Hook(service)
    token = hook.trigger.url.rpartition("/")[2]

    with service.database.read() as session:
        rows = session.execute(select(WEBHOOK_TRIGGERS).where(WEBHOOK_TRIGGERS.c.app_id == hook.app_id)).all()
    assert len(rows) == 1
    assert token not in str(rows)
    assert token.encode() not in rows[0].token


def test_there_is_no_address_without_a_key_to_keep_it(service: Service) -> None:
    caller = service.publish(hooked({"method": "post"}))

    with pytest.raises(SealError, match="PENSTOCK_SECRET_KEY"):
        list_webhook_triggers(Config(database_url="sqlite://"), service.database, caller.app_id)


def test_an_address_stays_the_same_while_versions_come_and_go(service: Service) -> None:
    hook = Hook(service)

    with service.database.begin() as session:
        publish(session, hook.app_id, documents.chain("plain", [documents.start(), documents.end()]), "plain")
    assert (hook.shown(), hook.call(json={}).status_code) == ([], 404)
    with service.database.begin() as session:
        publish(session, hook.app_id, hooked({"method": "put"}), "again")

    assert [one.url for one in hook.shown()] == [hook.trigger.url]
    assert hook.call("PUT", json={}).status_code == 200


def test_an_app_that_is_disabled_begins_no_runs(service: Service) -> None:
    hook = Hook(service)
    with service.database.begin() as session:
        session.execute(update(APPS).where(APPS.c.id == hook.app_id).values(api_enabled=False))

    assert hook.call(json={}).status_code == 403
    assert hook.runs() == []


def test_the_limits_of_the_app_hold(service: Service) -> None:
    hook = Hook(service)
    service.worker.script = None
    with service.database.begin() as session:
        change_limits(session, hook.app_id, max_concurrency=1)

    first, second = hook.call(json={}), hook.call(json={})

    assert (first.status_code, second.status_code) == (200, 429)
    assert int(second.headers["Retry-After"]) > 0
    assert len(hook.runs()) == 1


def test_the_last_use_is_known(service: Service) -> None:
    hook = Hook(service)
    assert hook.trigger.last_used_at is None

    hook.call(json={})

    assert hook.shown()[0].last_used_at is not None
