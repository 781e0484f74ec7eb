"""The text of an uncaught JavaScript exception, laid out as the Python ones are: frames of the user's own code, then the exception."""

from __future__ import annotations

import re
from collections.abc import Sequence

from worker.sandbox.failures import EXIT_LINE, shortened

#: Name of the code in tracebacks.
FILE = "<code>"

#: A line of the engine's stacks. Its own functions have no line, and no function is where a text is wrong that it parses.
STACK_LINE = re.compile(r" {4}at (?:(?P<function>.+) \()?(?:<input>:(?P<line>\d{1,9}):\d+|native)\)?")

#: Characters of a source line that are shown: code is often on one line.
MAX_LINE = 160

#: What the engine says of exceptions that have no text.
TEXTLESS = {
    "null": "null (thrown by the code, or no memory was left for an exception)",
    "(Failed obtaining QuickJS error string. Concurrency issue?)": "An exception that cannot be converted to a text",
}


def exception_text(report: str, source: str, own_function: str) -> str:
    """From the engine's report: the exception's text, then its stack, the innermost frame first.

    Left out are the frames of ``own_function``, which called the code.
    """
    message, stack = _parts(report)
    text = f"{_traceback(stack, source, own_function)}{TEXTLESS.get(message, message)}\n"
    return shortened(text) + EXIT_LINE.format(status=1)


def _parts(report: str) -> tuple[str, list[re.Match[str]]]:
    """The message, and the stack with the outermost frame first."""
    lines = report.rstrip("\n").split("\n")
    stack: list[re.Match[str]] = []
    while len(lines) > 1 and (found := STACK_LINE.fullmatch(lines[-1])):
        stack.append(found)
        lines.pop()
    if len(lines) > 1 and lines[-1] == "undefined":
        # What is thrown and is no error has no stack.
        lines.pop()
    return "\n".join(lines), stack


def _traceback(stack: Sequence[re.Match[str]], source: str, own_function: str) -> str:
    frames = [found for found in stack if found["line"]]
    calls = [found for found in frames if found["function"] not in (None, own_function)]
    if calls:
        return "Traceback (most recent call last):\n" + "".join(_frame(found, source) for found in calls)
    # What the engine could not parse is then the code itself.
    return "".join(_frame(found, source) for found in frames if not found["function"])


def _frame(found: re.Match[str], source: str) -> str:
    number, function = int(found["line"]), found["function"]
    lines = source.split("\n")
    shown = lines[number - 1].strip()[:MAX_LINE] if number <= len(lines) else ""
    place = f", in {'<module>' if function == '<eval>' else function}" if function else ""
    return f'  File "{FILE}", line {number}{place}\n' + (f"    {shown}\n" if shown else "")
