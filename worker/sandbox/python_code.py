"""Runs the text of a code node (nodes.md section 6.5)."""

from __future__ import annotations

import base64
import json
import linecache
import sys
import types
from collections.abc import Mapping
from typing import Any

from worker.sandbox.failures import exit_text, failure_text
from worker.sandbox.protocol import FAILURE, MAX_ANSWER_BYTES, RESULT

#: Name of the text in tracebacks.
FILE = "<code>"

#: Names that users' code finds in its module without importing them, since the reference's sandbox happens to define them.
GIVEN = {"json": json, "b64decode": base64.b64decode}


def answer(source: str, inputs: Mapping[str, Any]) -> bytes:
    """``main(**inputs)`` as JSON, or the text of what went wrong."""
    try:
        return RESULT + encoded(call_main(source, inputs))
    except SystemExit as error:
        return FAILURE + exit_text(error).encode(errors="replace")
    except BaseException as error:
        return FAILURE + failure_text(error, {FILE}).encode(errors="replace")


def call_main(source: str, inputs: Mapping[str, Any]) -> Any:
    """The module is ``__main__``, as for a script, so that dataclasses and the like find it."""
    linecache.cache[FILE] = (len(source), None, [f"{line}\n" for line in source.split("\n")], FILE)
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    exec(compile(source, FILE, "exec", dont_inherit=True), module.__dict__)
    for name, value in GIVEN.items():
        module.__dict__.setdefault(name, value)
    if "main" not in module.__dict__:
        raise NameError("name 'main' is not defined")
    return module.__dict__["main"](**inputs)


def encoded(result: Any) -> bytes:
    """Raises what Python's encoder raises: ``TypeError`` for a set, ``ValueError`` for NaN, ``RecursionError`` for great depth."""
    # Half a surrogate pair is no text that could be stored or sent, hence "replace".
    text = json.dumps(result, ensure_ascii=False, allow_nan=False).encode(errors="replace")
    if len(text) > MAX_ANSWER_BYTES:
        raise ValueError(f"The result has {len(text)} bytes as JSON, more than the {MAX_ANSWER_BYTES} that are allowed")
    return text
