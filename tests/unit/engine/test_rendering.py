import pytest

from worker.engine.rendering import log_of, markdown_of, text_of
from worker.engine.values import File, Secret

PICTURE = File("image", "local_file", "cat.png", ".png", "image/png", 70, related_id="f1")
NAMELESS = File("document", "remote_url", "", "", "text/plain", -1, remote_url="https://files.example/x")
KEY = Secret("sk-live-0123456789")


def signed(file):
    return f"https://penstock.example/{file.related_id}"


@pytest.mark.parametrize(
    ("value", "text", "markdown", "log"),
    [
        (None, "", "", ""),
        ("a\nb", "a\nb", "a\nb", "a\nb"),
        (KEY, "sk-live-0123456789", "sk-live-0123456789", "sk-liv************89"),
        (42, "42", "42", "42"),
        (1.0, "1.0", "1.0", "1.0"),
        (0.1, "0.1", "0.1", "0.1"),
        (1e22, "1e+22", "1e+22", "1e+22"),
        (1e-7, "1e-07", "1e-07", "1e-07"),
        (True, "True", "True", "True"),
        (False, "False", "False", "False"),
        ({}, "{}", "{}", "{}"),
        ({"a": [1, None], "é": "x"}, '{"a": [1, null], "é": "x"}', '{\n  "a": [\n    1,\n    null\n  ],\n  "é": "x"\n}', None),
        ([], "", "", "[]"),
        (["a", "é"], '["a", "é"]', "- a\n- é", "['a', 'é']"),
        ([1, 2.5], "[1, 2.5]", "- 1\n- 2.5", "[1, 2.5]"),
        ([True], "[True]", "- True", "[True]"),
        ([{"a": 1, "b": None}], "[{'a': 1, 'b': None}]", "- {'a': 1, 'b': None}", "[{'a': 1, 'b': None}]"),
        (["a", None], "['a', None]", "- a\n- None", "['a', None]"),
        (PICTURE, "", "![cat.png](https://penstock.example/f1)", ""),
        (NAMELESS, "", "[https://files.example/x](https://files.example/x)", ""),
        ([PICTURE, NAMELESS], "", "![cat.png](https://penstock.example/f1)\n[https://files.example/x](https://files.example/x)", ""),
    ],
)
def test_renderings_of_each_type(value, text, markdown, log):
    assert text_of(value, signed) == text
    assert markdown_of(value, signed) == markdown
    assert log_of(value, signed) == (markdown if log is None else log)


def test_files_inside_an_object_show_as_their_mapping():
    assert '"filename": "cat.png"' in text_of({"file": PICTURE}, signed)
    assert '"url": "https://penstock.example/f1"' in text_of({"file": PICTURE}, signed)


def test_secrets_inside_collections_are_plain_in_texts_and_masked_in_logs():
    assert text_of([{"key": KEY}], signed) == "[{'key': 'sk-live-0123456789'}]"
    assert log_of([{"key": KEY}], signed) == "[{'key': 'sk-liv************89'}]"
    assert KEY not in log_of({"key": KEY}, signed)


def test_a_rendered_secret_is_ordinary_text():
    assert type(text_of(KEY, signed)) is str
