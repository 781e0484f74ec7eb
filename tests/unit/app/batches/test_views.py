"""Batches over the API, once they are stored."""

from __future__ import annotations

import csv
import io
import json
import uuid
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.parts import Parts
from tests.services import documents
from tests.unit.app.batches.ending import end_item
from tests.unit.app.batches.test_creation import PATH, created, items, refused, submit
from tests.unit.app.serving import Caller, Service, events, fail, form
from worker.store.batch_facts import ItemStatus

FAILED = ("run_failed", "the node's own words")


@pytest.fixture
def batch(caller: Caller) -> str:
    """Four items that wait, and a bad one in their middle."""
    given = items("a", "b", "c", "d")
    return created(submit(caller, *given[:2], {"custom_id": "bad", "inputs": {}}, *given[2:]))["id"]


def url(batch_id: str, *more: str) -> str:
    return "/".join((PATH, batch_id, *more))


def lines(answer: TestResponse) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "application/jsonl; charset=utf-8"
    return [json.loads(line) for line in answer.text.splitlines()]


def table(answer: TestResponse) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [line["custom_id"] for line in found]


def test_a_batch_tells_how_far_it_is(caller: Caller, batch: str):
    end_item(caller, batch, "a")
    end_item(caller, batch, "c", ItemStatus.FAILED, fail, FAILED)

    found = caller.get(url(batch)).json

    assert (found["id"], found["status"]) == (batch, "in_progress")
    counts = {name: number for name, number in found["counts"].items() if number}
    assert counts == {"total": 5, "waiting": 2, "succeeded": 1, "failed": 1, "invalid": 1, "ended": 3}
    assert set(found["pace"]) == {"items_per_second", "remaining_seconds"}
    assert found["ended_at"] is None


def test_a_batch_whose_items_have_ended_is_completed(caller: Caller, batch: str):
    for custom_id in "abcd":
        end_item(caller, batch, custom_id)

    found = caller.get(url(batch)).json

    assert found["status"] == "completed"
    assert found["ended_at"] >= found["created_at"]


@pytest.mark.parametrize("path", [(), ("results",), ("errors",), ("events",)])
def test_batches_of_other_apps_are_unknown(caller: Caller, batch: str, path: tuple[str, ...]):
    for client, batch_id in ((caller.service.hello(), batch), (caller, str(uuid.uuid4())), (caller, "nothing")):
        answer = client.get(url(batch_id, *path))
        assert (answer.status_code, answer.json["code"], answer.json["message"]) == (404, "not_found", "Batch not found.")


@pytest.mark.parametrize("action", ["cancel", "pause", "resume", "retry"])
def test_batches_of_other_apps_are_left_alone(caller: Caller, batch: str, action: str):
    for client, batch_id in ((caller.service.hello(), batch), (caller, "nothing")):
        assert client.post(url(batch_id, action)).status_code == 404
    assert caller.get(url(batch)).json["status"] == "in_progress"


def test_a_key_is_needed(caller: Caller, batch: str):
    assert caller.client.get(url(batch)).status_code == 401
    assert caller.client.post(PATH, json={}).status_code == 401


def test_an_app_of_another_mode_has_no_batches(service: Service):
    chat = service.hello(mode="chat")

    assert refused(chat.get(PATH), code="not_workflow_app")
    assert refused(submit(chat), code="not_workflow_app")


def test_batches_are_listed_newest_first_a_page_at_a_time(caller: Caller):
    made = [created(submit(caller))["id"] for _ in range(5)]
    submit(caller.service.hello())

    first = caller.get(PATH, query_string={"limit": 2}).json
    second = caller.get(PATH, query_string={"limit": 2, "after": first["last_id"]}).json
    third = caller.get(PATH, query_string={"limit": 2, "after": second["last_id"]}).json

    pages = [first, second, third]
    assert [batch["id"] for page in pages for batch in page["data"]] == made[::-1]
    assert [page["has_more"] for page in pages] == [True, True, False]
    assert first["object"] == "list"
    assert (first["first_id"], first["last_id"]) == (made[4], made[3])
    empty = caller.get(PATH, query_string={"after": made[0]}).json
    assert empty == {"object": "list", "data": [], "has_more": False, "first_id": None, "last_id": None}


def test_batches_are_listed_by_status(caller: Caller, batch: str):
    assert [found["id"] for found in caller.get(PATH, query_string={"status": "in_progress"}).json["data"]] == [batch]
    assert caller.get(PATH, query_string={"status": "completed"}).json["data"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "status=unknown", "status=validating", "after=nothing"])
def test_a_wrong_query_of_the_list_is_refused(caller: Caller, query: str):
    assert refused(caller.get(f"{PATH}?{query}"))


def test_results_are_lines_in_the_order_of_the_items_also_while_the_batch_runs(caller: Caller, batch: str):
    runs = {custom_id: end_item(caller, batch, custom_id) for custom_id in "da"}
    runs["b"] = end_item(caller, batch, "b", ItemStatus.FAILED, fail, FAILED)

    found = lines(caller.get(url(batch, "results")))

    assert ids(found) == ["a", "b", "d"]
    elapsed = [line.pop("elapsed_time") for line in found]
    assert all(isinstance(time, float) for time in elapsed)
    assert found[0] == {
        "custom_id": "a",
        "line": 1,
        "status": "succeeded",
        "workflow_run_id": runs["a"],
        "outputs": {"q": "a"},
        "error": None,
        "usage": {"total_tokens": found[0]["usage"]["total_tokens"], "total_steps": found[0]["usage"]["total_steps"]},
        "cursor": 1,
    }
    assert (found[1]["status"], found[1]["error"]) == ("failed", {"code": "run_failed", "message": "the node's own words"})


def test_results_come_as_they_ended_if_wanted(caller: Caller, batch: str):
    for custom_id in "dba":
        end_item(caller, batch, custom_id)

    assert ids(lines(caller.get(url(batch, "results"), query_string={"order": "finished"}))) == ["d", "b", "a"]


def test_errors_are_the_items_without_a_result(caller: Caller, batch: str):
    end_item(caller, batch, "a")
    end_item(caller, batch, "d", ItemStatus.FAILED, fail, FAILED)

    found = lines(caller.get(url(batch, "errors")))

    assert [(line["custom_id"], line["line"], line["status"]) for line in found] == [("bad", 3, "invalid"), ("d", 5, "failed")]
    assert found[0]["error"] == {"code": "invalid_param", "message": "q is required in input form"}
    assert (found[0]["workflow_run_id"], found[0]["outputs"]) == (None, None)


@pytest.mark.parametrize("order", ["input", "finished"])
def test_a_download_goes_on_behind_any_of_its_lines(caller: Caller, batch: str, order: str):
    for custom_id in "dbca":
        end_item(caller, batch, custom_id)
    whole = lines(caller.get(url(batch, "results"), query_string={"order": order}))

    for known in range(4):
        rest = lines(caller.get(url(batch, "results"), query_string={"order": order, "after": whole[known]["cursor"]}))
        assert rest == whole[known + 1 :]


def test_in_the_order_of_ends_new_results_join_behind(caller: Caller, batch: str):
    known: list[dict[str, Any]] = []
    for custom_id in "dbac":
        end_item(caller, batch, custom_id)
        after = known[-1]["cursor"] if known else 0
        known += lines(caller.get(url(batch, "results"), query_string={"order": "finished", "after": after}))

    assert ids(known) == ["d", "b", "a", "c"]


def test_results_are_a_table_with_a_column_for_each_output(service: Service):
    caller = service.publish(form(documents.variable("q", "paragraph"), documents.variable("n", "number")))
    given = [{"custom_id": "=1+1", "inputs": {"q": '-5, "x"\n@y', "n": 3}}, {"custom_id": "b", "inputs": {}}]
    batch = created(submit(caller, *given))["id"]
    for item in given:
        end_item(caller, batch, item["custom_id"])

    first, second = table(caller.get(url(batch, "results"), query_string={"format": "csv"}))

    assert list(first) == [
        *("custom_id", "line", "status", "workflow_run_id", "error_code", "error", "elapsed_time", "total_tokens", "total_steps", "cursor"),
        *("outputs.q", "outputs.n"),
    ]
    assert (first["custom_id"], first["outputs.q"], first["outputs.n"], first["error"]) == ("=1+1", '-5, "x"\n@y', "3", "")
    assert (second["outputs.q"], second["outputs.n"]) == ("", "")


def test_a_table_for_a_spreadsheet_has_no_formulas(service: Service):
    caller = service.hello()
    batch = created(submit(caller, {"custom_id": "=1+1", "inputs": {"q": "@sum"}}))["id"]
    end_item(caller, batch, "=1+1")

    answer = caller.get(url(batch, "results"), query_string={"format": "csv", "spreadsheet": "true"})

    assert answer.data.startswith(b"\xef\xbb\xbfcustom_id,")
    (row,) = table(answer)
    assert row["outputs.q"] == "'@sum"
    assert "'=1+1" in row.values()


def test_a_table_that_goes_on_has_no_second_header(caller: Caller, batch: str):
    for custom_id in "abcd":
        end_item(caller, batch, custom_id)
    path = url(batch, "results")
    whole = caller.get(path, query_string={"format": "csv"}).text
    cursor = table(caller.get(path, query_string={"format": "csv"}))[1]["cursor"]

    rest = caller.get(path, query_string={"format": "csv", "after": cursor}).text

    assert rest
    assert whole.endswith(rest)


@pytest.mark.parametrize(
    ("accept", "query", "kind"),
    [
        ("text/csv", "", "text/csv"),
        ("application/jsonl", "", "application/jsonl"),
        ("*/*", "", "application/jsonl"),
        ("text/csv", "?format=jsonl", "application/jsonl"),
        ("application/jsonl;q=0.5, text/csv", "", "text/csv"),
    ],
)
def test_the_form_of_a_download_is_negotiated(caller: Caller, batch: str, accept: str, query: str, kind: str):
    answer = caller.get(url(batch, "results") + query, headers={"Accept": accept})

    assert answer.mimetype == kind
    assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="batch-{batch}-results.')


@pytest.mark.parametrize("query", ["format=xml", "order=random", "after=x", "after=-1", "spreadsheet=maybe"])
def test_a_wrong_query_of_a_download_is_refused(caller: Caller, batch: str, query: str):
    assert refused(caller.get(f"{url(batch, 'results')}?{query}"))


@pytest.mark.parametrize("path", [(), ("results",), ("errors",), ("events",)])
def test_head_has_no_body(caller: Caller, batch: str, path: tuple[str, ...]):
    answer = caller.open("HEAD", url(batch, *path))

    assert (answer.status_code, answer.data) == (200, b"")


def test_a_download_of_many_pages_holds_no_connection(caller: Caller):
    many = [str(n) for n in range(60)]
    batch = created(submit(caller, *items(*many)))["id"]
    for custom_id in many:
        end_item(caller, batch, custom_id)

    answer = caller.get(url(batch, "results"))
    chunks = answer.iter_encoded()
    # The pool of the database in memory has one connection: whoever held it would lock everybody out.
    assert caller.get(url(batch)).status_code == 200
    body = b"".join(chunks)
    answer.close()

    assert ids([json.loads(line) for line in body.splitlines()]) == many
    parts: Parts = caller.service.parts
    parts.streams.drain(0)
    assert parts.streams.is_draining
    parts.streams.is_draining = False


def test_a_batch_can_be_paused_and_resumed(caller: Caller, batch: str):
    assert caller.post(url(batch, "pause")).json["status"] == "paused"
    assert caller.post(url(batch, "pause")).json["status"] == "paused"
    assert caller.post(url(batch, "resume")).json["status"] == "in_progress"


def test_a_batch_can_be_cancelled_and_then_neither_paused_nor_resumed(caller: Caller, batch: str):
    cancelled = caller.post(url(batch, "cancel")).json

    assert (cancelled["status"], cancelled["closing_as"]) == ("cancelling", "cancelled")
    for action in ("pause", "resume", "retry"):
        assert refused(caller.post(url(batch, action)), 409, "batch_conflict").startswith("The batch is cancelling and cannot be ")
    assert caller.post(url(batch, "cancel")).json["status"] == "cancelling"


def test_what_failed_can_be_tried_again(caller: Caller, batch: str):
    for custom_id, status in zip("abcd", ("succeeded", "failed", "stopped", "succeeded"), strict=True):
        end_item(caller, batch, custom_id, ItemStatus(status), fail, FAILED)
    assert caller.get(url(batch)).json["status"] == "completed"

    again = caller.post(url(batch, "retry")).json

    assert (again["status"], again["retried"], again["counts"]["waiting"]) == ("in_progress", 2, 2)
    assert ids(lines(caller.get(url(batch, "results")))) == ["a", "d"]
    assert ids(lines(caller.get(url(batch, "errors")))) == ["bad"]


def test_the_events_of_a_batch_that_has_ended_are_its_end(caller: Caller, batch: str):
    for custom_id in "abcd":
        end_item(caller, batch, custom_id)

    answer = caller.get(url(batch, "events"))

    assert answer.content_type == "text/event-stream; charset=utf-8"
    (event,) = events(answer)
    assert (event["event"], event["data"]["status"], event["data"]["counts"]["succeeded"]) == ("batch_finished", "completed", 4)


def test_the_events_of_a_batch_tell_its_counts_until_it_has_ended(caller: Caller, batch: str):
    answer = caller.get(url(batch, "events"))
    told = answer.iter_encoded()
    assert json.loads(next(frame for frame in told if frame).removeprefix(b"data: "))["data"]["counts"]["succeeded"] == 0

    for custom_id in "abcd":
        end_item(caller, batch, custom_id)
    rest = [json.loads(frame.removeprefix(b"data: ")) for frame in told if frame]
    answer.close()

    assert [event["event"] for event in rest] == ["batch_finished"]
    assert rest[0]["data"]["status"] == "completed"
