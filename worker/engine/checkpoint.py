"""``NodeRecord`` <-> plain JSON, versioned: what a new attempt resumes from.

Values keep their types: files and secrets are written as one-key objects, and an object that looks like one is escaped the same way.

What was ever stored is read for ever: a run may wait for people for weeks, and an old one may be taken up again. So

- a field that is new in ``NodeRecord``, ``Scope`` or ``File`` has a default there: what was stored without it loads, and releases before
  it, which may run beside this one, leave it out. The version stays.
- a change of what is written for a field raises ``VERSION``. ``load_record`` then makes records of the version before into its own, by a
  step that stays, as the steps before it do.
- ``tests/data/checkpoints`` has records of each version, as they lay in a database. They are added to, never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from decimal import Decimal
from operator import attrgetter
from typing import Any

from worker.engine.errors import EngineError
from worker.engine.events import ROOT, NodeStatus, Scope
from worker.engine.record import NodeRecord
from worker.engine.variables import File, Secret

#: Version of the format.
VERSION = 1

#: The key that marks a typed value: ``{"$type": "file", "value": {...}}``.
MARK = "$type"


class CheckpointError(EngineError):
    """A record was written by a release that this one does not understand."""

    code = "checkpoint_error"


#: What is its own JSON: most values. Asking for the type of a value takes a fifth of asking whether it is a mapping.
SIMPLE = frozenset({str, int, float, bool, type(None)})


def dump_value(value: Any) -> Any:
    """A value of the variable pool as JSON."""
    if type(value) in SIMPLE:
        return value
    if isinstance(value, File):
        return {MARK: "file", "value": asdict(value)}
    if isinstance(value, Secret):
        return {MARK: "secret", "value": str(value)}
    if isinstance(value, Mapping):
        plain = {key: dump_value(item) for key, item in value.items()}
        return {MARK: "object", "value": plain} if MARK in plain else plain
    if isinstance(value, list | tuple):
        return [dump_value(item) for item in value]
    return value


def load_value(value: Any) -> Any:
    """The value that ``dump_value`` wrote."""
    if isinstance(value, list):
        return [load_value(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = LOADERS.get(value.get(MARK, ""))
    return kind(value["value"]) if kind else {key: load_value(item) for key, item in value.items()}


LOADERS: Mapping[str, Callable[[Any], Any]] = {
    "file": lambda value: File(**_known(File, value)),
    "secret": Secret,
    "object": lambda value: {key: load_value(item) for key, item in value.items()},
}

#: Fields with values of the variable pool, and those that are written in a form of their own; the others are written as they are.
VALUES = ("inputs", "process_data", "outputs", "metadata")
FORMED = ("status", "total_price", "scope", "writes")
PLAIN = tuple(item.name for item in fields(NodeRecord) if item.name not in (*VALUES, *FORMED))

plain_of = attrgetter(*PLAIN)
values_of = attrgetter(*VALUES)


def dump_record(record: NodeRecord) -> dict[str, Any]:
    return {
        "v": VERSION,
        **dict(zip(PLAIN, plain_of(record), strict=True)),
        **dict(zip(VALUES, map(dump_value, values_of(record)), strict=True)),
        "status": record.status.value,
        "total_price": str(record.total_price),
        "scope": ROOT_SCOPE if record.scope is ROOT else _dump_scope(record.scope),
        "writes": [[list(selector), dump_value(value)] for selector, value in record.writes],
    }


def _dump_scope(scope: Scope) -> dict[str, Any]:
    return {**asdict(scope), "path": [list(step) for step in scope.path]}


ROOT_SCOPE = _dump_scope(ROOT)


def load_record(data: Mapping[str, Any]) -> NodeRecord:
    """Raises ``CheckpointError`` for a version that this release does not read."""
    if data.get("v") != VERSION:
        raise CheckpointError(f"a node result has checkpoint version {data.get('v')!r}; this release reads {VERSION}")
    stored = _known(NodeRecord, data)
    found = {name: load_value(value) if name in VALUES else value for name, value in stored.items()}
    scope = _known(Scope, data["scope"])
    found["status"] = NodeStatus(data["status"])
    # Records of earlier releases have no price.
    found["total_price"] = Decimal(data.get("total_price", 0))
    found["scope"] = Scope(**{**scope, "path": tuple((name, index) for name, index in scope["path"])})
    found["writes"] = tuple((tuple(selector), load_value(value)) for selector, value in data["writes"])
    return NodeRecord(**found)


def _known(kind: type[NodeRecord | Scope | File], stored: Mapping[str, Any]) -> dict[str, Any]:
    """What was stored of the fields that this release knows."""
    return {item.name: stored[item.name] for item in fields(kind) if item.name in stored}
