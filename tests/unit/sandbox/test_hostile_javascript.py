"""JavaScript that means harm: reliability.md section 3.1. Each case ends with an error and leaves the service as it was."""

import time
from collections.abc import Iterator

import pytest

from tests.unit.sandbox.observing import becomes, executions, folders, javascript_error_of, run_javascript
from worker.sandbox.runner import SandboxRunner

EXIT = "error: exit status 1\n"


@pytest.fixture(autouse=True)
def is_healthy(runner: SandboxRunner) -> Iterator[None]:
    """After each case, everything works and nothing is left."""
    yield
    assert run_javascript(runner, "function main() { return 'fine' }") == "fine"
    assert becomes(lambda: executions(runner) == [] and folders(runner) == [])


@pytest.mark.parametrize(
    "loop",
    [
        "while (true) {}",
        "/^(a+)+$/.test('a'.repeat(60) + '!')",
        "const f = () => Promise.resolve().then(f); f(); for (;;) {}",
        "JSON.parse('[' + '0,'.repeat(1000) + '0]', function () { for (;;) {} })",
    ],
)
def test_endless_loops_are_ended(impatient_runner, loop):
    started = time.monotonic()

    text = javascript_error_of(impatient_runner, f"function main() {{ {loop} }}")

    assert text == "The code ran longer than the limit of 1 seconds (PENSTOCK_SANDBOX_WORKER_TIMEOUT) and was ended."
    assert time.monotonic() - started < 3


def test_endless_loops_outside_of_main_are_ended(impatient_runner):
    assert "ran longer" in javascript_error_of(impatient_runner, "for (;;) {}")
    assert "ran longer" in javascript_error_of(impatient_runner, "function main() { return { get a() { for (;;) {} } } }")


@pytest.mark.parametrize(
    "bomb",
    [
        "const hoard = []; for (;;) hoard.push(new Uint8Array(2 ** 20))",
        "const hoard = []; for (;;) hoard.push({ text: 'x' + hoard.length })",
        "const hoard = []; for (;;) hoard.push('x'.repeat(2 ** 20) + hoard.length)",
        "return new Array(10 ** 9).fill(0)",
        "return new ArrayBuffer(10 ** 10)",
        "let text = 'x'; for (;;) text += text",
        "let text = 'x'.repeat(2 ** 29); return text.replaceAll('x', text)",
        "return new WebAssembly.Memory({ initial: 60000 })",
        "const map = new Map(); for (let i = 0; ; i++) map.set(i, [i])",
    ],
)
def test_memory_is_bounded(runner, bomb):
    text = javascript_error_of(runner, f"function main() {{ {bomb} }}")

    assert text.endswith(EXIT)
    assert any(word in text for word in ("out of memory", "too long", "no memory", "array buffer length", "is not defined"))


@pytest.mark.parametrize(
    "source",
    [
        "function main() { return main() }",
        "const main = () => [1].map(main)",
        "function main() { return new Proxy({}, { get: main, has: main, ownKeys: main }) && JSON.stringify({ toJSON: main }) }",
        "function main() { return eval('('.repeat(10 ** 6)) }",
        "function main() { return JSON.parse('['.repeat(10 ** 6)) }",
        "function main() { return new RegExp('('.repeat(10 ** 6)) }",
        "function main() { let value = []; for (let i = 0; i < 10 ** 6; i++) value = [value]; return value }",
    ],
)
def test_deep_recursion_is_an_error(runner, source):
    assert javascript_error_of(runner, source).endswith(EXIT)


def test_result_of_great_depth_is_refused(runner):
    source = "function main({ depth }) { let value = []; for (let i = 0; i < depth; i++) value = [value]; return value }"

    assert run_javascript(runner, source, {"depth": 100})
    assert javascript_error_of(runner, source, {"depth": 200}) == "The result is nested more than 128 levels deep."


def test_result_of_great_size_is_refused(runner):
    text = javascript_error_of(runner, "function main() { return 'x'.repeat(11_000_000) }")

    assert text.endswith("ValueError: The result has 11000002 bytes as JSON, more than the 10485760 that are allowed\n" + EXIT)


def test_error_text_is_bounded(runner):
    text = javascript_error_of(runner, "function main() { throw new Error('x'.repeat(10_000_000)) }")

    assert len(text) < 25_000
    assert "characters left out" in text


@pytest.mark.parametrize(
    "stack",
    [
        "stack: '    at native'",
        "stack: '    at f (<input>:99999:1)\\n'.repeat(1000)",
        "stack: `    at f (<input>:${'9'.repeat(6000)}:1)`",
        "stack: {}",
        "stack: Symbol()",
        "stack: '\\0\\ud800'",
        "get stack() { throw this }",
    ],
)
def test_faked_stacks_harm_nobody(runner, stack):
    text = javascript_error_of(runner, f"function main() {{ throw {{ toString: () => 'Error: nope', {stack} }} }}")

    assert "Error: nope\n" in text
    assert text.endswith(EXIT)


@pytest.mark.parametrize(
    "attempt",
    [
        "require('fs')",
        "process.env",
        "fetch('http://localhost')",
        "import('os')",
        "std.getenv('HOME')",
        "os.exec(['true'])",
        "new XMLHttpRequest()",
        "new Worker('x')",
        "print(1)",
        "load('/etc/passwd')",
        "Function.constructor('return process')()",
    ],
)
def test_nothing_outside_of_the_language_is_there(runner, attempt):
    source = (
        f"function main() {{ const found = {attempt}; if (found instanceof Promise) throw new ReferenceError('no value'); return 'there' }}"
    )

    assert "ReferenceError: " in javascript_error_of(runner, source)


def test_what_the_result_is_made_with_cannot_be_replaced(runner):
    source = """
JSON.stringify = JSON.parse = () => '{"r": "fake"}';
globalThis.JSON = null;
Array.prototype[Symbol.iterator] = null;
function main(inputs) { return { r: inputs.a } }
"""
    assert run_javascript(runner, source, {"a": "real"}) == {"r": "real"}
    assert run_javascript(runner, "penstock_call = () => 'fake'\nfunction main() { return 'real' }") == "real"


def test_null_byte_in_the_code_is_an_error(runner):
    assert javascript_error_of(runner, "function main() { return '\0' }").endswith(EXIT)
