import json

import pytest

from app.dev_model.asked import Asked, Turn
from app.dev_model.prompted_json import prompted_value

CATEGORIES = [{"category_id": "1", "category_name": "Delivery of parcels"}, {"category_id": "2", "category_name": "Payment by card"}]


def value_for(*texts):
    roles = ["system", *["user"] * len(texts)] if len(texts) > 1 else ["user"]
    return prompted_value(Asked("dev", [Turn(role, text) for role, text in zip(roles, texts, strict=False)]))


def question(text):
    return json.dumps({"input_text": [text], "categories": CATEGORIES, "classification_instructions": []})


def test_a_classifier_gets_the_category_that_is_most_like_the_text():
    assert value_for(question("My card payment failed"))[0]["category_id"] == "2"
    found = value_for(question("Where are my parcels, what about delivery?"))[0]
    assert (found["category_id"], found["category_name"]) == ("1", "Delivery of parcels")
    assert set(found) == {"keywords", "category_id", "category_name"}


def test_a_classifier_without_a_likely_category_gets_the_first():
    assert value_for(question("zzz"))[0]["category_id"] == "1"


def test_examples_before_the_question_do_not_count():
    example = json.dumps({"input_text": ["x"], "categories": [{"category_id": "a", "category_name": "Other"}]})

    assert value_for(f"User: {example}\nUser: {question('payment')}")[0]["category_id"] == "2"


def test_a_schema_in_the_prompt_is_filled_in():
    schema = {"type": "object", "properties": {"count": {"type": "integer"}}}

    assert value_for(f"<schema>\n{json.dumps(schema)}\n</schema>\n<text>\nthree apples\n</text>") == ({"count": 1},)


def test_an_example_is_the_answer_where_json_is_asked_for():
    assert value_for('Answer in JSON like this: {"title": "A tale", "pages": 3}') == ({"title": "A tale", "pages": 3},)


def test_an_example_that_is_nearly_json_will_do():
    prompt = '以JSON格式返回, 返回示例如下:\n{\n "top": (first line; type: string),\n "bottom": (second line; type: string)\n}'

    assert value_for(prompt) == ({"top": "first line; type: string", "bottom": "second line; type: string"},)


def test_dots_of_an_example_stand_for_more():
    [value] = value_for('Return a JSON list:\n[{"chapter": "1", "contents": ["1.1 xxx", ...]}, ...]')

    assert value == [{"chapter": "1", "contents": ["1.1 xxx"]}]


def test_json_without_an_example_is_an_object():
    assert list(value_for("Reply with JSON only. What is 2 + 2?")[0]) == ["result"]


@pytest.mark.parametrize("text", ["Tell me a story.", "What does JSON stand for?", 'Translate: "a {curly} word"'])
def test_prose_is_answered_in_prose(text):
    assert value_for(text) is None


REACT = """Use these tools:
{"name": "clock", "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}}}
{"name": "weather", "parameters": {"type": "object", "properties": {}}}
Action: {"action": "NAME", "action_input": INPUT}. At the end use the action "Final Answer"."""


def test_an_agent_that_acts_in_text_uses_a_tool_then_answers():
    assert value_for(REACT, "What time is it?") == ({"action": "clock", "action_input": {"zone": "sample zone"}},)
    assert value_for(REACT, "Use weather") == ({"action": "weather", "action_input": {}},)
    assert value_for(REACT, "What time is it?\nObservation: noon")[0]["action"] == "Final Answer"
