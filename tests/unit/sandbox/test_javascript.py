"""The contract of code nodes in JavaScript: nodes.md section 6.5."""

import importlib.util

import pytest

from tests.unit.sandbox.observing import javascript_error_of, run_javascript
from worker.engine.inbox import Inbox
from worker.sandbox.runner import SandboxRunner

EXIT = "error: exit status 1\n"


def test_main_gets_the_inputs_as_one_object_and_its_result_comes_back_as_json_values(runner):
    inputs = {"text": 'é世🌏\u2028\0"', "number": 1.5, "flag": True, "nothing": None, "items": [1, "a"], "mapping": {"a": {"b": 2}}}

    assert run_javascript(runner, "function main(inputs) { return inputs }", inputs) == inputs


@pytest.mark.parametrize(
    "source",
    [
        "function main({ a }) { return { r: a } }",
        "const main = ({ a }) => ({ r: a });",
        "let helper = (x) => x\nvar main = function (inputs) { return { r: helper(inputs.a) } } // the end",
        "class Box { constructor(a) { this.r = a } }\nfunction main({ a }) { return new Box(a) }",
    ],
)
def test_main_may_be_declared_in_any_way(runner, source):
    assert run_javascript(runner, source, {"a": "x"}) == {"r": "x"}


def test_numbers_without_a_fraction_are_integers(runner):
    found = run_javascript(runner, "function main({ n }) { return [n, 4 / 2, 1e3, -0, 2 ** 53, 0.5, 1e-7] }", {"n": 3.0})

    assert found == [3, 2, 1000, 0, 2**53, 0.5, 1e-7]
    assert [type(number) for number in found] == [int] * 5 + [float] * 2


def test_result_is_what_json_makes_of_it(runner):
    source = """
function main() {
  const dropped = { gone: undefined, call() {} };
  return { nan: NaN, infinite: -Infinity, ...dropped, list: [undefined, () => 1], date: new Date(0), map: new Map([[1, 2]]) };
}"""
    assert run_javascript(runner, source) == {
        "nan": None,
        "infinite": None,
        "list": [None, None],
        "date": "1970-01-01T00:00:00.000Z",
        "map": {},
    }
    assert run_javascript(runner, "function main() {}") is None
    assert run_javascript(runner, "const main = () => 'a' + 'b'.repeat(20000) + '\\0'") == "a" + "b" * 20000 + "\0"


def test_current_language_is_there(runner):
    source = """
function main({ text }) {
  const { year } = /(?<year>\\d{4})/u.exec(text).groups;
  const grouped = Object.groupBy([1, 2, 3], (n) => (n % 2 ? "odd" : "even"));
  return { year, last: [3, 1, 2].toSorted().at(-1), grouped, missing: text?.a?.b ?? "none", big: String(2n ** 64n), text: atob(btoa("x")) };
}"""
    assert run_javascript(runner, source, {"text": "in 2024"}) == {
        "year": "2024",
        "last": 3,
        "grouped": {"odd": [1, 3], "even": [2]},
        "missing": "none",
        "big": "18446744073709551616",
        "text": "x",
    }


def test_prints_go_nowhere(runner):
    assert run_javascript(runner, "console.log('x')\nfunction main() { console.error({}); console.table([]); return 1 }") == 1


def test_error_text_is_the_stack_of_the_users_own_frames(runner):
    source = "function parse(text) {\n  return JSON.parse(text)\n}\nconst main = ({ text }) => [text].map(parse)[0]"

    assert javascript_error_of(runner, source, {"text": "{"}) == (
        "Traceback (most recent call last):\n"
        '  File "<code>", line 4, in main\n'
        "    const main = ({ text }) => [text].map(parse)[0]\n"
        '  File "<code>", line 2, in parse\n'
        "    return JSON.parse(text)\n"
        "SyntaxError: Expected property name or '}' in JSON at position 1 (line 1 column 2)\n" + EXIT
    )


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("function main( {\n", '  File "<code>", line 2\nSyntaxError: '),
        ("x = 1", "ReferenceError: main is not defined\n"),
        ("const main = 5", "TypeError: not a function\n"),
        ("nothing()\nfunction main() {}", "line 1, in <module>\n    nothing()\nReferenceError: nothing is not defined\n"),
        ("function main() {\n  throw new Error('nope')\n}", "    throw new Error('nope')\nError: nope\n"),
        ("function main() { throw new Error('two\\nlines') }", "Error: two\nlines\n"),
        ("class Own extends Error { name = 'Own' }\nfunction main() { throw new Own('é🌏') }", "Own: é🌏\n"),
        ("function main() { throw 5 }", "5\n"),
        ("function main() { throw 'text' }", "text\n"),
        ("function main() { throw Symbol() }", "An exception that cannot be converted to a text\n"),
        ("function main() { const a = {}; a.a = a; return a }", "TypeError: circular reference\n"),
        ("function main() { return 1n }", "TypeError: BigInt are forbidden in JSON.stringify\n"),
        ("function main() { main() }", "RangeError: Maximum call stack size exceeded\n"),
        ("function main() { require('fs') }", "ReferenceError: require is not defined\n"),
        ("function main() { return { get a() { throw new Error('inside') } } }", "Error: inside\n"),
    ],
)
def test_error_text_ends_as_the_engines_does(runner, source, text):
    found = javascript_error_of(runner, source)

    assert text in found
    assert found.endswith(EXIT)
    assert text.startswith("  File") or found.endswith(text + EXIT)
    assert "penstock" not in found


def test_executions_see_no_state_of_each_other(runner):
    pollute = """
Object.prototype.polluted = 1; Array.prototype.toJSON = () => "stolen"; JSON.stringify = () => "[]"; globalThis.mark = 1;
function main() { return { polluted: ({}).polluted } }
"""
    look = "function main() { return [typeof ({}).polluted, typeof mark, JSON.stringify([1])] }"

    assert run_javascript(runner, pollute) == {"polluted": 1}
    assert run_javascript(runner, look) == ["undefined", "undefined", "[1]"]


def test_half_a_surrogate_pair_is_replaced(runner):
    assert run_javascript(runner, "function main({ a }) { return { a, b: 'x\\ud800' } }", {"a": "\ud83d"}) == {"a": "?", "b": "x?"}


def test_engine_is_not_found_by_other_code(runner):
    source = """
import sys
def main():
    try:
        import _quickjs
    except ImportError:
        return [name for name in sys.modules if "quickjs" in name]
"""
    run_javascript(runner, "function main() {}")

    assert runner.run("python3", source, {}, Inbox()) == []


def test_engine_that_cannot_be_loaded_is_told_and_harms_no_python(tmp_path, monkeypatch):
    broken = tmp_path / "_quickjs.so"
    broken.write_bytes(b"no library")
    monkeypatch.setattr("worker.sandbox.runner.engine_path", lambda: str(broken))
    runner = SandboxRunner()

    assert "the package quickjs-ng cannot be loaded" in javascript_error_of(runner, "function main() {}")
    assert runner.run("python3", "def main():\n    return 1", {}, Inbox()) == 1
    runner.close()


def test_random_numbers_differ_between_executions(runner):
    source = "function main() { return Math.random() }"

    assert run_javascript(runner, source) != run_javascript(runner, source)


def test_engine_that_is_not_installed_is_named(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr("worker.sandbox.runner.find_spec", lambda name: None if name == "_quickjs" else find_spec(name))
    runner = SandboxRunner()

    assert javascript_error_of(runner, "function main() {}") == "JavaScript needs the package quickjs-ng, which is not installed here."
    runner.close()
