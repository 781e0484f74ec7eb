"""What a node costs the engine, in instructions of the interpreter: unlike seconds, they do not depend on the machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from tests.bench.engine import INPUTS, KINDS, Case, chain, fan_out, mixed, rounds, runner

#: Of a pure node in a chain of all kinds: by Python 3.11 1,690 when this was written; before, 3,200, and 4,430 in a chain of 1,000.
MOST_INSTRUCTIONS = 2_000


def instructions(run: Callable[[], Any]) -> int:
    """That one run takes; the first one, which may find out what later ones know, does not count."""
    counted = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal counted
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        counted += event == "opcode"
        return trace

    run()
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)
    return counted


def per_node(case: Case) -> float:
    return instructions(runner(case)) / case.nodes


def chain_of(length: int) -> Case:
    return Case(f"chain of {length}", chain(mixed(length - 2)), length)


def iteration_of(count: int, before: int = 0) -> Case:
    return Case("iteration", rounds(before), count, {**INPUTS, "items": list(range(count))})


def test_a_pure_node_takes_few_instructions() -> None:
    assert per_node(chain_of(100)) < MOST_INSTRUCTIONS


def test_a_node_in_a_long_chain_takes_as_many_as_one_in_a_short_chain() -> None:
    assert per_node(chain_of(400)) == pytest.approx(per_node(chain_of(40)), rel=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_of_node_takes_more_in_a_longer_chain(kind: str) -> None:
    short, long = (Case(kind, chain([KINDS[kind](number) for number in range(length)]), length) for length in (40, 400))
    assert per_node(long) <= per_node(short)


def test_a_node_of_a_wide_graph_takes_as_many_as_one_of_a_narrow_graph() -> None:
    assert instructions(runner(Case("wide", fan_out(400), 403))) / 403 == pytest.approx(
        instructions(runner(Case("narrow", fan_out(40), 43))) / 43, rel=0.15
    )


def test_a_round_of_a_long_iteration_takes_as_many_as_one_of_a_short_one() -> None:
    assert per_node(iteration_of(1000)) == pytest.approx(per_node(iteration_of(100)), rel=0.1)


def test_a_round_takes_as_many_behind_many_nodes() -> None:
    alone, behind = instructions(runner(iteration_of(200))), instructions(runner(iteration_of(200, before=200)))
    nodes_before = instructions(runner(Case("before", chain([KINDS["templates"](number) for number in range(200)]), 202)))
    assert behind - nodes_before == pytest.approx(alone, rel=0.1)
