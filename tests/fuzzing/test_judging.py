"""What a campaign calls a fault: it would find none in a product that it cannot judge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest
import requests
import schemathesis
from schemathesis import APIOperation, BaseSchema, Response

from tests.fuzzing.enriching import Enriched
from tests.fuzzing.judging import faults
from tests.unit.app.serving import served

NOT_FOUND = {"code": "not_found", "message": "There is no such run.", "status": 404}


@pytest.fixture(scope="module")
def schema() -> BaseSchema:
    with served() as service:
        document = service.app.test_client().get("/openapi.json").json
    return schemathesis.openapi.from_dict(cast("dict[str, Any]", document), config=schemathesis.Config())


@dataclass(frozen=True, slots=True)
class Asking:
    operation: APIOperation

    def kinds(self, status: int, body: Any, kind: str = "application/json", *, is_stranger: bool = False) -> list[str]:
        """Faults of an answer that somebody might get."""
        case = self.operation.Case(path_parameters={"run_id": "x"})
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        prepared = requests.Request(case.method, "http://127.0.0.1:1/").prepare()
        headers: Mapping[str, list[str]] = {"content-type": [kind]}
        answer = Response(status, headers, content, prepared, elapsed=0.0, verify=False)
        sent = cast("Enriched", SimpleNamespace(case=case, path=self.operation.path, is_stranger=is_stranger))
        return [kind for kind, _ in faults(sent, answer)]


@pytest.fixture
def detail(schema: BaseSchema) -> Asking:
    return Asking(schema["/v1/workflows/run/{run_id}"]["GET"])


def test_a_refusal_as_it_should_be_is_none(detail: Asking) -> None:
    assert detail.kinds(404, NOT_FOUND) == []
    assert detail.kinds(401, {"code": "unauthorized", "message": "No.", "status": 401}, is_stranger=True) == []


@pytest.mark.parametrize("status", [500, 502, 503, 507])
def test_every_failure_of_the_server_is_one(detail: Asking, status: int) -> None:
    assert detail.kinds(status, {"code": "internal_server_error", "message": "Oh.", "status": status}) == [f"status {status}"]


def test_errors_are_held_to_their_form(detail: Asking) -> None:
    assert "error that is no JSON" in detail.kinds(404, b"<h1>Not found</h1>", "text/html")
    assert "error without its fields" in detail.kinds(404, {"code": "not_found", "message": "No."})
    assert "error that contradicts its status" in detail.kinds(404, {**NOT_FOUND, "status": 400})
    assert "error with an unknown code" in detail.kinds(404, {**NOT_FOUND, "code": "nothing_of_the_kind"})


def test_answers_are_held_to_the_document(detail: Asking) -> None:
    assert "Response violates schema" in detail.kinds(200, {"id": 7})
    assert "Undocumented Content-Type" in detail.kinds(200, b"hello", "text/plain")
    assert "Response violates schema" in detail.kinds(404, {**NOT_FOUND, "trace": "..."})


def test_an_answer_to_somebody_without_the_key_is_one(detail: Asking) -> None:
    assert "answers strangers" in detail.kinds(404, NOT_FOUND, is_stranger=True)


def test_a_stream_has_frames_with_objects(schema: BaseSchema) -> None:
    events = Asking(schema["/v1/workflow/{run_id}/events"]["GET"])

    assert events.kinds(200, b'event: ping\n\nid: 1\ndata: {"event": "x"}\n\ndata: {"ev', "text/event-stream") == []
    assert events.kinds(200, b"data: hello\n\n", "text/event-stream") == ["event that is no object"]
    assert events.kinds(200, b"hello\n\n", "text/event-stream") == ["stream of unknown lines"]
