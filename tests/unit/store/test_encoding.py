"""JSON and text as the database keeps them."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.engine.variables import File
from worker.store.encoding import clean_text, dumps, loads

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(VALUES)
def test_every_value_comes_back_as_it_was(value: Any) -> None:
    assert loads(dumps(value)) == value


@given(VALUES)
def test_every_text_is_json_for_any_reader(value: Any) -> None:
    assert json.loads(dumps(value)) == value


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**64), 10**100])
def test_integers_keep_every_digit(number: int) -> None:
    assert loads(dumps({"n": [number]})) == {"n": [number]}


def test_nul_stays_in_json_but_not_as_a_character() -> None:
    assert "\0" not in dumps("a\0b")
    assert loads(dumps("a\0b")) == "a\0b"


@pytest.mark.parametrize("value", ["a\ud800b", {"\udfff": 1}, ["\ud800", 2**70]])
def test_lone_surrogates_are_replaced(value: Any) -> None:
    text = dumps(value)

    text.encode()
    assert "\ufffd" in str(loads(text))


def test_numbers_that_json_does_not_know_become_null() -> None:
    assert loads(dumps([math.nan, math.inf, 2**70])) == [None, None, 2**70]
    assert loads(dumps([math.nan, -math.inf])) == [None, None]


def test_keys_become_text() -> None:
    assert loads(dumps({1: "a", None: "b"})) == {"1": "a", "None": "b"}


def test_deep_values_are_kept() -> None:
    value: list = []
    for _ in range(400):
        value = [value]

    assert loads(dumps(value)) == value


def test_a_file_that_was_not_turned_into_its_mapping_is_refused() -> None:
    with pytest.raises(TypeError):
        dumps({"file": File("image", "local_file", "a.png", ".png", "image/png", 1)})


def test_clean_text_holds_neither_nul_nor_surrogates() -> None:
    assert clean_text("a\0b\ud800c") == "a\ufffdb\ufffdc"
    assert clean_text("\ud83d\ude80 ü") == "🚀 ü"
