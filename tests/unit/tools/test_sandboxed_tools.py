"""The tools whose work is done in limited processes."""

from collections.abc import Iterator

import pytest

from tests.unit.nodes.tooling import World
from tests.unit.tools.calling import text
from worker.engine.errors import NodeError
from worker.sandbox.runner import SandboxRunner


@pytest.fixture(scope="module")
def runner() -> Iterator[SandboxRunner]:
    made = SandboxRunner()
    yield made
    made.close()


@pytest.fixture
def world(runner):
    return World(code=runner)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [(r"\d+", "['12', '7']"), (r"(\w)=(\d+)", "[('a', '12'), ('b', '7')]"), ("x", "[]"), ("  ", "Invalid expression")],
)
def test_regex_extract(world, expression, expected):
    assert text(world, "regex", "regex_extract", content="a=12 b=7", expression=expression) == expected


def test_a_broken_expression_is_said(world):
    assert text(world, "regex", "regex_extract", content="a", expression="(").startswith("Failed to extract result, error: ")


@pytest.mark.parametrize(
    ("language", "code", "expected"),
    [
        ("python3", "import math\nprint(math.factorial(5))\nprint('two')", "120\ntwo\n"),
        ("python3", "def f(n):\n    return n and n * f(n - 1) or 1\nprint(f(4))", "24\n"),
        ("javascript", "const a = {b: 1}; console.log('x', a); print(2)", 'x {"b":1}\n2\n'),
    ],
)
def test_simple_code_answers_what_is_printed(world, language, code, expected):
    assert text(world, "code", "simple_code", language=language, code=code) == expected


def test_a_failing_program_fails(world):
    with pytest.raises(NodeError, match="ZeroDivisionError"):
        text(world, "code", "simple_code", language="python3", code="1 / 0")
    with pytest.raises(NodeError, match="not cobol"):
        text(world, "code", "simple_code", language="cobol", code="x")
