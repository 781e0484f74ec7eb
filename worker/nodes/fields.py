"""Reads the ``data`` of a node and collects everything that is wrong with it, with its place in the document.

    fields = Fields.of(spec)
    self.url = fields.template("url")
    self.timeout_s = fields.mapping("timeout").number("read", 600.0)
    self.variables = [(item.text("variable"), item.selector("value_selector")) for item in fields.items("variables")]
    fields.check()

Every reader answers a usable default when the value is absent, null or wrong, so that one pass finds all mistakes; ``check`` raises
them together. Unknown keys are ignored.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from worker.engine.errors import Finding, GraphError
from worker.engine.node import NodeSpec
from worker.engine.templates import Template
from worker.engine.variables import Selector

#: Code of every finding about a node's own configuration.
INVALID_NODE_DATA = "invalid_node_data"

#: A whole number as text, of a length that Python agrees to read.
WHOLE_NUMBER = re.compile(r"\s*[+-]?[0-9]{1,18}\s*")

T = TypeVar("T")


class Fields:
    """One mapping of a node's configuration; nested mappings share the list of findings."""

    def __init__(self, spec: NodeSpec, data: Mapping[str, Any], path: str, findings: list[Finding]) -> None:
        self._spec = spec
        self._findings = findings
        self.data = data
        #: Dotted place of this mapping in the document.
        self.path = path

    @classmethod
    def of(cls, spec: NodeSpec) -> Fields:
        return cls(spec, spec.data, f"{spec.path}.data", [])

    def report(self, key: str, message: str) -> None:
        """Note that the value at ``key`` is wrong; ``message`` is a sentence without its full stop."""
        place = f"{self.path}.{key}" if key else self.path
        self._findings.append(
            Finding(INVALID_NODE_DATA, message, node_id=self._spec.id, node_title=self._spec.title or None, path=place),
        )

    def check(self) -> None:
        """Raises ``GraphError`` with every finding of this mapping and the ones nested in it, if there are any."""
        if self._findings:
            raise GraphError(self._findings)

    def value(self, key: str, default: Any = None) -> Any:
        """Whatever stands there; the default for an absent key and for null."""
        found = self.data.get(key)
        return default if found is None else found

    def text(self, key: str, default: str = "") -> str:
        found = self.value(key, default)
        if isinstance(found, str):
            return found
        if isinstance(found, int | float) and not isinstance(found, bool):
            # YAML reads an unquoted 42 as a number where the editor wrote a text.
            return str(found)
        return self._wrong(key, "a text", found, default)

    def required_text(self, key: str) -> str:
        """A text that must be there and not be empty."""
        if self.value(key, "") == "":
            self.report(key, f"'{key}' is required")
        return self.text(key)

    def choice(self, key: str, options: Collection[str], default: str | None = None) -> str:
        """One of ``options``; without a default it is required."""
        found = self.text(key, default or "") if default is not None else self.required_text(key)
        if found and found not in options:
            self.report(key, f"'{key}' is {found!r:.60}, but must be one of {', '.join(options)}")
        return found if found in options else (default or next(iter(options)))

    def template(self, key: str, default: str = "") -> Template:
        return Template.parse(self.text(key, default))

    def flag(self, key: str, default: bool = False) -> bool:
        found = self.value(key, default)
        return found if isinstance(found, bool) else self._wrong(key, "true or false", found, default)

    def integer(self, key: str, default: int) -> int:
        found = self.value(key, default)
        if isinstance(found, str) and WHOLE_NUMBER.fullmatch(found):
            return int(found)
        return found if isinstance(found, int) and not isinstance(found, bool) else self._wrong(key, "a whole number", found, default)

    def number(self, key: str, default: float) -> float:
        """A finite number."""
        found = self.value(key, default)
        try:
            number = math.nan if isinstance(found, bool) else float(found)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        return number if math.isfinite(number) else self._wrong(key, "a number", found, default)

    def selector(self, key: str) -> Selector:
        """A list of texts; absent, null and ``[]`` make an empty selector, which finds nothing."""
        return self._selector(key, self.value(key, []))

    def selectors(self, key: str) -> list[Selector]:
        """A list of selectors."""
        return [self._selector(f"{key}[{index}]", item) for index, item in enumerate(self.sequence(key))]

    def _selector(self, key: str, found: Any) -> Selector:
        if isinstance(found, list) and all(isinstance(part, str | int) for part in found):
            return tuple(str(part) for part in found)
        return self._wrong(key, "a list of texts such as [node, name]", found, ())

    def sequence(self, key: str) -> list[Any]:
        """A list of anything; empty when absent or null."""
        found = self.value(key, [])
        return found if isinstance(found, list) else self._wrong(key, "a list", found, [])

    def mapping(self, key: str) -> Fields:
        """The nested mapping; an empty one when absent or null."""
        found = self.value(key, {})
        data = found if isinstance(found, Mapping) else self._wrong(key, "a mapping", found, {})
        return Fields(self._spec, data, f"{self.path}.{key}", self._findings)

    def items(self, key: str) -> list[Fields]:
        """The mappings of a list; what is no mapping is reported and left out."""
        found = []
        for index, item in enumerate(self.sequence(key)):
            if isinstance(item, Mapping):
                found.append(Fields(self._spec, item, f"{self.path}.{key}[{index}]", self._findings))
            else:
                self._wrong(f"{key}[{index}]", "a mapping", item, None)
        return found

    def _wrong(self, key: str, expected: str, found: Any, default: T) -> T:
        self.report(key, f"'{key}' must be {expected}, not {type(found).__name__}")
        return default
