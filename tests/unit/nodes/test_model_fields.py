"""nodes.md section 6.4: parameters and vision of nodes that ask a model."""

import pytest

from tests.unit.nodes.model_world import picture, pool_of
from worker.engine.errors import GraphError, NodeError
from worker.engine.models import ModelRef
from worker.engine.node import NodeSpec
from worker.nodes.fields import Fields
from worker.nodes.model_fields import read_model, read_vision


def fields(**data):
    return Fields.of(NodeSpec("n", "llm", "N", "1", data, path="workflow.graph.nodes[0]"))


def model(**data):
    read = fields(provider="openai", name="gpt", **data)
    choice = read_model(read)
    read.check()
    return choice


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (0.5, 0.5),
        ("0.5", "0.5"),
        ("json_object", "json_object"),
        ("{{#start.number#}}", 7),
        ("0.{{#start.number#}}", 0.7),
        ("{{#start.flag#}}", "True"),
        ("{{#start.word#}}", True),
        ("{{#start.gone#}}", "start.gone"),
        ("{{#start.text#}}", "x" * 1024),
        ("{{#start.odd#}}", "NaN"),
        ("[{{#start.number#}}]", "[7]"),
        ({"type": "{{#start.number#}}"}, {"type": "{{#start.number#}}"}),
    ],
)
def test_texts_with_placeholders_become_the_values_that_they_spell(value, sent):
    pool = pool_of(start={"number": 7, "flag": True, "word": "true", "text": "x" * 2000, "odd": "NaN"})
    assert model(completion_params={"p": value}).request([], pool).parameters == {"p": sent}


@pytest.mark.parametrize(("given", "stop"), [(None, ()), ("END", ("END",)), (["a", "", None, 1], ("a", "1")), ([], ())])
def test_stop_words_travel_apart_from_the_parameters(given, stop):
    request = model(completion_params={"stop": given, "top_p": None}).request([], pool_of())
    assert (request.stop, request.parameters) == (stop, {})


def test_a_model_may_be_blank_until_it_is_asked():
    assert read_model(fields()).ref == ModelRef("", "", "chat")


def test_a_wrong_mode_is_found():
    with pytest.raises(GraphError, match="must be one of chat, completion"):
        model(mode="image")


@pytest.mark.parametrize(
    ("value", "count"),
    [(None, 0), ([], 0), ([picture(), 1], 0), (picture(), 1), ([picture(), picture("b.png")], 2)],
)
def test_files_are_found_alone_and_in_lists(value, count):
    vision = read_vision(fields(enabled=True, configs={"variable_selector": ["start", "f"], "detail": "low"}))
    assert len(vision.files(pool_of(start={"f": value}))) == count
    assert vision.detail == "low"


def test_a_missing_variable_holds_no_files():
    assert read_vision(fields(enabled=True)).files(pool_of()) == []


def test_vision_that_is_off_looks_at_nothing():
    assert read_vision(fields(configs={"variable_selector": ["start", "f"]})).files(pool_of(start={"f": "text"})) == []


def test_vision_looks_at_the_files_of_the_run_unless_told_otherwise():
    assert read_vision(fields(enabled=True, configs=None)).files(pool_of(sys={"files": [picture()]})) == [picture()]


@pytest.mark.parametrize("value", ["a", 1, ["a"], {"a": 1}])
def test_what_is_no_file_is_refused(value):
    vision = read_vision(fields(enabled=True, configs={"variable_selector": ["start", "f"]}))
    with pytest.raises(NodeError, match="Invalid variable type") as caught:
        vision.files(pool_of(start={"f": value}))
    assert caught.value.error_type == "InvalidVariableTypeError"
