"""A plausible value for a JSON Schema."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

#: Below this nesting only what a schema requires is filled in, and below twice of it nothing: schemas may contain themselves.
DEPTH = 6

FORMATS: Mapping[str, str] = {
    "date": "2026-01-15",
    "date-time": "2026-01-15T09:30:00Z",
    "time": "09:30:00Z",
    "duration": "PT1H",
    "email": "ada@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "uuid": "6f1b4a52-3c1e-4a52-9d1e-0a6b1f2c3d4e",
}


def sample_of(schema: Any, name: str = "value") -> Any:
    """A value that fits the schema; ``name`` is what its texts speak of. A ``pattern`` is not looked at."""
    return _Sampler(schema if isinstance(schema, Mapping) else {}).sample(schema, name, 0)


class _Sampler:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root

    def sample(self, schema: Any, name: str, depth: int) -> Any:
        if not isinstance(schema, Mapping):
            return f"sample {name}"
        schema = self._resolved(schema)
        if (given := _given(schema)) is not None:
            return given[0]
        return MAKERS[_type_of(schema)](self, schema, name, depth)

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """The schema with its reference, its ``allOf`` and the first of its alternatives laid into it."""
        for _ in range(DEPTH):
            if "$ref" in schema:
                rest = {key: value for key, value in schema.items() if key != "$ref"}
                schema = {**self._referred(str(schema["$ref"])), **rest}
            elif parts := [part for part in schema.get("allOf", ()) if isinstance(part, Mapping)]:
                schema = _merged({key: value for key, value in schema.items() if key != "allOf"}, parts)
            elif (choice := _first_choice(schema)) is not None:
                schema = {**{key: value for key, value in schema.items() if key not in ("anyOf", "oneOf")}, **choice}
        return schema

    def _referred(self, reference: str) -> Mapping[str, Any]:
        found: Any = self._root
        for part in reference.removeprefix("#").strip("/").split("/"):
            if part:
                found = found.get(part.replace("~1", "/").replace("~0", "~"), {}) if isinstance(found, Mapping) else {}
        return found if isinstance(found, Mapping) else {}

    def object(self, schema: Mapping[str, Any], name: str, depth: int) -> dict[str, Any]:
        if depth >= 2 * DEPTH:
            return {}
        required = schema.get("required") or ()
        properties = schema.get("properties") or {}
        wanted = [key for key in properties if depth < DEPTH or key in required]
        return {key: self.sample(properties.get(key), str(key), depth + 1) for key in dict.fromkeys([*wanted, *required])}

    def array(self, schema: Mapping[str, Any], name: str, depth: int) -> list[Any]:
        least, most = int(schema.get("minItems", 0)), schema.get("maxItems", math.inf)
        prefix = [self.sample(item, name, depth + 1) for item in schema.get("prefixItems", ())]
        if depth >= DEPTH and least <= len(prefix):
            return prefix
        count = int(min(max(least, 1 if depth >= DEPTH else 2), most))
        further = range(len(prefix), 0 if schema.get("items") is False else count)
        return prefix + [self._numbered(self.sample(schema.get("items"), name, depth + 1), number + 1) for number in further]

    def _numbered(self, value: Any, number: int) -> Any:
        """Items of a list of texts differ."""
        return f"{value} {number}" if isinstance(value, str) and value.startswith("sample ") else value

    def string(self, schema: Mapping[str, Any], name: str, depth: int) -> str:
        text = FORMATS.get(str(schema.get("format")), f"sample {name}")
        least, most = int(schema.get("minLength", 0)), schema.get("maxLength")
        text = text.ljust(least, "x")
        return text[: int(most)] if most is not None else text

    def number(self, schema: Mapping[str, Any], name: str, depth: int) -> float:
        return _number(schema, 1.5)

    def integer(self, schema: Mapping[str, Any], name: str, depth: int) -> int:
        return math.floor(_number({**schema, "multipleOf": schema.get("multipleOf", 1)}, 1))

    def boolean(self, schema: Mapping[str, Any], name: str, depth: int) -> bool:
        return True

    def null(self, schema: Mapping[str, Any], name: str, depth: int) -> None:
        return None


MAKERS: Mapping[str, Callable[[_Sampler, Mapping[str, Any], str, int], Any]] = {
    "object": _Sampler.object,
    "array": _Sampler.array,
    "string": _Sampler.string,
    "number": _Sampler.number,
    "integer": _Sampler.integer,
    "boolean": _Sampler.boolean,
    "null": _Sampler.null,
}


def _given(schema: Mapping[str, Any]) -> tuple[Any] | None:
    """The value that the schema itself names."""
    if "const" in schema:
        return (schema["const"],)
    for key in ("enum", "examples"):
        if isinstance(schema.get(key), list) and schema[key]:
            return (schema[key][0],)
    return (schema["default"],) if schema.get("default") is not None else None


def _first_choice(schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    choices = [choice for key in ("anyOf", "oneOf") for choice in schema.get(key, ()) if isinstance(choice, Mapping)]
    return next((choice for choice in choices if choice.get("type") != "null"), choices[0] if choices else None)


def _merged(schema: Mapping[str, Any], parts: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    merged: dict[str, Any] = {}
    for part in (schema, *parts):
        properties = {**merged.get("properties", {}), **part.get("properties", {})}
        required = [*merged.get("required", ()), *part.get("required", ())]
        merged = {**merged, **part, **({"properties": properties} if properties else {}), **({"required": required} if required else {})}
    return merged


def _type_of(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    kinds = [kind] if isinstance(kind, str) else [item for item in kind or () if item != "null"]
    guess = "object" if "properties" in schema else "array" if "items" in schema or "prefixItems" in schema else "string"
    return next((kind for kind in kinds if kind in MAKERS), guess)


def _number(schema: Mapping[str, Any], wish: float) -> float:
    """The wish moved into the bounds, and down (up, below the lower bound) to a multiple."""
    step = schema.get("multipleOf")
    low = max(schema.get("minimum", -math.inf), _beyond(schema.get("exclusiveMinimum"), step or 0.5, -math.inf))
    high = min(schema.get("maximum", math.inf), -_beyond(_negated(schema.get("exclusiveMaximum")), step or 0.5, -math.inf))
    number: float = min(max(wish, low), high)
    if not step:
        return number
    lower = math.floor(number / step) * step
    return lower if lower >= low else lower + step


def _beyond(bound: Any, step: float, otherwise: float) -> float:
    """Draft 4 has booleans here, which tell nothing without their companion."""
    return bound + step if isinstance(bound, int | float) and not isinstance(bound, bool) else otherwise


def _negated(bound: Any) -> Any:
    return -bound if isinstance(bound, int | float) and not isinstance(bound, bool) else None
