from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.engine.models import Answer, Delta
from worker.nodes.llm_reasoning import SEPARATED, TAGGED, separated, shown_as


def unheard(text):
    """Who does not listen to thoughts."""


def told(text, cuts=(), reasoning_format=SEPARATED):
    """What is shown of a text that arrives in pieces, and what is put out at its end."""
    heard = []
    shown = shown_as(reasoning_format, heard.append, unheard)
    places = [0, *sorted(cuts), len(text)]
    for start, end in pairwise(places):
        shown.take(Delta(text[start:end]))
    final = shown.finish(Answer(text))
    return "".join(heard), final


@pytest.mark.parametrize(
    ("text", "shown", "thoughts"),
    [
        ("Plain.", "Plain.", []),
        ("<think>a</think>Yes.", "Yes.", ["a"]),
        ("<THINK lang='x'>\na\n</Think >\n\nYes.", "Yes.", ["a"]),
        ("One <think>a</think>two<think>b</think> three", "One two three", ["a", "b"]),
        ("Yes. <think>never ends", "Yes.", ["never ends"]),
        ("a < b and <b>c</b> <thinker>", "a < b and <b>c</b> <thinker>", []),
        ("one\n\n<think>a</think>\n\n\ntwo", "one\n\ntwo", ["a"]),
        ("</think> alone", "</think> alone", []),
    ],
)
def test_thoughts_are_taken_out(text, shown, thoughts):
    assert separated(text) == (shown, thoughts)


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from(["<think>", "</think>", "<", "think", "a", " ", "\n", "<think x>", "</", ">"]), max_size=8).map("".join),
    st.lists(st.integers(0, 40), max_size=8),
)
def test_what_is_shown_does_not_depend_on_where_the_text_is_torn(text, cuts):
    places = [cut for cut in cuts if cut <= len(text)]
    assert told(text, places) == told(text)


@settings(max_examples=200)
@given(st.text(alphabet="<>/think a", max_size=30), st.integers(0, 30))
def test_what_is_shown_is_the_text_that_is_put_out_but_for_blanks(text, cut):
    heard, (final, _) = told(text, [min(cut, len(text))])
    assert "".join(heard.split()) == "".join(final.split())


def test_nothing_is_held_back_but_a_possible_tag():
    heard = []
    shown = shown_as(SEPARATED, heard.append, unheard)
    shown.take(Delta("Hello <th"))
    assert heard == ["Hello "]
    shown.take(Delta("e end"))
    assert "".join(heard) == "Hello <the end"


def test_a_tag_without_end_is_not_waited_for():
    heard = []
    shown = shown_as(SEPARATED, heard.append, unheard)
    shown.take(Delta("<think " + "x" * 500))
    assert "".join(heard) == "<think " + "x" * 500


def test_tagged_text_is_shown_as_it_is():
    assert told("<think>a</think>\n\nYes. ", [3, 9], TAGGED) == ("<think>a</think>\n\nYes. ", ("<think>a</think>\n\nYes. ", ""))


def test_a_field_of_thoughts_becomes_a_block_even_if_nothing_follows():
    heard = []
    shown = shown_as(TAGGED, heard.append, unheard)
    shown.take(Delta(reasoning="a"))
    shown.take(Delta(reasoning="b"))
    assert shown.finish(Answer("", "ab")) == ("<think>\nab\n</think>", "")
    assert "".join(heard) == "<think>\nab\n</think>"


def test_thoughts_are_heard_as_they_arrive_wherever_they_come_from():
    heard, thoughts = [], []
    shown = shown_as(SEPARATED, heard.append, thoughts.append)
    for delta in (Delta(reasoning="hm "), Delta("<thi"), Delta("nk>let me"), Delta(" see</th"), Delta("ink>Yes."), Delta(" Or no.")):
        shown.take(delta)
    assert (heard, thoughts) == (["Yes.", " Or no."], ["hm ", "let me", " see"])


def thoughts_told(deltas):
    heard, thoughts = [], []
    shown = shown_as(SEPARATED, heard.append, thoughts.append)
    for delta in deltas:
        shown.take(delta)
    text, reasoning = shown.finish(Answer("".join(delta.text for delta in deltas), "".join(delta.reasoning for delta in deltas)))
    return "".join(heard), "".join(thoughts), text, reasoning


pieces = st.lists(
    st.one_of(
        st.builds(Delta, text=st.sampled_from(["<think>", "</think>", "<th", "ink>", "</", "a", " ", "\n\n", "b"])),
        st.builds(Delta, reasoning=st.sampled_from(["hm", " ", "\n"])),
    ),
    max_size=10,
)


@settings(max_examples=200)
@given(pieces)
def test_all_that_arrives_is_told_as_text_or_as_thought(deltas):
    heard, thoughts, text, reasoning = thoughts_told(deltas)
    assert "".join(heard.split()) == "".join(text.split())
    assert sorted("".join(thoughts.split())) == sorted("".join(reasoning.split()))


@settings(max_examples=200)
@given(pieces)
def test_tagged_text_is_what_was_shown_and_every_block_is_closed(deltas):
    heard = []
    shown = shown_as(TAGGED, heard.append, unheard)
    for delta in deltas:
        shown.take(delta)
    text, reasoning = shown.finish(Answer("".join(delta.text for delta in deltas), "".join(delta.reasoning for delta in deltas)))
    assert ("".join(heard), reasoning) == (text, "")
    written = sum(delta.text.count("<think>") for delta in deltas)
    assert text.count("<think>\n") - text.count("\n</think>") in range(-len(deltas), written + 1)
