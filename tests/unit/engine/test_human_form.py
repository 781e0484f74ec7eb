from typing import Any

import pytest

from worker.engine.errors import FormError
from worker.engine.human_form import FormAction, HumanForm
from worker.engine.values import File

UPLOAD = "0b1f5c3e-1111-4222-8333-444455556666"
PDF = File("document", "local_file", "cv.pdf", ".pdf", "application/pdf", 3, related_id=UPLOAD)

NOTE = {"type": "paragraph", "output_variable_name": "note", "default": None}
SOURCE = {"type": "constant", "selector": [], "value": ["red", "blue"]}
COLOUR = {"type": "select", "output_variable_name": "colour", "option_source": SOURCE}
RULES = {"allowed_file_types": ["document"], "allowed_file_extensions": [], "allowed_file_upload_methods": ["local_file"]}
CV = {"type": "file", "output_variable_name": "cv", **RULES}
PAPERS = {"type": "file-list", "output_variable_name": "papers", "number_limits": 2, **RULES}

GIVEN = {"type": "document", "transfer_method": "local_file", "upload_file_id": UPLOAD}


def form(*inputs: dict[str, Any], content: str = "Hi") -> HumanForm:
    return HumanForm(content, inputs, [FormAction("yes", "Yes, please"), FormAction("no", "No", "ghost")], True, {"note": "so far"})


def resolve(mapping: Any) -> File:
    assert mapping["upload_file_id"] == UPLOAD
    return PDF


def test_an_answer_gives_the_values_of_the_form_alone_in_its_order() -> None:
    values = form(NOTE, COLOUR).prepare("yes", {"other": 1, "colour": "red", "note": "a\0b"}, resolve)

    assert list(values.items()) == [("note", "ab"), ("colour", "red")]


def test_files_become_file_values() -> None:
    values = form(CV, PAPERS).prepare("yes", {"cv": GIVEN, "papers": [GIVEN, GIVEN]}, resolve)

    assert values == {"cv": PDF, "papers": [PDF, PDF]}


@pytest.mark.parametrize(
    ("action", "inputs", "message"),
    [
        ("maybe", {"note": "x"}, "Invalid action: maybe"),
        ("", {"note": "x"}, "Invalid action: "),
        ("yes", {}, "Missing required inputs: note, colour"),
        ("yes", {"note": None, "colour": "red"}, "Missing required inputs: note"),
        ("yes", {"note": 7, "colour": "red"}, "(type 'paragraph') note in input form must be a string"),
        ("yes", {"note": "", "colour": "green"}, "colour in input form must be one of the following: ['red', 'blue']"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(action: str, inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(FormError) as refused:
        form(NOTE, COLOUR).prepare(action, inputs, resolve)

    assert refused.value.message == message


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"cv": "a.pdf", "papers": []}, "cv in input form must be a file"),
        ({"cv": {**GIVEN, "type": "image"}, "papers": []}, "Detected file type does not match"),
        ({"cv": GIVEN, "papers": [GIVEN] * 3}, "papers in input form must be less than 2 files"),
    ],
)
def test_files_are_checked_as_those_of_a_start_form(inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(FormError, match=message):
        form(CV, PAPERS).prepare("yes", inputs, resolve)


def test_the_content_shows_the_answers_in_their_places() -> None:
    shown = form(content="{{#$output.note#}}: {{#$output.cv#}}, {{#$output.papers#}}, {{#$output.none#}}.")

    assert shown.rendered({"note": "fine", "cv": PDF, "papers": [PDF, PDF]}) == "fine: [file], [2 files], ."


def test_a_form_survives_as_json() -> None:
    made = form(NOTE, PAPERS)

    assert HumanForm.from_json(made.to_json()).to_json() == made.to_json()
    assert made.actions_json()[1] == {"id": "no", "title": "No", "button_style": "ghost"}
