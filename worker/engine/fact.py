"""Facts: small immutable objects that a run makes by the thousand, several for each node."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def fact(cls: type[T]) -> type[T]:
    """A dataclass with slots that nobody changes: mypy sees to that, as with ``frozen=True``.

    Python itself does not, because it would set each field by a call: of 16 fields, 1.55 instead of 0.24 µs for an object. Where
    that does not count, ``dataclass(frozen=True)`` is the usual way. Arguments by position are three times as fast as by name.
    """
    return dataclass(slots=True)(cls)
