"""YAML text -> workflow document, safely: what a hostile file can do is end in one sentence (reliability.md section 3.5).

The tree is built from parser events, so that every bound holds before memory is spent, and no YAML feature beyond plain data exists:
no tags, no custom types. Scalars follow YAML 1.1 as Dify's loader reads them, except where that surprises: dates and ``16:30`` stay
text, and ids, names, selectors and mapping keys are always text (``id: no`` is the id ``no``, ``id: 007`` keeps its zeros).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

#: Of the text in UTF-8 (dsl.md section 1).
MAX_SIZE_BYTES = 10 * 1024 * 1024
#: Scalars, lists and mappings after the expansion of aliases.
MAX_NODES = 100_000
MAX_DEPTH = 50

#: Keys whose value is text whatever it looks like.
TEXT_KEYS = frozenset(
    (
        *("id", "source", "target", "sourceHandle", "targetHandle", "parentId"),
        *("case_id", "iteration_id", "loop_id", "start_node_id", "parent_node_id"),
        *("name", "title", "label", "variable", "key", "desc", "description"),
    )
)
#: Keys of lists (also lists of lists) of text. Mappings inside are read as usual.
TEXT_LIST_KEYS = frozenset({"options", "variables"})

NULLS = frozenset({"", "~", "null", "Null", "NULL"})
BOOLEANS = {
    word: value
    for value, words in {True: ("yes", "true", "on"), False: ("no", "false", "off")}.items()
    for lower in words
    for word in (lower, lower.capitalize(), lower.upper())
}
#: YAML 1.1 integers and decimals without the base-60 forms.
INTEGER = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]{0,40})")
DECIMAL = re.compile(r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+][0-9]+)?")
NUMBER_STARTS = frozenset("+-.0123456789")
INT64 = range(-(2**63), 2**63)


class DocumentError(Exception):
    """The text is not a usable YAML document; the message is one sentence, with the line where there is one."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")
        self.reason = reason
        #: 1-based.
        self.line = line


def read_document(path: Path) -> dict[str, Any]:
    """The document of a file. Raises ``DocumentError``, also for a file that cannot be read."""
    try:
        with path.open("rb") as file:
            return parse_document(file.read(MAX_SIZE_BYTES + 1))
    except OSError as error:
        raise DocumentError(f"the file cannot be read: {error.strerror or error}") from error


def parse_document(text: str | bytes) -> dict[str, Any]:
    """The mapping that a YAML (or JSON) text holds: plain dicts, lists, text, numbers, booleans and None.

    Raises ``DocumentError``.
    """
    source = _decode(text)
    try:
        value = _Builder().build(yaml.parse(source, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DocumentError(f"not valid YAML: {error.problem or error.context}", mark.line + 1 if mark else None) from error
    except yaml.YAMLError as error:
        raise DocumentError(f"not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(value, dict):
        raise DocumentError("Invalid YAML format: content must be a mapping")
    return value


def _decode(text: str | bytes) -> str:
    try:
        raw = text.encode() if isinstance(text, str) else text
        if len(raw) > MAX_SIZE_BYTES:
            raise DocumentError(f"the document is larger than {MAX_SIZE_BYTES // 1024 // 1024} MiB")
        return raw.decode("utf-8-sig")
    except UnicodeError as error:
        raise DocumentError(f"not valid UTF-8 at byte {error.start}") from error  # type: ignore[attr-defined]


@dataclass(slots=True)
class _Tree:
    """A finished value with what its copies cost."""

    value: Any
    nodes: int = 1
    #: 0 for a scalar.
    height: int = 0


@dataclass(slots=True)
class _Frame:
    """A list or mapping that is being built."""

    container: list[Any] | dict[str, Any]
    line: int
    anchor: str | None
    #: Scalars directly inside are text.
    is_text: bool
    #: The mapping key that waits for its value.
    key: str | None = None
    merged: list[dict[str, Any]] = field(default_factory=list)
    nodes: int = 1
    height: int = 0


class _Builder:
    """Builds the tree of one document from its events, without recursion."""

    def __init__(self) -> None:
        self._frames: list[_Frame] = []
        #: None while the anchored value is not finished: an alias to it would be endless.
        self._anchors: dict[str, _Tree | None] = {}
        self._nodes = 0
        self._root: Any = None
        self._documents = 0
        self._actions: dict[type[Any], Callable[[Any], None]] = {
            yaml.DocumentStartEvent: self._start_document,
            yaml.MappingStartEvent: self._start_mapping,
            yaml.SequenceStartEvent: self._start_list,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.ScalarEvent: self._scalar,
            yaml.AliasEvent: self._alias,
        }

    def build(self, events: Iterator[Any]) -> Any:
        for event in events:
            action = self._actions.get(type(event))
            if action is not None:
                action(event)
        return self._root

    def _start_document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            raise DocumentError("only one YAML document may be in the file", _line(event))

    def _start_mapping(self, event: Any) -> None:
        self._open(event, {}, False)

    def _start_list(self, event: Any) -> None:
        self._open(event, [], self._expects_text(is_list=True))

    def _open(self, event: Any, container: list[Any] | dict[str, Any], is_text: bool) -> None:
        self._refuse_key(event)
        self._declare(event)
        self._count(event, 1, len(self._frames) + 1)
        self._frames.append(_Frame(container, _line(event), event.anchor, is_text))

    def _end(self, event: Any) -> None:
        frame = self._frames.pop()
        value: Any = frame.container
        for extra in frame.merged:
            value = {**extra, **value}
        self._add(_Tree(value, frame.nodes, frame.height + 1), frame.anchor, frame.line)

    def _scalar(self, event: Any) -> None:
        self._declare(event)
        self._count(event, 1, len(self._frames))
        frame = self._frames[-1] if self._frames else None
        if frame is not None and isinstance(frame.container, dict) and frame.key is None:
            self._set_key(frame, event)
            return
        is_plain = event.implicit[0] and event.style in (None, "")
        value = _resolve(event.value, self._expects_text(is_list=False)) if is_plain else event.value
        self._add(_Tree(value), event.anchor, _line(event))

    def _set_key(self, frame: _Frame, event: Any) -> None:
        if event.anchor:
            self._anchors[event.anchor] = _Tree(event.value)
        if event.value in frame.container:
            raise DocumentError(f"the key {_shown(event.value)} is there twice", _line(event))
        frame.key = event.value

    def _alias(self, event: Any) -> None:
        self._refuse_key(event)
        if event.anchor not in self._anchors:
            raise DocumentError(f"the anchor {_shown(event.anchor)} is not defined", _line(event))
        tree = self._anchors[event.anchor]
        if tree is None:
            raise DocumentError(f"the anchor {_shown(event.anchor)} contains itself", _line(event))
        self._count(event, tree.nodes, len(self._frames) + tree.height)
        self._add(_Tree(_copy(tree.value), tree.nodes, tree.height), None, _line(event))

    def _add(self, tree: _Tree, anchor: str | None, line: int) -> None:
        if anchor:
            self._anchors[anchor] = tree
        if not self._frames:
            self._root = tree.value
            return
        frame = self._frames[-1]
        frame.nodes += tree.nodes
        frame.height = max(frame.height, tree.height)
        if isinstance(frame.container, list):
            frame.container.append(tree.value)
            return
        key, frame.key = frame.key, None
        assert key is not None, "a value in a mapping follows its key"
        if key == "<<":
            frame.merged.extend(_merged(tree.value, line))
        else:
            frame.container[key] = tree.value

    def _expects_text(self, *, is_list: bool) -> bool:
        if not self._frames:
            return False
        frame = self._frames[-1]
        if frame.key is None:
            return frame.is_text
        if is_list:
            return frame.key in TEXT_LIST_KEYS or frame.key.endswith("selector")
        return frame.key in TEXT_KEYS

    def _declare(self, event: Any) -> None:
        if event.tag is not None:
            raise DocumentError(f"tags such as {_shown(event.tag)} are not allowed", _line(event))
        if event.anchor:
            self._anchors[event.anchor] = None

    def _refuse_key(self, event: Any) -> None:
        if self._frames and isinstance(self._frames[-1].container, dict) and self._frames[-1].key is None:
            raise DocumentError("a key must be plain text", _line(event))

    def _count(self, event: Any, nodes: int, depth: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise DocumentError(f"the document has more than {MAX_NODES} values (aliases expanded)", _line(event))
        if depth > MAX_DEPTH:
            raise DocumentError(f"values are nested deeper than {MAX_DEPTH} levels", _line(event))


def _resolve(text: str, is_text: bool) -> Any:
    """The value of a plain scalar; numbers that 64 bits cannot hold stay text."""
    if text in NULLS:
        return None
    if is_text:
        return text
    if text[0] in NUMBER_STARTS:
        return _number(text)
    return BOOLEANS.get(text, text)


def _number(text: str) -> Any:
    if INTEGER.fullmatch(text):
        value = _integer(text.replace("_", ""))
        return value if value in INT64 else text
    if DECIMAL.fullmatch(text):
        decimal = float(text.replace("_", ""))
        return decimal if math.isfinite(decimal) else text
    return text


def _integer(text: str) -> int:
    digits = text.lstrip("+-")
    base = {"0b": 2, "0x": 16}.get(digits[:2].lower(), 8 if digits.startswith("0") and digits != "0" else 10)
    return int(text, base)


def _merged(value: Any, line: int) -> list[dict[str, Any]]:
    """What ``<<`` brings: a mapping or a list of mappings, the first of which wins."""
    sources = value if isinstance(value, list) else [value]
    if not all(isinstance(source, dict) for source in sources):
        raise DocumentError("a merge key '<<' needs a mapping", line)
    return sources


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
