"""Scores are the same whatever database found the passages."""

import math
from collections import Counter

import pytest

from worker.knowledge.scoring import keyword_scores, nearness, pack


def scores(query, *passages):
    return keyword_scores(query.split(), [Counter(passage.split()) for passage in passages])


def test_more_terms_of_the_query_score_higher():
    both, one, none = scores("late refund", "late refund x", "late x", "x y")

    assert 1 > both > 0.7 > one > none == 0


def test_a_rare_term_weighs_more_than_a_common_one():
    common, rare, *_ = scores("the refund", "the a", "refund a", "the b", "the c", "the d")

    assert rare > 2 * common


def test_a_repeated_term_adds_little():
    once, often = scores("refund", "refund", "refund " * 50)

    assert once < often < 1.3 * once


def test_no_query_and_no_passages_score_nothing():
    assert scores("", "a b") == [0.0]
    assert scores("a") == []


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [([1, 0], [2, 0], 1.0), ([1, 0], [1, 1], math.sqrt(0.5)), ([1, 0], [0, 5], 0.0), ([1, 0], [-1, 0], 0.0), ([0, 0], [1, 0], 0.0)],
)
def test_nearness_is_that_of_directions(left, right, expected):
    assert nearness(pack(left), pack(right)) == pytest.approx(expected, abs=1e-6)


def test_vectors_of_different_models_are_not_near():
    assert nearness(pack([1, 0]), pack([1, 0, 0])) == 0.0
