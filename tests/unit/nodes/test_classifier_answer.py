"""nodes.md section 6.9: how a model's choice is read."""

import pytest

from worker.engine.errors import NodeError
from worker.nodes.classifier_answer import read_answer

CHOICE = '{"keywords": ["k"], "category_id": "2", "category_name": "Sales"}'
READ = {"keywords": ["k"], "category_id": "2", "category_name": "Sales"}


@pytest.mark.parametrize(
    "text",
    [
        CHOICE,
        f"```json\n{CHOICE}\n```",
        f"```JSON\n{CHOICE}\n```",
        f"```\n{CHOICE}\n```",
        f"Sure!\n\n```json\n{CHOICE}\n```\nHope this helps.",
        f"```json\n{CHOICE}",
        f"The category is {CHOICE}.",
        f"[see below] {CHOICE}",
        f"[{CHOICE}]",
        f"```json\n[{CHOICE}]\n```",
        f"```json\nMy choice: {CHOICE}\n```",
        f"<think>It could be {{}} or [1].</think>\n{CHOICE}",
        f'<THINK depth="2">\n```json\n{{}}\n```\n</think>{CHOICE}<think>Done.</think>',
    ],
)
def test_the_object_is_found_whatever_stands_around_it(text):
    assert read_answer(text) == READ


def test_a_line_break_inside_a_text_is_taken():
    assert read_answer('{"category_name": "a\nb"}') == {"category_name": "a\nb"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "could not find json block in the output."),
        ("It is about sales.", "could not find json block in the output."),
        ("```json\nsales\n```", "could not find json block in the output."),
        ('{"category_id": "2"', "could not find json block in the output."),
        ("} and {", "could not find json block in the output."),
        (f"<think>{CHOICE}</think>Sales", "could not find json block in the output."),
        ("{category_id: 2}", "got invalid json object. error: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("[1, 2]", "got invalid return object. obj:[1, 2]"),
        ("```json\n[]\n```", "got invalid return object. obj:[]"),
        ("```json\n[1]\n```", "got invalid return object. obj:1"),
    ],
)
def test_an_answer_without_a_readable_object_fails(text, message):
    with pytest.raises(NodeError) as caught:
        read_answer(text)
    assert (str(caught.value), caught.value.error_type) == (message, "OutputParserError")


def test_endless_nesting_fails_like_any_broken_json():
    with pytest.raises(NodeError, match="got invalid json object"):
        read_answer("[" * 100_000 + "]")
