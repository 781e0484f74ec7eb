"""What an execution's answer means: its result, or the error that users see."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

from worker.engine.errors import NodeError
from worker.sandbox.bounds import Bounds
from worker.sandbox.conversation import Answer
from worker.sandbox.failures import EXIT_LINE
from worker.sandbox.protocol import FAILURE, RESULT, End

#: Class name that fail-branches see (nodes.md section 4.6).
CODE_ERROR = "CodeExecutionError"

#: Levels of lists and mappings in a result. What walks values afterwards does so recursively.
MAX_DEPTH = 128


def outcome(answer: Answer, subject: str, bounds: Bounds) -> bytes:
    """The result of an execution that gave one. Raises ``NodeError`` with the reason why there is none.

    ``subject`` is what ran, for the messages: ``code``, ``template`` or ``extraction``.
    """
    if answer.is_too_large:
        raise _error(f"The {subject} gave a result of more than {bounds.answer_bytes} bytes.")
    if answer.end is End.EXITED and answer.detail == 0 and answer.data.startswith((RESULT, FAILURE)):
        if answer.data.startswith(RESULT):
            return answer.data[len(RESULT) :]
        raise _error(answer.data[len(FAILURE) :].decode(errors="replace"))
    raise _error(_reason(answer, f"The {subject}", bounds))


def _reason(answer: Answer, subject: str, bounds: Bounds) -> str:
    if answer.end is End.TIMED_OUT:
        setting = f" ({bounds.wall_setting})" if bounds.wall_setting else ""
        return f"{subject} ran longer than the limit of {bounds.wall_s:g} seconds{setting} and was ended."
    if answer.end is End.SIGNALLED and answer.detail == signal.SIGXCPU:
        return f"{subject} used more than the limit of {bounds.cpu_s} seconds of processor time and was ended."
    if answer.end is End.SIGNALLED:
        return f"{subject} crashed or was killed.\nerror: signal: {_signal_name(answer.detail)}\n"
    if answer.end is End.NOT_STARTED:
        return f"{subject} could not be started: {os.strerror(answer.detail)}."
    return f"{subject} ended without a result.\n{EXIT_LINE.format(status=answer.detail)}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def decoded(data: bytes) -> Any:
    """The value of a result's JSON, which hostile code may have written itself. Raises ``NodeError``."""
    try:
        text = data.decode()
        value = json.loads(text, parse_constant=_refuse_constant)
        if "\\ud" in text or "\\uD" in text:
            # Perhaps half a surrogate pair, which no text may hold that is stored or sent.
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise _error(f"The result is not valid JSON: {error}") from error
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deeper(value, MAX_DEPTH):
        raise _error(f"The result is nested more than {MAX_DEPTH} levels deep.")
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    items = value.values() if isinstance(value, dict) else value
    return levels <= 0 or any(_is_deeper(item, levels - 1) for item in items)


def _error(text: str) -> NodeError:
    return NodeError(text, error_type=CODE_ERROR)
