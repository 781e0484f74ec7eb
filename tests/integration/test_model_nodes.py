"""question-classifier and parameter-extractor against a model vendor on the network, in the words of OpenAI and of Anthropic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.services.models import DevModel
from tests.unit.nodes.model_world import context_of, picture, pool_of
from worker.engine.errors import NodeError
from worker.engine.models import ModelError
from worker.engine.node import NodeResult, NodeSpec
from worker.llm.calls import Timeouts
from worker.llm.gateway import ModelGateway
from worker.llm.prices import Prices
from worker.llm.providers import Providers
from worker.nodes.parameter_extractor import ParameterExtractorNode
from worker.nodes.question_classifier import QuestionClassifierNode

CLASSES = [{"id": "1", "name": "Delivery of parcels"}, {"id": "2", "name": "Questions about boats"}]
PARAMETERS = [
    {"name": "city", "type": "string", "description": "Where to", "required": True},
    {"name": "nights", "type": "number", "description": "How long", "required": True},
    {"name": "colour", "type": "select", "options": ["red", "blue"], "description": "Which", "required": False},
    {"name": "guests", "type": "array[object]", "description": "Who", "required": True},
    {"name": "breakfast", "type": "boolean", "description": "With breakfast", "required": False},
]

Ask = Callable[..., NodeResult]


@pytest.fixture(params=["openai", "openai_api_compatible", "anthropic"])
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def models(dev_model: DevModel) -> Iterator[ModelGateway]:
    settings = {
        "PENSTOCK_PROVIDER_OPENAI_API_KEY": "any",
        "PENSTOCK_PROVIDER_OPENAI_BASE_URL": dev_model.base_url,
        "PENSTOCK_PROVIDER_ANTHROPIC_API_KEY": "any",
        "PENSTOCK_PROVIDER_ANTHROPIC_BASE_URL": dev_model.url,
        "PENSTOCK_PROVIDER_DEFAULT_API_KEY": "any",
        "PENSTOCK_PROVIDER_DEFAULT_BASE_URL": dev_model.base_url,
    }
    with closing(ModelGateway(Providers(settings), Prices(), Timeouts(), retries=0)) as gateway:
        yield gateway


@pytest.fixture
def ask(models: ModelGateway, provider: str) -> Ask:
    """Runs a node of a class with its data, over the text of a user."""

    def run(node: type, text: str, name: str = "some-model", **data: Any) -> NodeResult:
        kind = "question-classifier" if node is QuestionClassifierNode else "parameter-extractor"
        model = {"provider": provider, "name": name, "mode": "chat", "completion_params": {"temperature": 0.1, "max_tokens": 500}}
        spec = NodeSpec("n", kind, "N", "1", {"model": model, **data})
        pool = pool_of(start={"q": text}, sys={"files": [picture()]})
        return node(spec).run(pool, context_of(models, contents={"a.png": b"\x89PNG"}))

    return run


def classify(ask: Ask, text: str, **data: Any) -> NodeResult:
    return ask(QuestionClassifierNode, text, query_variable_selector=["start", "q"], classes=CLASSES, **data)


def extract(ask: Ask, text: str, **data: Any) -> NodeResult:
    return ask(ParameterExtractorNode, text, query=["start", "q"], parameters=PARAMETERS, **data)


@pytest.mark.parametrize(
    ("text", "class_id"), [("My parcel has not come, what about its delivery?", "1"), ("Do boats have questions?", "2")]
)
def test_a_text_is_sorted(ask, text, class_id):
    result = classify(ask, text)
    assert (result.handle, result.outputs["class_id"]) == (class_id, class_id)
    assert result.total_tokens == result.outputs["usage"]["total_tokens"] > 0


def test_a_picture_travels_with_the_question(ask, dev_model):
    classify(ask, "Which boats?", vision={"enabled": True})
    (call,) = dev_model.calls()
    first, second = call["body"]["messages"][-1]["content"]
    assert first["type"].startswith("image")
    assert second["type"] == "text"


@pytest.mark.parametrize("mode", ["function_call", "prompt"])
def test_parameters_are_extracted(ask, dev_model, mode):
    result = extract(ask, "Two nights in Porto", reasoning_mode=mode)
    assert (result.outputs["__reason"], result.outputs["__is_success"]) == (None, 1)
    assert {name: type(result.outputs[name]) for name in ("city", "nights", "colour", "guests", "breakfast")} == {
        "city": str,
        "nights": float,
        "colour": str,
        "guests": list,
        "breakfast": bool,
    }
    assert (result.process_data["tool_call"] is not None) == (mode == "function_call")
    assert bool(dev_model.calls()[0]["body"].get("tools")) == (mode == "function_call")
    assert result.outputs["__usage"]["time_to_first_token"] is None


def test_a_vendor_that_refuses_fails_the_node_with_its_words(ask):
    with pytest.raises(ModelError, match="no more money"):
        classify(ask, '[[dev: status=402 message="no more money"]] boats')
    with pytest.raises(ModelError, match="no more money") as caught:
        extract(ask, '[[dev: status=402 message="no more money"]] Porto')
    assert caught.value.partial.outputs["__is_success"] == 0


def test_an_answer_that_is_no_json_fails_a_classifier_and_not_an_extractor(ask):
    with pytest.raises(NodeError, match="could not find json block") as caught:
        classify(ask, '[[dev: text="It floats."]]')
    assert caught.value.partial.total_tokens > 0
    result = extract(ask, '[[dev: text="It floats."]]', reasoning_mode="prompt")
    assert (result.outputs["__is_success"], result.outputs["city"], result.process_data["llm_text"]) == (0, "", "It floats.")
