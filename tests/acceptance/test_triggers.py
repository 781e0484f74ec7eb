"""Webhook triggers over a running product: a request without a key begins a run, whose outputs its operators read."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.services import documents
from tests.services.client import RUN
from tests.services.penstock import ImportedApp, Server
from tests.services.waiting import wait_for


def order_desk(name: str, **data: Any) -> documents.Document:
    settings = {
        "method": "post",
        "content_type": "application/json",
        "params": [{"name": "page", "type": "number", "required": False}],
        "headers": [{"name": "X-Tenant-Id", "required": True}],
        "body": [{"name": "order", "type": "number", "required": True}],
        "status_code": 202,
        "response_body": '{"taken": true}',
    }
    hook = documents.node("hook", "trigger-webhook", **{**settings, **data})
    outputs = {"order": ["hook", "order"], "page": ["hook", "page"], "tenant": ["hook", "X_Tenant_Id"]}
    return documents.chain(name, [hook, documents.end(**outputs)])


def address(server: Server, app: ImportedApp) -> str:
    done = server.call("triggers", "list", app.app_id, "--json")
    assert done.returncode == 0, done.stderr
    path: str = json.loads(done.stdout)["url"]
    return server.url + path


def ended(server: Server, app: ImportedApp) -> list[dict[str, Any]]:
    """The log entries of the app's runs that have ended, newest first."""
    answer = httpx.get(f"{server.url}/v1/workflows/logs", headers={"Authorization": f"Bearer {app.api_key}"})
    runs: list[dict[str, Any]] = [entry["workflow_run"] for entry in answer.json()["data"]]
    return [run for run in runs if run["status"] != "running"]


def test_a_request_to_the_address_of_a_trigger_begins_a_run(server: Server) -> None:
    app = server.import_document(order_desk("order desk"))
    url = address(server, app)

    answer = httpx.post(url, params={"page": "2"}, headers={"x-tenant-id": "a"}, json={"order": 17})

    assert (answer.status_code, answer.json()) == (202, {"taken": True})
    wait_for(lambda: bool(ended(server, app)), "the run to end")
    (run,) = ended(server, app)
    assert (run["status"], run["triggered_from"]) == ("succeeded", "webhook")
    detail = httpx.get(f"{server.url}/v1/workflows/run/{run['id']}", headers={"Authorization": f"Bearer {app.api_key}"}).json()
    assert detail["outputs"] == {"order": 17, "page": 2, "tenant": "a"}


def test_the_address_answers_only_for_what_the_trigger_declares(server: Server) -> None:
    app = server.import_document(order_desk("strict desk"))
    url = address(server, app)
    good = {"headers": {"X-Tenant-Id": "a"}, "json": {"order": 17}}

    assert httpx.put(url, **good).status_code == 405
    assert httpx.post(url, json={"order": 17}).json()["params"] == "X-Tenant-Id"
    assert httpx.post(url, headers=good["headers"], json={"order": "17"}).status_code == 400
    assert httpx.post(url, headers=good["headers"], data={"order": "17"}).status_code == 415
    assert httpx.post(url + "x", **good).status_code == 404
    assert httpx.post(url, **good).status_code == 202
    wait_for(lambda: len(ended(server, app)) == 1, "the only run to end")


def test_a_trigger_only_app_is_refused_by_the_api_as_before(server: Server) -> None:
    app = server.import_document(order_desk("keyless desk"))

    with server.client(app) as client:
        answer = client.http.post(RUN, json={"inputs": {}, "user": "ada", "response_mode": "blocking"})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param")
