"""Rules of input forms, one by one: what a value becomes, or why it is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.acceptance.examples import EXAMPLES, USER, cases
from tests.services import documents
from tests.services.client import RUN
from tests.services.penstock import ImportedApp, Server


@pytest.fixture(scope="module")
def forms(server: Server) -> dict[str, ImportedApp]:
    """An app for each distinct variable of the input cases, by the variable as JSON."""
    variables = {json.dumps(case["variable"]): case["variable"] for case in EXAMPLES["input_validation"]}
    made = [form_document(number, variable) for number, variable in enumerate(variables.values())]
    return dict(zip(variables, server.import_documents(made), strict=True))


def form_document(number: int, variable: dict[str, Any]) -> documents.Document:
    name = variable["variable"]
    return documents.chain(f"form{number}", [documents.start(variable), documents.end(value=["start", name])])


@pytest.mark.parametrize("case", cases("input_validation"))
def test_input_is_accepted_or_refused(server, forms, shared_counting, case):
    name = case["variable"]["variable"]
    inputs = {} if case.get("absent") else {name: here(case["value"], shared_counting.url)}

    with server.client(forms[json.dumps(case["variable"])]) as client:
        answer = client.http.post(RUN, json={"inputs": inputs, "user": USER})

    if case["accepted"]:
        assert answer.json()["data"]["outputs"] == {"value": case["normalised"]}
        assert type(answer.json()["data"]["outputs"]["value"]) is type(case["normalised"])
    else:
        assert (answer.status_code, answer.json()["code"]) == (case["error"]["status"], case["error"]["code"])
        assert case["error"]["message_contains"] in answer.json()["message"]


def here(value: Any, url: str) -> Any:
    """The value with its remote files on this machine: the tests need no internet."""
    return json.loads(json.dumps(value).replace("https://example.com", url))
