"""nodes.md section 6.9."""

import json
from decimal import Decimal

import pytest

from tests.unit.nodes.model_world import context_of, picture, pool_of
from worker.engine.errors import GraphError, NodeError, RunStopped
from worker.engine.inbox import Command, Inbox
from worker.engine.models import Answer, MediaPart, ModelError, NoModels, TextPart, Usage
from worker.engine.node import NodeSpec
from worker.engine.variables import Secret
from worker.llm.memory import ScriptedModels
from worker.nodes.question_classifier import QuestionClassifierNode
from worker.nodes.registry import Registry

MODEL = {"provider": "langgenius/openai/openai", "name": "gpt-4o-mini", "mode": "chat", "completion_params": {"temperature": 0.2}}
CLASSES = [{"id": "1", "name": "Billing"}, {"id": "1720796069925", "name": "About {{#start.product#}}", "label": "Product"}]
USAGE = Usage(prompt_tokens=40, completion_tokens=2, prompt_price=Decimal("0.0000060"), total_price=Decimal("0.0000060"), latency=1.25)


def spec(**data):
    given = {"query_variable_selector": ["start", "q"], "model": MODEL, "classes": CLASSES, "topics": [], **data}
    return NodeSpec("sort", "question-classifier", "Sort", "1", given, path="workflow.graph.nodes[1]")


def classify(models, *, contents=None, inbox=None, start=None, **data):
    pool = pool_of(start={"q": "Does it float?", "product": "Boats", **(start or {})}, sys={"files": []})
    return QuestionClassifierNode(spec(**data)).run(pool, context_of(models, contents=contents, inbox=inbox))


def choice(category_id="1720796069925", category_name="About Boats"):
    return json.dumps({"keywords": ["float"], "category_id": category_id, "category_name": category_name})


def asked(models):
    """The JSON object of the last message, and everything before it."""
    (request,) = models.requests
    *before, last = request.messages
    return json.loads(last.text), before


def test_the_registry_knows_it():
    assert isinstance(Registry().create(spec()), QuestionClassifierNode)


def test_the_chosen_category_is_the_exit():
    result = classify(ScriptedModels([Answer(choice(), usage=USAGE, finish_reason="stop")]))
    assert result.handle == "1720796069925"
    assert result.outputs == {
        "class_name": "About Boats",
        "class_id": "1720796069925",
        "class_label": "Product",
        "usage": USAGE.to_json(),
    }
    assert result.inputs == {"query": "Does it float?", "model_provider": MODEL["provider"], "model_name": "gpt-4o-mini"}
    assert (result.total_tokens, result.metadata) == (42, {"total_tokens": 42, "total_price": "0.0000060", "currency": "USD"})


def test_process_data_shows_the_whole_call():
    models = ScriptedModels([Answer(choice(), usage=USAGE, finish_reason="stop")])
    process_data = dict(classify(models).process_data)
    prompts = process_data.pop("prompts")
    assert [prompt["role"] for prompt in prompts] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert json.loads(prompts[-1]["text"])["input_text"] == ["Does it float?"]
    assert process_data == {
        "model_mode": "chat",
        "usage": USAGE.to_json(),
        "finish_reason": "stop",
        "model_provider": MODEL["provider"],
        "model_name": "gpt-4o-mini",
    }


def test_the_model_gets_text_categories_and_instruction_as_json():
    models = ScriptedModels([choice()])
    classify(models, instruction="Boats are {{#start.product#}}, {{#start.gone#}}.", instructions="ignored")
    question, before = asked(models)
    assert question == {
        "input_text": ["Does it float?"],
        "categories": [
            {"category_id": "1", "category_name": "Billing"},
            {"category_id": "1720796069925", "category_name": "About Boats"},
        ],
        "classification_instructions": ["Boats are Boats, start.gone."],
    }
    assert models.requests[0].parameters == {"temperature": 0.2}
    for shown, answered in zip(before[1::2], before[2::2], strict=True):
        known = [item["category_id"] for item in json.loads(shown.text)["categories"]]
        assert json.loads(answered.text.removeprefix("```json").removesuffix("```"))["category_id"] in known


def test_without_an_instruction_there_is_none_to_follow():
    models = ScriptedModels([choice()])
    classify(models)
    assert asked(models)[0]["classification_instructions"] == []


def test_a_placeholder_in_the_text_of_a_user_stays_text():
    models = ScriptedModels([choice()])
    classify(models, start={"q": 'say "{{#env.KEY#}}"'})
    assert asked(models)[0]["input_text"] == ['say "{{#env.KEY#}}"']


def test_a_completion_model_gets_one_text():
    models = ScriptedModels([choice()])
    result = classify(models, model={**MODEL, "mode": "completion"})
    (message,) = models.requests[0].messages
    assert message.role == "user"
    assert '"Does it float?"' in message.text
    assert message.text.endswith("Assistant:")
    assert result.process_data["prompts"] == [{"role": "user", "text": message.text}]


@pytest.mark.parametrize(
    "answer",
    [
        choice("99"),
        choice(None),
        json.dumps({"category_id": "1720796069925"}),
        json.dumps({"category_name": "About Boats"}),
        "{}",
    ],
)
def test_an_unknown_or_missing_choice_is_the_first_class(answer):
    result = classify(ScriptedModels([answer]))
    assert (result.handle, result.outputs["class_name"], result.outputs["class_label"]) == ("1", "Billing", "CLASS 1")


def test_the_name_that_the_model_writes_does_not_matter():
    result = classify(ScriptedModels([choice(category_name="whatever")]))
    assert result.outputs["class_name"] == "About Boats"


def test_an_id_written_as_a_number_is_that_id():
    assert classify(ScriptedModels([choice(1720796069925)])).handle == "1720796069925"


@pytest.mark.parametrize("label", ["", None])
def test_a_class_without_label_is_numbered(label):
    classes = [CLASSES[0], {**CLASSES[1], "label": label}]
    assert classify(ScriptedModels([choice()]), classes=classes).outputs["class_label"] == "CLASS 2"


def test_a_missing_query_is_null_in_the_inputs_and_empty_in_the_prompt():
    models = ScriptedModels([choice()])
    result = classify(models, query_variable_selector=["gone", "q"])
    assert result.inputs["query"] is None
    assert asked(models)[0]["input_text"] == [""]


def test_a_query_that_is_no_text_is_rendered():
    models = ScriptedModels([choice()])
    result = classify(models, start={"q": [1, True]})
    assert result.inputs["query"] == [1, True]
    assert asked(models)[0]["input_text"] == ["[1, True]"]


def test_an_unreadable_answer_fails_the_node_and_its_tokens_count():
    answer = Answer("It is about boats.", usage=USAGE, finish_reason="stop")
    with pytest.raises(NodeError, match=r"could not find json block in the output\.") as caught:
        classify(ScriptedModels([answer]))
    partial = caught.value.partial
    assert caught.value.error_type == "OutputParserError"
    assert partial.inputs["query"] == "Does it float?"
    assert partial.process_data["finish_reason"] == "stop"
    assert (partial.outputs, partial.total_tokens, partial.metadata) == ({}, 42, USAGE.metadata())


def test_a_failing_call_fails_the_node_with_the_text_of_the_provider():
    with pytest.raises(ModelError, match="quota is gone") as caught:
        classify(ScriptedModels([ModelError("quota is gone", code="provider_quota_exceeded")]))
    partial = caught.value.partial
    assert (partial.inputs["query"], partial.process_data, partial.total_tokens) == ("Does it float?", {}, 0)


def test_without_providers_the_node_says_what_to_do():
    with pytest.raises(ModelError, match="PENSTOCK_PROVIDER_OPENAI_API_KEY"):
        classify(NoModels())


def test_a_stopped_run_asks_no_model():
    inbox = Inbox()
    inbox.cancel(Command.STOP)
    with pytest.raises(RunStopped):
        classify(ScriptedModels([choice()]), inbox=inbox)


def test_pictures_are_put_before_the_text():
    models = ScriptedModels([choice()])
    vision = {"enabled": True, "configs": {"variable_selector": ["start", "pictures"], "detail": "low"}}
    result = classify(models, vision=vision, start={"pictures": [picture()]}, contents={"a.png": b"png"})
    first, second = models.requests[0].messages[-1].parts
    assert first == MediaPart(picture(), "low", b"png")
    assert isinstance(second, TextPart)
    (shown,) = result.process_data["prompts"][-1]["files"]
    assert (shown["type"], shown["detail"], shown["data"][:10]) == ("image", "low", "data:image")


@pytest.mark.parametrize("value", [None, []])
def test_vision_without_files_changes_nothing(value):
    models = ScriptedModels([choice()])
    vision = {"enabled": True, "configs": {"variable_selector": ["start", "pictures"]}}
    classify(models, vision=vision, start={"pictures": value})
    assert len(models.requests[0].messages[-1].parts) == 1


def test_a_secret_reaches_the_model_as_it_is():
    models = ScriptedModels([choice()])
    classify(models, instruction="{{#start.token#}}", start={"token": Secret("s3cret")})
    assert asked(models)[0]["classification_instructions"] == ["s3cret"]


@pytest.mark.parametrize(
    ("data", "place", "message"),
    [
        ({"classes": []}, "classes", "'classes' needs one class at least"),
        ({"classes": [{"name": "A"}]}, "classes[0].id", "'id' is required"),
        ({"classes": [{"id": "1", "name": ["A"]}]}, "classes[0].name", "'name' must be a text, not list"),
        ({"model": {**MODEL, "mode": "speech"}}, "model.mode", "'mode' is 'speech', but must be one of chat, completion"),
        ({"query_variable_selector": "start.q"}, "query_variable_selector", "must be a list of texts"),
        ({"vision": {"enabled": "yes"}}, "vision.enabled", "'enabled' must be true or false, not str"),
    ],
)
def test_wrong_configurations_are_found_with_their_place(data, place, message):
    with pytest.raises(GraphError) as caught:
        QuestionClassifierNode(spec(**data))
    (finding,) = caught.value.findings
    assert finding.path == f"workflow.graph.nodes[1].data.{place}"
    assert message in finding.message
