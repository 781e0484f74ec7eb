"""Recorded HTTP exchanges other than runs: errors, uploads, what an app tells of itself, and the log of runs."""

from __future__ import annotations

import http.client
import json
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.golden import decisions
from tests.golden.compare import differences
from tests.golden.decisions import HttpDecision
from tests.golden.recordings import DATA, load_exchanges
from tests.services import documents
from tests.services.client import Client
from tests.services.multipart import CONTENT_TYPE, multipart_body
from tests.services.penstock import ImportedApp, Server

ERRORS = load_exchanges("errors")
UPLOADS = load_exchanges("files_upload")
APP_INFO = load_exchanges("app_info")
LOGS = load_exchanges("logs")

#: Users of the 22 recorded runs of `passthrough`, the newest first.
LOGGED_USERS = [
    *(["u1"] * 4),
    "{'a': 1}",
    *(["u1"] * 3),
    "12345",
    *(["golden-user"] * 3),
    "12345",
    *(["golden-user"] * 5),
    *(["12345"] * 2),
    *(["golden-user"] * 2),
]
#: Runs whose input holds the word that one recorded query looks for; all are golden-user's.
HELLO_RUNS = frozenset([9, 10, 11, 13, 14, 15])


@dataclass(frozen=True, slots=True)
class Scene:
    """What the placeholders of the recorded requests stand for."""

    server: Server
    apps: dict[str, ImportedApp]
    #: A finished run of `passthrough`.
    run: dict[str, Any]
    #: A file of `passthrough`, as its upload was answered.
    file: dict[str, Any]

    def fill(self, text: str) -> str:
        for name, app in self.apps.items():
            text = text.replace(f"$KEY:{name}", app.api_key)
        return text.replace("$FILE:note.txt", self.file["id"]).replace("$UUID", str(uuid.uuid4()))

    def signed_path(self) -> str:
        url = httpx.URL(self.file["source_url"])
        return url.raw_path.decode()


#: Requests whose path names something that exists.
PATHS: dict[str, Callable[[Scene], str]] = {
    "run_by_id_missing_user": lambda scene: f"/v1/workflows/{scene.apps['passthrough'].workflow_id}/run",
    "run_by_id_other_app": lambda scene: f"/v1/workflows/{scene.apps['start_defaults'].workflow_id}/run",
    "run_by_id_required_missing": lambda scene: f"/v1/workflows/{scene.apps['passthrough'].workflow_id}/run",
    "run_detail_ok": lambda scene: f"/v1/workflows/run/{scene.run['workflow_run_id']}",
    "run_detail_other_app": lambda scene: f"/v1/workflows/run/{scene.run['workflow_run_id']}",
    "run_detail_task_id": lambda scene: f"/v1/workflows/run/{scene.run['task_id']}",
    "run_detail_uppercase": lambda scene: f"/v1/workflows/run/{scene.run['workflow_run_id'].upper()}",
    "stop_finished_task": lambda scene: f"/v1/workflows/tasks/{scene.run['task_id']}/stop",
    "preview_unreferenced": lambda scene: f"/v1/files/{scene.file['id']}/preview",
    "signed_url_get": lambda scene: scene.signed_path(),
    "signed_url_attachment": lambda scene: scene.signed_path() + "&as_attachment=true",
    "signed_url_bad_sign": lambda scene: scene.signed_path().replace("sign=", "sign=ZZ"),
}


@pytest.fixture(scope="module")
def scene(server: Server, golden_apps: dict[str, ImportedApp]) -> Scene:
    # The recorder called its app of custom file extensions `other` in these exchanges.
    apps = golden_apps | special_apps(server) | {"other": golden_apps["start_file_custom_ext"]}
    with server.client(apps["passthrough"], "u1") as client:
        run = client.run({"q": "x"})
        file = client.upload("note.txt", (DATA / "files" / "note.txt").read_bytes(), "text/plain")
    return Scene(server, apps, run, file)


def special_apps(server: Server) -> dict[str, ImportedApp]:
    """Apps of the recordings that are no workflow to compare: three in a state of their own, and two plain ones."""
    names = ["zz_chat", "zz_disabled", "zz_unpublished", "no vars", "unicode"]
    forms = {"unicode": [documents.variable("文本", label="文本", max_length=10, options=[])], "no vars": []}
    plain = [documents.variable("q", max_length=256)]
    chains = [documents.chain(name, [documents.start(*forms.get(name, plain)), documents.end()]) for name in names]
    for document in chains:
        document["workflow"]["features"] = recorded_features()
    imported = dict(zip(names, server.import_documents(chains), strict=True))
    # No command leads to these states: apps of another mode are refused at import, and an import publishes.
    server.alter_app(imported["zz_chat"], "mode", "advanced-chat")
    server.alter_app(imported["zz_disabled"], "api_enabled", False)
    server.alter_app(imported["zz_unpublished"], "workflow_id", None)
    return imported | {"no_vars_no_outputs": imported["no vars"]}


def recorded_features() -> dict[str, Any]:
    """Features that the recorder gave to all its apps, read back from what one of them answered."""
    answer = APP_INFO["no_vars_no_outputs.parameters"]["response"]["body"]
    names = ("file_upload", "opening_statement", "retriever_resource", "sensitive_word_avoidance", "speech_to_text")
    return {name: answer[name] for name in (*names, "suggested_questions", "suggested_questions_after_answer", "text_to_speech")}


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_errors_are_as_recorded(scene, name):
    check(scene, ERRORS[name], PATHS.get(name), decisions.ERRORS.get(name))


@pytest.mark.parametrize("name", sorted(APP_INFO))
def test_an_app_tells_of_itself_as_recorded(scene, name):
    check(scene, APP_INFO[name], None, decisions.app_info(name))


@pytest.mark.parametrize("name", sorted(name for name in UPLOADS if "path" in UPLOADS[name]["request"]))
def test_files_are_served_as_recorded(scene, name):
    key = scene.apps["passthrough"].api_key
    exchange = UPLOADS[name]
    request = {"headers": {"Authorization": f"Bearer {key}"}, "body": None, **exchange["request"]}
    check(scene, {**exchange, "request": request}, PATHS.get(name), decisions.UPLOADS.get(name))


@pytest.mark.parametrize("name", sorted(name for name in UPLOADS if "path" not in UPLOADS[name]["request"]))
def test_uploads_are_as_recorded(scene, name):
    request = UPLOADS[name]["request"]
    headers = {"Authorization": scene.fill(request["headers"]["Authorization"])}
    body = b""
    if request["parts"] is not None:
        headers["Content-Type"] = CONTENT_TYPE
        body = multipart_body(request["parts"], request["files"])

    answer = httpx.post(f"{scene.server.url}/v1/files/upload", headers=headers, content=body, timeout=60)

    assert not list(answer_differences(UPLOADS[name]["response"], answer, decisions.UPLOADS.get(name)))


@pytest.fixture(scope="module")
def log_scene(scene: Scene) -> Scene:
    """Apps of their own, with the runs that the recorded log shows."""
    names = ("passthrough", "err_default_value_code", "ifelse_type_error")
    copies = scene.server.import_files([DATA / "apps" / f"{name}.yml" for name in names])
    apps = {name: ImportedApp(line["app_id"], line["workflow_id"], line["api_key"], line["name"]) for name, line in copies.items()}
    with scene.server.client(apps["passthrough"]) as client:
        runs = [client.run({"q": query}, user=user) for query, user in logged_requests()]
    for name, inputs in (("err_default_value_code", {}), ("ifelse_type_error", {"s": "abc"})):
        with scene.server.client(apps[name], "golden-user") as client:
            client.run(inputs)
            client.run(inputs)
    return Scene(scene.server, apps, runs[-1], scene.file)


def logged_requests() -> Iterator[tuple[str, str]]:
    """Oldest first."""
    for number in reversed(range(len(LOGGED_USERS))):
        yield ("hello" if number in HELLO_RUNS else "x"), LOGGED_USERS[number]


@pytest.mark.parametrize("name", sorted(LOGS))
def test_logs_are_as_recorded(log_scene, name):
    def path(scene: Scene) -> str:
        return LOGS[name]["request"]["path"].replace("$UUID", scene.run["workflow_run_id"])

    check(log_scene, with_any_version(LOGS[name]), path, decisions.LOGS.get(name))


def with_any_version(exchange: dict[str, Any]) -> dict[str, Any]:
    """The version of a workflow is the time of its publication."""
    any_version: dict[str, Any] = json.loads(re.sub(r'("version": )"[^"]*"', r'\1"$TEXT"', json.dumps(exchange)))
    return any_version


def test_every_decision_against_a_recording_names_a_case():
    assert set(decisions.ERRORS) <= set(ERRORS)
    assert set(decisions.UPLOADS) <= set(UPLOADS)
    assert set(decisions.LOGS) <= set(LOGS)


def check(scene: Scene, exchange: dict[str, Any], path: Callable[[Scene], str] | None, decision: HttpDecision | None) -> None:
    request = exchange["request"]
    target = path(scene) if path else scene.fill(request["path"])
    headers = {name: scene.fill(value) for name, value in request["headers"].items()}
    content = request["body"].encode() if request["body"] is not None else None

    answer = send(scene.server.url, request["method"], target, headers, content)

    assert not list(answer_differences(exchange["response"], answer, decision))


def send(url: str, method: str, target: str, headers: dict[str, str], content: bytes | None) -> httpx.Response:
    """The request as it was recorded, with headers that a careful client would refuse to send."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    try:
        connection.request(method, target, body=content, headers=headers)
        answer = connection.getresponse()
        return httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read())
    finally:
        connection.close()


def answer_differences(want: dict[str, Any], got: httpx.Response, decision: HttpDecision | None) -> Iterator[str]:
    decision = decision or HttpDecision("as recorded")
    status = decision.status or want["status"]
    if got.status_code != status:
        yield f"status: expected {status}, got {got.status_code}: {got.text[:300]}"
        return
    yield from header_differences(want["headers"] if decision.status in (None, want["status"]) else {}, decision, got)
    yield from body_differences(want, decision, got)


def header_differences(want: dict[str, str], decision: HttpDecision, got: httpx.Response) -> Iterator[str]:
    for name, value in {**want, **decision.headers}.items():
        seen = got.headers.get(name, "")
        if name in ("Access-Control-Expose-Headers", "Allow"):
            if not word_set(value) <= word_set(seen):
                yield f"{name}: expected {value!r}, got {seen!r}"
        elif name == "Content-Type" and not got.content:
            continue
        elif seen != value:
            yield f"{name}: expected {value!r}, got {seen!r}"


def word_set(value: str) -> set[str]:
    return {word.strip() for word in value.split(",")}


def body_differences(want: dict[str, Any], decision: HttpDecision, got: httpx.Response) -> Iterator[str]:
    body = want["body"]
    if decision.body is not None:
        body = {**(body or {}), **decision.body} if decision.status in (None, want["status"]) else decision.body
    if decision.status not in (None, want["status"]) and decision.body is None:
        return
    if body is None:
        yield from differences(want.get("body_raw", ""), got.text, "body")
    else:
        yield from differences(body, json.loads(got.text), "body")
    if got.status_code >= 400:
        yield from error_body_differences(got)


def error_body_differences(got: httpx.Response) -> Iterator[str]:
    """api-contract.md section 1.6: three keys, a message of one line, and at most the name of the field."""
    body = got.json()
    if not set(body) <= {"code", "message", "status", "params"} or not body["message"] or "\n" in body["message"]:
        yield f"not an error body: {body}"


def test_a_client_that_reads_logs_page_by_page_sees_every_run_once(log_scene):
    """Recorded: pages overlap among runs of one second."""
    with Client(log_scene.server.url, log_scene.apps["passthrough"].api_key) as client:
        pages = [client.http.get("/v1/workflows/logs", params={"page": page, "limit": 5}).json() for page in range(1, 6)]

    ids = [row["id"] for page in pages for row in page["data"]]
    assert len(ids) == len(set(ids)) == len(LOGGED_USERS)
