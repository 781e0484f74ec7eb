"""Finds the selectors that a node's configuration holds, wherever its type keeps them; for warnings only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from worker.engine.templates import Template
from worker.engine.variables import Selector

#: Texts that are no templates of ours, or have no effect.
SKIPPED = frozenset({"type", "title", "desc", "code", "template", "jinja2_text"})

#: Keys of selectors beside those that end in ``selector``.
SELECTOR_KEYS = frozenset({"variable", "query"})


def references(data: Mapping[str, Any], path: str) -> Iterator[tuple[str, Selector]]:
    """Each selector of the data, with its dotted place."""
    for key, value in data.items():
        if key not in SKIPPED:
            yield from _below(key, value, f"{path}.{key}", data)


def _below(key: str, value: Any, path: str, around: Mapping[str, Any]) -> Iterator[tuple[str, Selector]]:
    if isinstance(value, str):
        yield from ((path, selector) for selector in Template.parse(value).selectors)
    elif isinstance(value, Mapping):
        yield from references(value, path)
    elif isinstance(value, list) and _is_selector(value) and _holds_selector(key, around):
        yield path, tuple(value)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            # The items of ``variables`` are selectors in aggregators, mappings elsewhere.
            yield from _below("selector" if key == "variables" else key, item, f"{path}[{index}]", {})


def _is_selector(value: list[Any]) -> bool:
    return len(value) >= 2 and all(isinstance(part, str) and part for part in value)


def _holds_selector(key: str, around: Mapping[str, Any]) -> bool:
    kinds = (around.get("type"), around.get("input_type"), around.get("value_type"))
    return key.endswith("selector") or key in SELECTOR_KEYS or (key == "value" and "variable" in kinds)
