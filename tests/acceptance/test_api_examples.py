"""Requests of `api-examples.json` and the shape of their answers.

Each case is either sent, or stands in one of the two lists of what does not exist yet or cannot be brought about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.acceptance.examples import EXAMPLES, Scene, cases, find_case, read_events
from tests.acceptance.shapes import mismatches
from tests.services import documents
from tests.services.client import RUN
from tests.services.multipart import CONTENT_TYPE, multipart_body
from tests.services.penstock import Server

MEGABYTE = 1024 * 1024

#: Cases of endpoints that this version does not have: their paths are unknown.
UNKNOWN_PATHS = {
    "end_user",
    "end_user_unknown",
}

#: Case -> why nothing can bring it about yet.
OUT_OF_REACH = {
    "run_provider_not_initialize": "no node calls a model",
    "run_provider_quota_exceeded": "no node calls a model",
    "run_model_currently_not_support": "no node calls a model",
    "run_completion_request_error": "no node calls a model",
    "run_quota": "there are no quotas",
    "run_internal": "only a defect leads there",
    "run_by_id_draft": "no draft is stored: an import publishes",
}


@dataclass(frozen=True, slots=True)
class Arrangement:
    """How a case differs from its plain request with the key of `hello`."""

    app: str = "hello"
    #: Values of `{names}` in the path.
    path: Callable[[Scene], dict[str, str]] = lambda scene: {}
    body: bytes | None = None
    #: (field, file name, content type, size in bytes)
    files: Sequence[tuple[str, str, str | None, int]] = ()


def finished_run(scene: Scene) -> dict[str, str]:
    return {"workflow_run_id": scene.run["workflow_run_id"]}


def waiting_task(scene: Scene) -> dict[str, str]:
    return {"workflow_run_id": scene.waiting["workflow_run_id"], "task_id": scene.waiting["task_id"]}


def waiting_form(scene: Scene) -> dict[str, str]:
    """A form that nobody has answered."""
    with scene.client("asks") as client:
        return {"form_token": client.run({"query": "hello"})["data"]["reasons"][0]["form_token"]}


def answered_form(scene: Scene) -> dict[str, str]:
    form = waiting_form(scene)
    with scene.client("asks") as client:
        client.answer(form["form_token"], "approve", {"feedback": "ok"}).raise_for_status()
    return form


ARRANGEMENTS = {
    "form_get": Arrangement(app="asks", path=waiting_form),
    "form_submit": Arrangement(app="asks", path=waiting_form),
    "form_submit_bad_action": Arrangement(app="asks", path=waiting_form),
    "form_submit_twice": Arrangement(app="asks", path=answered_form),
    "run_blocking_paused": Arrangement(app="asks"),
    "audio_to_text": Arrangement(app="speaks", files=[("file", "a.mp3", "audio/mp3", 100)]),
    "audio_to_text_bad_type": Arrangement(app="speaks", files=[("file", "a.txt", "text/plain", 1)]),
    "audio_to_text_no_file": Arrangement(app="speaks"),
    "text_to_audio": Arrangement(app="speaks"),
    "text_to_audio_no_text": Arrangement(app="speaks"),
    "run_blocking_failed_is_200": Arrangement(app="fails"),
    "run_not_published": Arrangement(app="unpublished"),
    "run_wrong_app_mode": Arrangement(app="chat"),
    "run_cannot_execute": Arrangement(app="alien"),
    "run_app_unavailable": Arrangement(app="unreadable"),
    "run_bad_content_type": Arrangement(body=b"hello"),
    "run_malformed_json": Arrangement(body=b"{"),
    "app_api_disabled": Arrangement(app="disabled"),
    "parameters_unpublished": Arrangement(app="unpublished"),
    "run_by_id_ok": Arrangement(path=lambda scene: {"workflow_id": scene.apps["hello"].workflow_id}),
    "run_detail": Arrangement(path=finished_run),
    "run_detail_legacy": Arrangement(path=finished_run),
    "run_detail_running": Arrangement(app="waits", path=waiting_task),
    "events_finished_run": Arrangement(path=finished_run),
    "events_other_user": Arrangement(path=finished_run),
    "events_user_missing": Arrangement(path=finished_run),
    "stop_ok": Arrangement(path=lambda scene: {"task_id": scene.run["task_id"]}),
    "stop_legacy_alias": Arrangement(path=lambda scene: {"task_id": scene.run["task_id"]}),
    "stop_user_missing": Arrangement(path=lambda scene: {"task_id": scene.run["task_id"]}),
    "stop_other_user_is_silent": Arrangement(app="waits", path=waiting_task),
    "preview_foreign": Arrangement(path=lambda scene: {"foreign_file_id": scene.foreign_file_id}),
    "upload_ok": Arrangement(files=[("file", "a.png", "image/png", 1)]),
    "upload_without_user_ok": Arrangement(files=[("file", "a.txt", "text/plain", 1)]),
    "upload_two_files": Arrangement(files=[("file", "a.txt", "text/plain", 1), ("more", "b.txt", "text/plain", 1)]),
    "upload_empty_name": Arrangement(files=[("file", "", "text/plain", 1)]),
    "upload_too_large": Arrangement(files=[("file", "a.png", "image/png", 10 * MEGABYTE + 1)]),
    "upload_no_mime": Arrangement(files=[("file", "a.bin", None, 1)]),
    "upload_bad_name": Arrangement(files=[("file", "a/b.txt", "text/plain", 1)]),
    "upload_blacklisted": Arrangement(files=[("file", "a.blocked", "text/plain", 1)]),
}


@pytest.mark.parametrize("case", cases("http", without=UNKNOWN_PATHS | OUT_OF_REACH.keys() | {"run_concurrency"}))
def test_answer_has_the_shape(scene, case):
    answer = send(scene, case)

    assert answer.status_code == case["response"]["status"], answer.text
    check_content(case["response"], answer)


@pytest.mark.parametrize("case", [case for case in cases("http") if case.id in UNKNOWN_PATHS])
def test_endpoint_that_is_not_there_is_a_404_of_the_usual_shape(scene, case):
    answer = send(scene, case)

    assert answer.status_code == 404
    assert not list(mismatches({"code": {"$const": "not_found"}, "message": "str+", "status": {"$const": 404}}, answer.json()))


def test_every_case_is_either_sent_or_listed_as_missing():
    names = {case["name"] for case in EXAMPLES["http"]}

    assert UNKNOWN_PATHS | OUT_OF_REACH.keys() | ARRANGEMENTS.keys() <= names


def test_more_open_runs_than_an_app_may_have_are_429(counting, tmp_path):
    case = find_case("http", "run_concurrency")
    waits = documents.http_get("waits", f"{counting.url}/hold/ceiling")
    document = documents.chain("waits", [documents.start(), waits, documents.end()])

    with (
        Server(tmp_path, PENSTOCK_APP_MAX_CONCURRENCY="1", PENSTOCK_OUTBOUND_ALLOW="127.0.0.1") as server,
        server.client(server.import_document(document)) as client,
        client.open() as events,
    ):
        next(events)
        answer = client.http.post(RUN, json={**case["request"]["json"], "inputs": {}})
        counting.release("ceiling")
        assert list(events)[-1]["data"]["status"] == "succeeded"

    assert answer.status_code == 429
    check_content(case["response"], answer)


def send(scene: Scene, case: dict[str, Any]) -> httpx.Response:
    request, arrangement = case["request"], ARRANGEMENTS.get(case["name"], Arrangement())
    names = {"workflow_run_id": "x", "task_id": "x", "form_token": "x", "end_user_id": "x"} | arrangement.path(scene)
    key = scene.apps[arrangement.app].api_key
    headers = {name: value.replace("app-xxxxxxxxxxxxxxxxxxxxxxxx", key) for name, value in request["headers"].items()}
    content: dict[str, Any] = {}
    if "json" in request:
        content["json"] = request["json"]
    elif arrangement.body is not None:
        content["content"] = arrangement.body
    elif "multipart" in request:
        headers["Content-Type"] = CONTENT_TYPE
        content["content"] = multipart(request["multipart"], arrangement)
    url = scene.server.url + request["path"].format(**names)
    return httpx.request(request["method"], url, headers=headers, params=request.get("query"), timeout=60, **content)


def multipart(parts: dict[str, Any], arrangement: Arrangement) -> bytes:
    fields = [(name, value) for name, value in parts.items() if isinstance(value, str)]
    described = [(name, part["filename"], part["content_type"], 1) for name, part in parts.items() if isinstance(part, dict)]
    return multipart_body(fields, arrangement.files or described)


def check_content(want: dict[str, Any], answer: httpx.Response) -> None:
    content_type = answer.headers["content-type"]
    assert content_type == want["content_type"] or content_type == f"{want['content_type']}; charset=utf-8"
    headers = {name.lower(): value for name, value in answer.headers.items()}
    for name, shape in want.get("headers", {}).items():
        known_type = shape in ("str", "uuid", "intstr")
        assert not list(mismatches({name.lower(): shape if known_type else {"$const": shape}}, headers))
    if "$sse" in want["shape"]:
        assert [event["event"] for event in read_events(answer.text)][-1] == "workflow_finished"
    elif "$bytes" in want["shape"]:
        assert answer.content
    else:
        assert not list(mismatches(want["shape"], answer.json()))


def test_finished_run_streams_exactly_one_frame(scene):
    with scene.client() as client, client.events(scene.run["workflow_run_id"]) as events:
        assert [event["event"] for event in events] == ["workflow_finished"]


def test_blocking_answer_names_its_run_once(scene):
    assert scene.run["data"]["id"] == scene.run["workflow_run_id"]
    assert scene.run["data"].get("created_by", {}) is not None
    assert scene.run["data"].get("files", []) is not None


def test_stop_by_another_user_lets_the_run_go_on(scene):
    with scene.client("waits") as client, client.open({"query": "stranger"}) as events:
        first = next(events)
        scene.counting.wait_until_called("stranger")
        assert client.stop(first["task_id"], user="someone-else").json() == {"result": "success"}
        scene.counting.release("stranger")
        assert list(events)[-1]["data"]["status"] == "succeeded"
