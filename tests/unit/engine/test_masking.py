import pytest

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


def test_values_are_masked_everywhere_and_files_kept():
    file = File("image", "tool_file", "a.png", ".png", "image/png", 1)
    masked = Masker([KEY]).value({"list": [f"Bearer {KEY}", 1, None, file], KEY: {"deep": Secret(KEY)}})
    assert masked == {"list": [f"Bearer {SHOWN}", 1, None, file], SHOWN: {"deep": SHOWN}}


def test_without_secrets_the_value_itself_is_answered():
    value = {"a": ["b"]}
    assert Masker(()).value(value) is value
