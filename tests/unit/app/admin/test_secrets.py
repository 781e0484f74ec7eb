"""What is secret goes into the admin API, and never comes out of it again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.services import documents
from tests.unit.app.admin.administering import TOKEN, Operator, hello, operated, text_of
from tests.unit.app.admin.test_settings import API
from tests.unit.app.serving import Caller
from worker.store.apps import publish
from worker.store.encoding import dumps
from worker.store.models import Workflow

CANARY = "canary-0123456789-in-a-coal-mine"


def secretive() -> dict[str, Any]:
    """A document with the canary wherever documents hold secrets."""
    document = hello("Secretive")
    variables = [{"name": "API_KEY", "value": CANARY, "value_type": "secret"}, {"name": "OTHER", "value": "", "value_type": "secret"}]
    call = documents.node(
        "call",
        "http-request",
        method="get",
        url=f"https://ada:{CANARY}@example.com/?key={CANARY}",
        headers=f"Authorization: Bearer {CANARY}\nX-Api-Key: {CANARY}",
        params=f"token: {CANARY}",
        body={"type": "none", "data": []},
        authorization={"type": "api-key", "config": {"type": "bearer", "api_key": CANARY}},
    )
    document["workflow"]["graph"]["nodes"].append(call)
    document["workflow"]["environment_variables"] = variables
    return document


@pytest.fixture
def operator() -> Iterator[Operator]:
    with operated() as made:
        yield made


def fill(operator: Operator) -> dict[str, str]:
    """Put the canary in every place that takes a secret; answers what stands for names in paths."""
    made = operator.import_app(secretive())
    app = made["app_id"]
    answers = [
        operator.put(f"/apps/{app}/environment/OTHER", json={"value": CANARY}),
        operator.post(f"/apps/{app}/keys", json={"token": f"app-mine-{CANARY}"}),
        operator.put("/model-providers/openai", json={"api_key": CANARY, "base_url": f"https://ada:{CANARY}@models.example/v1"}),
        operator.put("/tool-providers/search", json={"kind": "api", "document": API, "headers": {"X-Key": CANARY}}),
        operator.post(f"/apps/{app}/webhooks", json={"url": "https://receiver.example/a"}),
        operator.put(f"/apps/{app}/aliases/production", json={"version": "current"}),
    ]
    assert [answer.status_code // 100 for answer in answers] == [2] * len(answers)
    # As an earlier release stored it.
    with operator.service.database.begin() as session:
        publish(session, app, secretive(), "plain")
    caller = Caller(operator.service, app, made["api_key"])
    batch = caller.post("/v1/workflows/batches", json={"items": [{"custom_id": "1", "inputs": {"q": "x"}}], "user": "alice"})
    schedule = operator.post(f"/apps/{app}/schedules", json={"cron": "@daily", "inputs": {"q": "x"}})
    ids = {"run_id": caller.run().json["workflow_run_id"], "batch_id": batch.json["id"], "schedule": schedule.json["id"]}
    secrets = {"key": made["api_key"], "webhook": answers[4].json["secret"]}
    return {"app": app, "version": "current", "name": "production", "key_id": answers[1].json["id"], **ids, **secrets}


def gets(operator: Operator) -> list[str]:
    paths = operator.client.get("/openapi.json").json["paths"]
    return [path for path, item in paths.items() if path.startswith("/admin/") and "get" in item]


def test_secrets_never_come_back(operator: Operator, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PENSTOCK_PROVIDER_DEEPSEEK_API_KEY", CANARY)
    known = fill(operator)
    first = operator.get(f"/apps/{known['app']}/versions")["data"][-1]["id"]
    paths = [re.sub(r"\{(\w+)\}", lambda found: known[found[1]], path) for path in gets(operator)]
    assert len(paths) > 12

    for path in [*paths, f"/admin/v1/apps/{known['app']}/versions/{first}/document"]:
        answer = operator.open("GET", path.removeprefix("/admin/v1"))
        assert answer.status_code == 200, path
        for secret in (CANARY, known["key"], known["webhook"], TOKEN):
            assert secret not in answer.text, path


def test_a_shown_document_can_be_imported_again_and_says_what_it_lacks(operator: Operator):
    app = operator.import_app(secretive())["app_id"]

    shown = operator.get(f"/apps/{app}/versions/current/document")

    assert "workflow.environment_variables.0.value" in shown["masked"]
    assert "sealed" not in shown["document"]
    assert operator.import_app(shown["document"])["warnings"][0]["code"] == "empty_secret"


def test_errors_do_not_repeat_what_is_secret(operator: Operator):
    app = operator.import_app(secretive())["app_id"]
    document = secretive()
    document["workflow"]["graph"]["nodes"][0]["data"]["type"] = "oracle"

    answers = [
        operator.post("/apps", data=text_of(document), content_type="application/yaml"),
        operator.put(f"/apps/{app}/environment/OTHER", json={"value": f"{CANARY}\0"}),
        operator.put(f"/apps/{app}/environment/OTHER", json={"value": CANARY * 40_000}),
        operator.put("/model-providers/openai", json={"api_key": f"{CANARY}ü"}),
        operator.put("/model-providers/openai", json={"api_key": CANARY, "base_url": f"ftp://ada:{CANARY}@x"}),
        operator.put("/tool-providers/search", json={"kind": "api", "document": API, "headers": {"X-Key": f"{CANARY}\n"}}),
        operator.post(f"/apps/{app}/keys", json={"token": f"{CANARY}ü"}),
    ]

    for answer in answers:
        assert answer.status_code == 400
        assert CANARY not in answer.text


def test_what_is_stored_of_a_document_has_no_secret(operator: Operator):
    operator.import_app(secretive())

    with operator.service.database.read() as session:
        [version] = session.query(Workflow).all()
    assert CANARY not in version.document
    assert CANARY in dumps(secretive())
