"""Where the parameters of a tool come from: ``{type: mixed|variable|constant, value}`` or, in old documents, a bare value."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from worker.engine.errors import NodeError
from worker.engine.templates import Template
from worker.engine.tools import PARAMETER_ERROR
from worker.engine.variables import MISSING, Selector, VariablePool, log_of, plain
from worker.nodes.fields import Fields

KINDS = ("mixed", "variable", "constant")


class Argument(Protocol):
    def value(self, pool: VariablePool, *, required: bool) -> Any:
        """None if there is no value. Raises ``NodeError``."""

    def shown(self, pool: VariablePool) -> Any:
        """The value as logs may have it: secrets masked."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that is taken as it stands."""

    constant: Any

    def value(self, pool: VariablePool, *, required: bool) -> Any:
        return self.constant

    def shown(self, pool: VariablePool) -> Any:
        return self.constant


@dataclass(frozen=True, slots=True)
class Rendered:
    template: Template

    def value(self, pool: VariablePool, *, required: bool) -> Any:
        return self.template.render(pool)

    def shown(self, pool: VariablePool) -> Any:
        return self.template.render(pool, log_of)


@dataclass(frozen=True, slots=True)
class Variable:
    """The value of a variable, with its type."""

    selector: Selector

    def value(self, pool: VariablePool, *, required: bool) -> Any:
        found = pool.get(self.selector)
        if found is not MISSING:
            return plain(found)
        if required:
            raise NodeError(f"Variable {list(self.selector)} does not exist", error_type=PARAMETER_ERROR)
        return None

    def shown(self, pool: VariablePool) -> Any:
        found = pool.get(self.selector)
        return None if found is MISSING else found


def read_arguments(fields: Fields, *, keeps_constants: bool, others: Collection[str] = ()) -> dict[str, Argument]:
    """Every entry with a value, but ``others``.

    ``keeps_constants``: constants keep their type, as settings do; else they are templates like the rest.
    """
    found = {}
    for name, entry in fields.data.items():
        kind, value = kind_and_value(entry, "constant" if keeps_constants else "mixed")
        if value is not None and name not in others:
            found[str(name)] = argument_of(fields, str(name), kind, value, keeps_constants)
    return found


def kind_and_value(entry: Any, bare_kind: str) -> tuple[str, Any]:
    if isinstance(entry, Mapping) and entry.get("type") in KINDS and "value" in entry:
        return entry["type"], entry["value"]
    return bare_kind, entry


def argument_of(fields: Fields, name: str, kind: str, value: Any, keeps_constants: bool) -> Argument:
    if kind == "variable":
        if not isinstance(value, list) or len(value) < 2 or not all(isinstance(part, str | int) for part in value):
            fields.report(name, f"the variable of '{name}' must be a list such as [node, name]")
            return Constant(None)
        return Variable(tuple(str(part) for part in value))
    if kind == "constant" and (keeps_constants or not isinstance(value, str)):
        return Constant(value if keeps_constants else str(value))
    return Rendered(Template.parse(str(value)))
