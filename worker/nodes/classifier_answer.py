"""Reads a model's choice of a category out of its answer (nodes.md section 6.9)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from worker.engine.errors import NodeError
from worker.nodes.thinking import without_thinking

FENCE = "```"
#: What follows an opening fence: the name of a language, perhaps.
FENCE_START = re.compile(FENCE + r"[A-Za-z]*")
BRACKETS = (("{", "}"), ("[", "]"))


def read_answer(text: str) -> Mapping[str, Any]:
    """The object that the model answered with.

    Raises ``NodeError`` when there is none, or one that is no JSON; what it holds is for the caller to judge.
    """
    block = json_block(without_thinking(text))
    if not block:
        raise _unreadable("could not find json block in the output.")
    try:
        found = json.loads(block, strict=False)
    except (ValueError, RecursionError) as error:
        raise _unreadable(f"got invalid json object. error: {error}") from error
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict):
        raise _unreadable(f"got invalid return object. obj:{found}")
    return found


def json_block(text: str) -> str:
    """What stands between fences, if brackets do; else what the outermost brackets of the whole text enclose."""
    fenced = _fenced(text).strip()
    return fenced if fenced.startswith(("{", "[")) else _bracketed(text)


def _fenced(text: str) -> str:
    start = FENCE_START.search(text)
    if start is None:
        return ""
    end = text.rfind(FENCE, start.end())
    return text[start.end() :] if end < 0 else text[start.end() : end]


def _bracketed(text: str) -> str:
    """From the first opening bracket to the last closing one of its kind; an object is preferred to a list."""
    for opening, closing in BRACKETS:
        start, end = text.find(opening), text.rfind(closing)
        if 0 <= start < end:
            return text[start : end + 1]
    return ""


def _unreadable(message: str) -> NodeError:
    return NodeError(message, error_type="OutputParserError")
