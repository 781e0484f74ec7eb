"""The rules of input forms in `api-examples.json`, by way of a whole request."""

import json
from pathlib import Path

import pytest

from tests.unit.app.serving import Service, form, served
from worker.engine.ports import OutboundResponse

EXAMPLES = json.loads((Path(__file__).resolve().parents[2] / "data" / "api-examples.json").read_text("utf-8"))


class Anything:
    """A web where every address answers."""

    def send(self, request, cancellation) -> OutboundResponse:
        return OutboundResponse(200, {}, b"", request.url)


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory):
    with served(http=Anything()) as made:
        yield made


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in EXAMPLES["input_validation"]])
def test_an_input_is_accepted_or_refused(service: Service, case: dict):
    caller = service.publish(form(case["variable"]))
    name = case["variable"]["variable"]

    answer = caller.run({} if case.get("absent") else {name: case["value"]})

    if case["accepted"]:
        value = answer.json["data"]["outputs"][name]
        assert (value, type(value)) == (case["normalised"], type(case["normalised"]))
    else:
        assert (answer.status_code, answer.json["code"]) == (case["error"]["status"], case["error"]["code"])
        assert case["error"]["message_contains"] in answer.json["message"]
