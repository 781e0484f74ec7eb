import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.engine.masking import Masker, mask
from worker.engine.values import File, Secret

KEY = "sk-live-0123456789"
SHOWN = "sk-liv************89"


@pytest.mark.parametrize(
    ("secret", "shown"),
    [("", ""), ("a", "*" * 20), ("12345678", "*" * 20), ("123456789", "123456************89"), (KEY, SHOWN)],
)
def test_masked_form_of_a_secret(secret, shown):
    assert mask(secret) == shown


def test_each_occurrence_in_a_longer_text_is_masked():
    assert Masker([KEY]).text(f"GET /x?k={KEY}&again={KEY}") == f"GET /x?k={SHOWN}&again={SHOWN}"


def test_short_secrets_are_not_sought_in_texts_but_masked_where_typed():
    masker = Masker(["abc"])
    assert masker.text("abc of engines") == "abc of engines"
    assert masker.value({"key": Secret("abc")}) == {"key": "*" * 20}


def test_the_longest_of_overlapping_secrets_is_masked_whole():
    assert Masker(["token", "token-extended"]).text("token-extended, token") == "token-************ed, " + "*" * 20


@pytest.mark.parametrize("spelling", ['p@ss/w rd"', "p%40ss%2Fw%20rd%22", "p%40ss/w%20rd%22", "p%40ss%2Fw+rd%22", 'p@ss/w rd\\"'])
def test_secrets_are_found_as_urls_and_json_spell_them(spelling):
    assert Masker(['p@ss/w rd"']).text(f"<{spelling}>") == '<p@ss/w************d">'


@pytest.mark.parametrize(
    ("secret", "text", "shown"),
    [
        # What the next line of a JSON text or a path has in front of it does not hide a secret that begins with an n.
        ("nopass-word", "C:\\nopass-word", "C:\\nopass************rd"),
        ("sk-é-0123456789", "b'sk-\\xc3\\xa9-0123456789'", "b'sk-é-0************89'"),
        ("sk-é-0123456789", "'sk-\\xe9-0123456789'", "'sk-é-0************89'"),
        ("sk-🎉-0123456789", "sk-\\ud83c\\udf89-0123456789", "sk-🎉-0************89"),
        ("Sk-Live.Example", "no such host sk-live.example", "no such host Sk-Liv************le"),
        (" sk-0123456789\n", "<sk-0123456789>", "< sk-01************9\n>"),
        ("a\\b\\c\\d-0123", "a\\\\b\\\\c\\\\d-0123", "a\\b\\c\\************23"),
        ("\\\\\\\\", "<\\\\\\\\>", "<********************>"),
    ],
)
def test_other_spellings_are_found_too(secret, text, shown):
    assert Masker([secret]).text(text) == shown


#: Each puts a text into another one, as it stands there.
ENCODERS = {
    "JSON": lambda text: json.dumps(text)[1:-1],
    "readable JSON": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "query": lambda text: quote(text, safe=""),
    "path": quote,
    "form": quote_plus,
    "Python": lambda text: repr(text)[1:-1],
}


@given(st.text(min_size=7), st.lists(st.sampled_from(sorted(ENCODERS)), max_size=4))
@example("-----BEGIN\n+/=\r\n{\"a\": '\\'}", ["JSON", "query", "JSON", "Python"])
@example("%41%c3é\\u00e9\\", ["query", "form"])
def test_a_secret_is_found_however_often_it_was_encoded(middle, encoders):
    secret = spelled = f"A{middle}Z"
    for name in encoders:
        spelled = ENCODERS[name](spelled)

    assert Masker([secret]).text(f"<{spelled}> {secret}") == f"<{mask(secret)}> {mask(secret)}"


#: Made of what escapes are made of.
escapes = st.text(alphabet="ab%2541\\nuxUc3é+ ") | st.text()


@given(escapes, escapes)
def test_masking_changes_nothing_around_a_secret(before, after):
    assert Masker([KEY]).text(f"{before} {KEY} {after}") == f"{before} {SHOWN} {after}"


@pytest.mark.parametrize("piece", ["\\", "%25", "%", '\\"', "\\u", "\\xc3", "%e2%82", "a", "+"])
def test_hostile_texts_are_searched_in_one_pass(piece):
    """Patterns that go back and forth would take hours."""
    masker = Masker([piece * 5000 + "x", piece * 3 + "yyyy"])

    assert masker.text(piece * 100_000) == piece * 100_000


def test_values_are_masked_everywhere_and_files_kept():
    file = File("image", "tool_file", "a.png", ".png", "image/png", 1)
    masked = Masker([KEY]).value({"list": [f"Bearer {KEY}", 1, None, file], KEY: {"deep": Secret(KEY)}})
    assert masked == {"list": [f"Bearer {SHOWN}", 1, None, file], SHOWN: {"deep": SHOWN}}


def test_without_secrets_the_value_itself_is_answered():
    value = {"a": ["b"]}
    assert Masker(()).value(value) is value
