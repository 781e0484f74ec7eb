import pytest

from worker.nodes.extractor_answer import find_object


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": 1}', {"a": 1}),
        ('Here it is:\n```json\n{"a": {"b": [1, 2]}}\n```\nAnything else?', {"a": {"b": [1, 2]}}),
        ('{"a": "}"} {"a": 2}', {"a": "}"}),
        ('[note] {"a": 1}', {"a": 1}),
        ('[{"a": 1}, {"a": 2}]', {"a": 1}),
        ('{city: "Rome"} or {"city": "Rome"}', {"city": "Rome"}),
        ('{"items": [{"a": 1}, {"a": ', {"a": 1}),
        ('{"text": "first line\nsecond line"}', {"text": "first line\nsecond line"}),
        ('{"a": NaN} {"a": 3}', {"a": 3}),
        ("{}", {}),
        ("", None),
        ("nothing to see", None),
        ("[1, 2, 3]", None),
        ('{"a": 1', None),
        ("[" * 3000, None),
        ('{"a":' * 3000, None),
    ],
)
def test_the_first_whole_object_is_found(text, found):
    assert find_object(text) == found
