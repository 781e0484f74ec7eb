import pytest

from worker.engine.topology import cycles, reachable
from worker.engine.workflow import EdgeSpec


def edges(text):
    return [EdgeSpec(*pair.split(">")) for pair in text.split()]


def ids(text):
    return sorted({node_id for edge in edges(text) for node_id in (edge.source, edge.target)})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("a>b b>c a>c", []),
        ("a>b a>b", []),
        ("a>a", [["a"]]),
        ("a>b b>a", [["a", "b"]]),
        # What leads to a cycle, from one, or from one to the next is on none.
        ("a>b b>c c>d d>b d>e", [["b", "c", "d"]]),
        ("a>b b>a b>x x>c c>d d>c", [["a", "b"], ["c", "d"]]),
        ("c>d d>c a>b b>a", [["a", "b"], ["c", "d"]]),
    ],
)
def test_cycles_are_found_and_nothing_else(text, found):
    assert list(cycles(ids(text), edges(text))) == found


def test_a_long_chain_and_a_long_cycle_are_no_problem():
    chain = [EdgeSpec(f"n{index}", f"n{index + 1}") for index in range(1000)]
    names = [f"n{index}" for index in range(1001)]
    assert list(cycles(names, chain)) == []
    (cycle,) = cycles(names, [*chain, EdgeSpec("n1000", "n0")])
    assert len(cycle) == 1001


@pytest.mark.parametrize(
    ("text", "entries", "found"),
    [
        ("a>b b>c x>y", {}, "abc"),
        ("a>b a>c b>d c>d", {}, "abcd"),
        ("a>b x>y", {"b": "x"}, "abxy"),
        ("a>b", {"b": "ghost"}, "ab"),
        ("a>b b>a", {}, "ab"),
    ],
)
def test_what_a_run_reaches(text, entries, found):
    assert reachable(["a"], ids(text), edges(text), entries) == set(found)
