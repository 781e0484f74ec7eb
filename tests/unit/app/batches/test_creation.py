"""Batches over the API, into a real SQLite."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import pytest
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from app.config import ApiConfig
from tests.services import documents
from tests.services.multipart import BOUNDARY, CONTENT_TYPE, part
from tests.unit.app.serving import Caller, Service, form, served
from worker.config import Config
from worker.engine.variables import restore_files
from worker.store import apps as store_apps
from worker.store.batch_facts import BatchStatus
from worker.store.batch_models import BATCH_ITEMS, BATCHES
from worker.store.encoding import loads

PATH = "/v1/workflows/batches"

GOOD = {"custom_id": "a", "inputs": {"q": "hello"}}


def items(*texts: str) -> list[dict[str, Any]]:
    return [{"custom_id": text, "inputs": {"q": text}} for text in texts]


def submit(caller: Caller, *given: Any, **options: Any) -> TestResponse:
    return caller.post(PATH, json={"items": list(given) or [GOOD], **options})


def upload(
    caller: Caller, content: bytes | str, name: str = "batch.jsonl", headers: dict[str, str] | None = None, **options: Any
) -> TestResponse:
    data = content.encode() if isinstance(content, str) else content
    parts = [part(f'name="{option}"', None, value.encode()) for option, value in options.items()]
    body = b"".join([*parts, part(f'name="file"; filename="{name}"', "text/plain", data)]) + f"--{BOUNDARY}--\r\n".encode()
    return caller.post(PATH, data=body, content_type=CONTENT_TYPE, headers=headers or {})


def created(answer: TestResponse) -> dict[str, Any]:
    assert answer.status_code == 201, answer.json
    return answer.json


def refused(answer: TestResponse, status: int = 400, code: str = "invalid_param") -> str:
    assert (answer.status_code, answer.json["code"], answer.json["status"]) == (status, code, status), answer.json
    return answer.json["message"]


def stored(caller: Caller) -> list[Any]:
    """The items of all complete batches of the app."""
    query = select(BATCH_ITEMS).join(BATCHES, BATCHES.c.id == BATCH_ITEMS.c.batch_id).where(BATCHES.c.app_id == caller.app_id)
    complete = query.where(BATCHES.c.status != BatchStatus.VALIDATING).order_by(BATCH_ITEMS.c.position)
    with caller.service.database.read() as session:
        return list(session.execute(complete))


def number_of_batches(caller: Caller) -> int:
    with caller.service.database.read() as session:
        query = select(func.count()).select_from(BATCHES).where(BATCHES.c.app_id == caller.app_id)
        return session.scalar(query.where(BATCHES.c.status != BatchStatus.VALIDATING)) or 0


def test_items_are_stored_as_runs_would_be(caller: Caller):
    batch = created(submit(caller, *items("one", "two"), user="alice"))

    assert batch["object"] == "batch"
    assert batch["status"] == "in_progress"
    assert batch["user"] == "alice"
    assert batch["counts"] == {
        "total": 2, "waiting": 2, "ended": 0,
        **dict.fromkeys(("invalid", "running", "succeeded", "partial-succeeded", "failed", "stopped", "cancelled", "expired"), 0),
    }  # fmt: skip
    assert batch["usage"] == {"total_tokens": 0, "total_price": 0, "currency": ""}
    assert (batch["errors"], batch["input"]) == ([], None)
    assert [(row.custom_id, row.line, loads(row.inputs)) for row in stored(caller)] == [
        ("one", 1, {"q": "one", "sys.files": []}),
        ("two", 2, {"q": "two", "sys.files": []}),
    ]


def test_all_options_are_kept(caller: Caller):
    options = {
        "max_concurrency": 3,
        "priority": -2,
        "stop_on_error_rate": 0.5,
        "completion_window": "24h",
        "metadata": {"order": "4711"},
        "user": "alice",
    }

    batch = created(submit(caller, **options))

    assert {name: batch[name] for name in options} == options
    assert batch["expires_at"] - batch["started_at"] == 24 * 3600


def test_a_form_carries_options_as_texts(caller: Caller):
    options = {"max_concurrency": "3", "stop_on_error_rate": "0.5", "metadata": '{"a": "b"}', "user": "alice", "priority": ""}

    batch = created(upload(caller, json.dumps(GOOD), **options))

    assert (batch["max_concurrency"], batch["stop_on_error_rate"], batch["metadata"], batch["user"]) == (3, 0.5, {"a": "b"}, "alice")
    assert batch["priority"] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_concurency": 1}, "max_concurency is not a field of a batch."),
        ({"max_concurrency": 0}, "max_concurrency must be between 1 and 10000."),
        ({"max_concurrency": "x"}, "max_concurrency must be a whole number."),
        ({"priority": 1.5}, "priority must be a whole number."),
        ({"stop_on_error_rate": 2}, "stop_on_error_rate must be a number from 0 to 1."),
        ({"completion_window": "soon"}, "completion_window must be a time such as 90m, 24h or 7d, from 1m to 30d."),
        ({"completion_window": "99d"}, "completion_window must be a time such as 90m, 24h or 7d, from 1m to 30d."),
        ({"metadata": {"a": 1}}, "metadata must have at most 16 texts of at most 512 characters, under names of at most 64 characters."),
        ({"webhook": {"url": "ftp://x"}}, "webhook.url must be an address that starts with http:// or https://."),
        ({"workflow_id": "x"}, "Invalid workflow_id format: 'x'. "),
        ({"input_file_id": "x"}, "The request must have either items or input_file_id."),
        ({"encoding": "klingon"}, "encoding must be the name of an encoding, such as utf-8, utf-16 or gb18030."),
        ({"user": "u" * 256}, "user must not be longer than 255 characters."),
    ],
)
def test_a_wrong_option_refuses_the_batch(caller: Caller, options: dict[str, Any], message: str):
    answer = submit(caller, **options)

    assert answer.status_code == 400
    assert answer.json["message"] == message
    assert number_of_batches(caller) == 0


def test_bad_items_are_errors_of_their_own_with_the_messages_of_runs(caller: Caller):
    given = [
        GOOD,
        {"custom_id": "b", "inputs": {}},
        {"inputs": {"q": "x" * 101}},
        {"custom_id": "a", "inputs": {"q": "x"}},
        {"inputs": {"q": 5}},
    ]

    batch = created(submit(caller, *given))

    assert (batch["counts"]["total"], batch["counts"]["waiting"], batch["counts"]["invalid"]) == (5, 1, 4)
    assert batch["errors"] == [
        {"line": 2, "custom_id": "b", "code": "invalid_param", "message": "q is required in input form"},
        {"line": 3, "custom_id": "3", "code": "invalid_param", "message": "q in input form must be less than 100 characters"},
        {"line": 4, "custom_id": "a", "code": "duplicate_custom_id", "message": "The item in line 1 has the custom_id 'a' already."},
        {"line": 5, "custom_id": "5", "code": "invalid_param", "message": "(type 'text-input') q in input form must be a string"},
    ]
    for item, error in ((given[1], batch["errors"][0]), (given[2], batch["errors"][1]), (given[4], batch["errors"][3])):
        assert caller.run(item["inputs"]).json["message"] == error["message"]


def test_an_item_without_an_id_does_not_take_that_of_another(caller: Caller):
    batch = created(submit(caller, {"custom_id": "2", "inputs": {"q": "x"}}, {"inputs": {"q": "y"}}, {"inputs": {"q": "z"}}))

    assert [error["message"] for error in batch["errors"]] == ["The item in line 1 has the custom_id '2' already."]


def test_a_batch_without_any_good_item_is_refused_with_the_first_errors(caller: Caller):
    message = refused(submit(caller, *[{"inputs": {}}] * 12))

    assert message.startswith("No item can be run. Line 1: q is required in input form. Line 2: q is required in input form. ")
    assert message.endswith("Line 10: q is required in input form. And 2 more.")
    assert stored(caller) == []


@pytest.mark.parametrize("content", ["", "\n \n", "q\n"])
def test_a_file_without_items_is_refused(caller: Caller, content: str):
    name = "batch.csv" if content.startswith("q") else "batch.jsonl"

    assert refused(upload(caller, content, name)) == "The batch has no items."


def test_nothing_but_items_is_needed_and_they_must_be_there(caller: Caller):
    assert created(submit(caller))["user"] == "DEFAULT-USER"
    assert refused(caller.post(PATH, json={})) == "The request must have either items or input_file_id."
    assert refused(caller.post(PATH, json={"items": []})) == "The batch has no items."
    assert refused(caller.post(PATH, json={"items": 5})) == "items must be an array of items."
    assert refused(caller.post(PATH, json=[])) == "The request body must be a JSON object."


def test_bodies_are_read_as_strictly_as_those_of_runs(caller: Caller):
    assert refused(caller.post(PATH, data=b"{", content_type="application/json"), code="bad_request")
    assert refused(caller.post(PATH, data=b"x", content_type="text/plain"), 415, "unsupported_media_type")
    assert refused(
        caller.post(PATH, data=gzip.compress(b"{}"), content_type="application/json", headers={"Content-Encoding": "gzip"}),
        415,
        "unsupported_media_type",
    )
    assert refused(caller.post(PATH, data={"user": "x"}, content_type="multipart/form-data"), code="no_file_uploaded")
    two = {"file": (io.BytesIO(b"x"), "a.csv"), "more": (io.BytesIO(b"x"), "b.csv")}
    assert refused(caller.post(PATH, data=two), code="too_many_files")


def test_a_json_item_with_a_number_that_json_does_not_know_is_an_error_of_its_own(caller: Caller):
    body = b'{"items": [{"inputs": {"q": "x"}}, {"inputs": {"q": NaN}}]}'

    batch = created(caller.post(PATH, data=body, content_type="application/json"))

    assert [error["message"] for error in batch["errors"]] == ["The item is not JSON: NaN is no number that JSON knows (column 18)."]


def test_a_table_is_typed_by_the_form(service: Service):
    kinds = {"t": "paragraph", "n": "number", "c": "checkbox", "o": "json_object"}
    variables = [documents.variable(name, kind) for name, kind in kinds.items()]
    caller = service.publish(form(*variables, documents.variable("s", "select", options=["x", "y"])))
    table = 'custom_id,t,n,c,o,s\none,hello,42,yes,"{""a"": 1}",x\n,,,,,\nthree,a,4.5,no,,y\nbad,a,many,,,\nbad too,,,,,z\n'

    batch = created(upload(caller, table, "batch.csv"))

    assert batch["input"] == {"format": "csv", "encoding": "utf-8", "delimiter": ","}
    assert [loads(row.inputs) for row in stored(caller)][:2] == [
        {"t": "hello", "n": 42, "c": True, "o": {"a": 1}, "s": "x", "sys.files": []},
        {"t": "a", "n": 4.5, "c": False, "o": None, "s": "y", "sys.files": []},
    ]
    assert [(error["line"], error["message"]) for error in batch["errors"]] == [
        (5, "n in input form must be a valid number"),
        (6, "s in input form must be one of the following: ['x', 'y']"),
    ]


def test_a_header_that_names_no_variable_refuses_the_file(caller: Caller):
    message = refused(upload(caller, "question\nhello\n", "batch.csv"))

    assert message == "The header names 'question', which the start form does not have. A table can have the columns custom_id, q."
    assert number_of_batches(caller) == 0


@pytest.mark.parametrize(("name", "content"), [("x", "q\nhello\n"), ("x.txt", 'q\n"{"\n'), ("x", json.dumps(GOOD)), ("x.csv", "q\nhello")])
def test_the_kind_of_a_file_is_seen_by_its_name_or_its_content(caller: Caller, name: str, content: str):
    assert created(upload(caller, content, name))["input"]["format"] == ("jsonl" if content.startswith("{") else "csv")


def test_the_kind_of_a_file_can_be_said(caller: Caller):
    assert created(upload(caller, json.dumps(GOOD), "x.csv", format="jsonl"))["counts"]["total"] == 1


def test_chinese_files_are_understood_and_it_is_told(caller: Caller):
    table = "custom_id,q\n一,你好世界\n二,再见\n".encode("gbk")

    found = created(upload(caller, table, "batch.csv"))
    named = created(upload(caller, table, "batch.csv", encoding="gbk"))

    assert found["input"] == named["input"] == {"format": "csv", "encoding": "gb18030", "delimiter": ","}
    assert [row.custom_id for row in stored(caller)][:2] in (["一", "一"], ["一", "二"])


def test_an_uploaded_file_can_be_used(caller: Caller):
    file = (io.BytesIO(json.dumps(GOOD).encode()), "batch.jsonl", "application/jsonl")
    file_id = caller.post("/v1/files/upload", data={"file": file, "user": "alice"}).json["id"]

    assert created(caller.post(PATH, json={"input_file_id": file_id, "user": "alice"}))["counts"]["total"] == 1
    assert refused(caller.post(PATH, json={"input_file_id": file_id, "user": "bob"})) == "Invalid upload file"
    assert refused(caller.post(PATH, json={"input_file_id": "nothing", "user": "alice"})) == "Invalid upload file"
    other = caller.service.hello()
    assert refused(other.post(PATH, json={"input_file_id": file_id, "user": "alice"})) == "Invalid upload file"


def test_items_may_have_files(service: Service):
    caller = service.publish(form(documents.variable("f", "file", allowed_file_types=["document"])))
    upload_id = caller.post("/v1/files/upload", data={"file": (io.BytesIO(b"x"), "a.pdf", "application/pdf")}).json["id"]

    created(upload(caller, f"f\n{upload_id}\n", "batch.csv"))

    (row,) = stored(caller)
    assert restore_files(loads(row.inputs))["f"].filename == "a.pdf"


def test_a_version_can_be_named_and_must_be_of_the_app(caller: Caller):
    with caller.service.database.read() as session:
        version = store_apps.find_app(session, caller.app_id).workflow_id

    assert created(submit(caller, workflow_id=version))["workflow_id"] == version
    assert submit(caller.service.hello(), workflow_id=version).status_code == 404


def test_an_app_without_a_version_has_no_batches(service: Service):
    assert refused(submit(service.publish())) == "Workflow not published"


def test_more_items_than_allowed_leave_nothing_behind():
    with served(ApiConfig(batch_max_items=3)) as service:
        caller = service.hello()

        assert created(submit(caller, *items("1", "2", "3")))
        message = refused(submit(caller, *items("1", "2", "3", "4")))
        assert message == "A batch must not have more than 3 items: divide it into several."
        assert number_of_batches(caller) == 1


def test_a_file_that_is_too_large_is_not_read():
    with served(ApiConfig(batch_max_file_mb=1)) as service:
        caller = service.hello()
        unread = io.BytesIO(b"x")
        length = {"CONTENT_LENGTH": str(5 * 1024**3)}

        answer = caller.post(PATH, input_stream=unread, content_type="multipart/form-data; boundary=x", environ_overrides=length)

        assert refused(answer, 413, "request_entity_too_large")
        assert unread.tell() == 0
        assert refused(upload(caller, b"x" * (3 * 1024 * 1024)), 413, "request_entity_too_large")


def test_a_line_that_is_too_long_is_an_error_of_its_own():
    with served(ApiConfig(batch_max_line_mb=1)) as service:
        long = json.dumps({"inputs": {"q": "x" * 1024 * 1024}})

        batch = created(upload(service.hello(), f"{json.dumps(GOOD)}\n{long}\n{json.dumps({'inputs': {'q': 'y'}})}\n"))

        assert (batch["counts"]["waiting"], batch["counts"]["invalid"]) == (2, 1)
        assert batch["errors"][0]["message"] == "The line is longer than 1048576 bytes."


def test_the_same_request_again_is_the_same_batch(caller: Caller):
    key = {"Idempotency-Key": "order-1"}
    body = {"items": [GOOD], "user": "alice"}

    first, second = (caller.post(PATH, json=body, headers=key) for _ in range(2))
    spaced = caller.post(PATH, data=json.dumps(body, indent=3), content_type="application/json", headers=key)

    assert created(first)["id"] == created(second)["id"] == created(spaced)["id"]
    assert (first.headers.get("Idempotent-Replayed"), second.headers["Idempotent-Replayed"]) == (None, "true")
    assert number_of_batches(caller) == 1


def test_the_same_file_again_is_the_same_batch(caller: Caller):
    key = {"Idempotency-Key": "k"}
    answers = [upload(caller, json.dumps(GOOD), headers=key, user="alice") for _ in range(2)]

    assert created(answers[0])["id"] == created(answers[1])["id"]
    for changed in ({"user": "bob"}, {"user": "alice", "max_concurrency": "1"}):
        assert refused(upload(caller, json.dumps(GOOD), headers=key, **changed), 422, "idempotency_key_reused")
    assert refused(upload(caller, json.dumps({"inputs": {"q": "x"}}), headers=key, user="alice"), 422, "idempotency_key_reused")
    assert number_of_batches(caller) == 1


def test_a_refusal_does_not_use_up_the_key(caller: Caller):
    key = {"Idempotency-Key": "k"}

    assert refused(caller.post(PATH, json={"items": [{"inputs": {}}]}, headers=key))
    assert created(caller.post(PATH, json={"items": [GOOD]}, headers=key))
    assert refused(caller.post(PATH, json={"items": [GOOD]}, headers={"Idempotency-Key": ""})).startswith("Idempotency-Key must have")


def test_ten_thousand_items_are_stored_in_pieces(caller: Caller):
    content = "".join(json.dumps({"custom_id": f"row-{n}", "inputs": {"q": f"q{n}"}}) + "\n" for n in range(10_000))

    batch = created(upload(caller, content))

    assert batch["counts"]["waiting"] == 10_000
    rows = stored(caller)
    assert [row.position for row in rows] == list(range(1, 10_001))
    assert rows[-1].custom_id == "row-9999"


def test_a_file_that_turns_out_to_be_wrong_far_behind_its_start_leaves_nothing_behind(caller: Caller):
    key = {"Idempotency-Key": "k"}
    rows = "".join(f"row-{n},text\n" for n in range(1000))

    message = refused(upload(caller, f'custom_id,q\n{rows}last,"open\n', "batch.csv", headers=key))

    assert message.startswith("The row that begins in line 1002 has a quotation mark that is not closed")
    assert stored(caller) == []
    assert created(upload(caller, f"custom_id,q\n{rows}", "batch.csv", headers=key))["counts"]["waiting"] == 1000


def test_a_batch_can_name_who_is_told_of_its_end():
    webhook = {"url": "https://receiver.example/hook", "events": ["batch.completed"]}
    with served(config=Config(database_url="sqlite://", secret_key="k" * 32)) as service:
        caller = service.hello()

        assert created(submit(caller, webhook=webhook))
        message = refused(submit(caller, webhook={**webhook, "events": ["workflow.finished"]}))
    assert message.startswith("webhook.events.0 must be one of batch.completed, ")
