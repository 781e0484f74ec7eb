"""Model servers that fail in every way there is, through the whole product: each run ends, and says why (nodes.md sections 4.5 and 6.4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.services import documents
from tests.services.client import Event
from tests.services.models import DevModel
from tests.services.penstock import ImportedApp, Server

#: Patience of the deployment with its models.
SETTINGS = {"PENSTOCK_MODEL_FIRST_TOKEN_TIMEOUT": "0.5", "PENSTOCK_MODEL_TOKEN_TIMEOUT": "0.5", "PENSTOCK_MODEL_RETRIES": "1"}

#: Script of the server -> words of the error, type of the error, pieces that readers had seen by then, calls.
FAULTS: dict[str, tuple[str, str, int, int]] = {
    "hang": ("did not begin to answer within 0.5 seconds", "InvokeConnectionError", 0, 1),
    "hang_after=2": ("fell silent for 0.5 seconds", "InvokeConnectionError", 2, 1),
    "drop": ("http://127.0.0.1:", "InvokeConnectionError", 0, 2),
    "drop_after=2": ("peer closed connection", "InvokeConnectionError", 2, 1),
    "close_after_headers": ("http://127.0.0.1:", "InvokeConnectionError", 0, 2),
    "garbage": ("cannot be understood", "InvokeServerUnavailableError", 0, 1),
    "garbage_after=2": ("cannot be understood", "InvokeServerUnavailableError", 2, 1),
    "error_after=2": ("The script wants an error.", "InvokeServerUnavailableError", 2, 1),
    "status=429 retry_after=0": ("The script wants status 429.", "InvokeRateLimitError", 0, 2),
    "status=429 retry_after=3600": ("The script wants status 429.", "InvokeRateLimitError", 0, 1),
    "status=503": ("The script wants status 503.", "InvokeServerUnavailableError", 0, 2),
}


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory, shared_dev_model: DevModel) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("impatient"), **shared_dev_model.settings, **SETTINGS) as server:
        yield server


@pytest.fixture(scope="module")
def apps(impatient: Server) -> dict[str, ImportedApp]:
    """The same question, asked by nodes that take a failure differently."""
    instead = {"error_strategy": "default-value", "default_value": [{"key": "text", "type": "string", "value": "instead"}]}
    again = {"retry_config": {"retry_enabled": True, "max_retries": 2, "retry_interval": 100}}
    kinds: dict[str, dict[str, Any]] = {"fails": {}, "instead": instead, "again": again}
    imported = impatient.import_documents([documents.asking(name, **more) for name, more in kinds.items()])
    return dict(zip(kinds, imported, strict=True))


def streamed(server: Server, app: ImportedApp, script: str) -> list[Event]:
    with server.client(app) as client:
        return client.stream({"query": f"[[dev: {script}]]"})


def data_of(events: list[Event], kind: str, node_id: str) -> list[dict[str, Any]]:
    return [event["data"] for event in events if event["event"] == kind and event["data"].get("node_id") == node_id]


def pieces(events: list[Event]) -> list[str]:
    return [event["data"]["text"] for event in events if event["event"] == "text_chunk" and event["data"]["text"]]


@pytest.mark.parametrize("script", FAULTS)
def test_a_run_whose_model_fails_ends_with_the_reason(impatient, apps, dev_model, script):
    words, _, told, calls = FAULTS[script]

    events = streamed(impatient, apps["fails"], script)

    (node,) = data_of(events, "node_finished", "ask")
    assert (events[-1]["event"], events[-1]["data"]["status"], node["status"]) == ("workflow_finished", "failed", "failed")
    assert words in node["error"]
    assert events[-1]["data"]["error"] == node["error"]
    assert len(pieces(events)) == told
    assert len(dev_model.calls()) == calls


@pytest.mark.parametrize("script", FAULTS)
def test_a_node_with_a_default_value_goes_on_with_it(impatient, apps, script):
    words, kind, *_ = FAULTS[script]

    events = streamed(impatient, apps["instead"], script)

    (node,) = data_of(events, "node_finished", "ask")
    assert (node["status"], node["outputs"]["text"], node["outputs"]["error_type"]) == ("exception", "instead", kind)
    assert words in node["outputs"]["error_message"]
    assert (events[-1]["data"]["status"], events[-1]["data"]["outputs"]) == ("partial-succeeded", {"answer": "instead"})


@pytest.mark.parametrize("script", ["drop_after=2", "hang_after=2", "garbage"])
def test_a_node_that_may_try_again_does(impatient, apps, script):
    """The provider itself is not asked again for these: of some a part was heard, and garbage stays garbage."""
    events = streamed(impatient, apps["again"], f"{script} times=2 tokens=5")

    (node,) = data_of(events, "node_finished", "ask")
    assert (node["status"], len(node["outputs"]["text"].split())) == ("succeeded", 5)
    assert events[-1]["data"]["outputs"]["answer"] == node["outputs"]["text"]
    assert [retry["retry_index"] for retry in data_of(events, "node_retry", "ask")] == [1, 2]


def test_a_provider_is_left_alone_for_as_long_as_it_asks(impatient, apps, dev_model):
    events = streamed(impatient, apps["fails"], 'status=429 retry_after=1 times=1 text="Here."')

    assert events[-1]["data"]["outputs"] == {"answer": "Here."}
    refused, answered = dev_model.calls()
    assert answered["began_at"] - refused["ended_at"] >= 1.0


@pytest.mark.parametrize("script", ["hang", "tokens=100000 delay_ms=20", "status=429 retry_after=20"])
def test_a_stop_ends_whatever_the_model_is_at(server, dev_model, script):
    app = server.import_document(documents.asking("stopped"))
    with server.client(app) as client, client.open({"query": f"[[dev: {script}]]"}) as events:
        first = next(events)
        dev_model.wait_for_calls("complete" if "status" in script else "open")
        client.stop(first["task_id"])
        *_, last = events
    assert last["data"]["status"] == "stopped"
    if "status" not in script:
        dev_model.wait_for_calls("hung up")
    assert len(dev_model.calls()) == 1
