"""What metadata the documents of a base have: read off the documents, since nobody declares it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from worker.engine.knowledge import MetadataField

#: Values of a field that are shown, and characters of each: a model that chooses among them sees how they are written.
SHOWN_VALUES, SHOWN_CHARACTERS = 20, 100


def fields_of(details: Iterable[Mapping[str, Any]]) -> list[MetadataField]:
    """A field for each name that stands with a text, a number or a boolean, in order of appearance."""
    found: dict[str, dict[Any, None]] = {}
    for document in details:
        for name, value in document.items():
            if isinstance(value, str | int | float) and value != "":
                # A dictionary, which unlike a set keeps the order.
                found.setdefault(name, {})[value] = None
    return [_field(name, list(values)) for name, values in found.items()]


def _field(name: str, values: list[Any]) -> MetadataField:
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return MetadataField(name, "number", tuple(values[:SHOWN_VALUES]))
    return MetadataField(name, "text", tuple(str(value)[:SHOWN_CHARACTERS] for value in values[:SHOWN_VALUES]))
