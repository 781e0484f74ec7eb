"""Renders Jinja2 templates inside an execution (nodes.md section 6.6).

The semantics are those of a plain ``jinja2.Template``, with all filters, tests and globals. Jinja's sandbox keeps templates away from
Python as such; what it cannot stop (``'a' * 10**9``, nested loops, an escape not yet known) meets the limits of the process, in which
a template finds nothing that a code node would not. Therefore values may be changed in place (``items.append(x)``): they are copies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from jinja2.exceptions import SecurityError
from jinja2.sandbox import SandboxedEnvironment

from worker.sandbox.failures import failure_text
from worker.sandbox.protocol import FAILURE, RESULT

#: Names that Jinja gives a template in tracebacks: while it compiles and while it renders.
FILES = frozenset({"<unknown>", "<template>"})


class OutputTooLong(Exception):
    """A template wrote more than it may."""


class Environment(SandboxedEnvironment):
    def unsafe_undefined(self, obj: Any, attribute: str) -> NoReturn:
        """Jinja's own answer prints as an empty text, so that an attempt would go unnoticed."""
        raise SecurityError(f"access to attribute {attribute!r} of {type(obj).__name__!r} object is unsafe.")


def answer(source: str, inputs: Mapping[str, Any], max_characters: int) -> bytes:
    """The text, or the text of what went wrong."""
    try:
        return RESULT + render(source, inputs, max_characters).encode(errors="replace")
    except OutputTooLong as error:
        return FAILURE + str(error).encode()
    except BaseException as error:
        return FAILURE + failure_text(error, FILES).encode(errors="replace")


def warm_up() -> None:
    """Let Jinja make what it keeps for all templates, such as its lexer: it took more than 1 ms of each execution."""
    render("{% for x in y %}{{ x | string }}{% endfor %}", {"y": [1]}, 10)


def render(source: str, inputs: Mapping[str, Any], max_characters: int) -> str:
    """Raises ``OutputTooLong``, or whatever Jinja and the template's expressions raise."""
    parts, length = [], 0
    for part in Environment().from_string(source).generate(inputs):
        length += len(part)
        if length > max_characters:
            raise OutputTooLong(f"Output length exceeds {max_characters} characters")
        parts.append(part)
    return "".join(parts)
