"""Results of a batch as lines of JSON, or as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worker.store.encoding import dumps

#: Columns of every table; those of the outputs follow.
COLUMNS = ("custom_id", "line", "status", "workflow_run_id", "error_code", "error", "elapsed_time", "total_tokens", "total_steps", "cursor")

#: Put before the names of outputs, which may be anything.
OUTPUT = "outputs."

#: What a spreadsheet takes for the start of a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")

#: Makes an item into a piece of the answer.
Render = Callable[[Mapping[str, Any]], bytes]


def json_line(item: Mapping[str, Any]) -> bytes:
    return dumps(item).lstrip().encode() + b"\n"


@dataclass(frozen=True, slots=True)
class TableWriter:
    """A table in UTF-8, cells in quotation marks where they need it (RFC 4180).

    ``outputs``: names of the outputs, a column each; without any, one column has them all as JSON. ``is_spreadsheet``: begins with a
    byte order mark, and texts that a spreadsheet would take for formulas begin with an apostrophe. Otherwise every value is as it is.
    """

    outputs: Sequence[str]
    is_spreadsheet: bool = False
    _buffer: io.StringIO = field(default_factory=lambda: io.StringIO(newline=""))

    def head(self) -> bytes:
        mark = "\ufeff" if self.is_spreadsheet else ""
        names = [OUTPUT + name for name in self.outputs] or [OUTPUT.rstrip(".")]
        return mark.encode() + self._row([*COLUMNS, *names])

    def row(self, item: Mapping[str, Any]) -> bytes:
        error = item["error"] or {}
        facts = {**item, **item["usage"], "error_code": error.get("code"), "error": error.get("message")}
        outputs = item.get("outputs") or {}
        values = [outputs.get(name) for name in self.outputs] if self.outputs else [outputs or None]
        return self._row([*(facts.get(name) for name in COLUMNS), *values])

    def _row(self, values: Sequence[Any]) -> bytes:
        csv.writer(self._buffer).writerow([self._cell(value) for value in values])
        text = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return text.encode("utf-8", "replace")

    def _cell(self, value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, str):
            return f"'{value}" if self.is_spreadsheet and value.startswith(FORMULA) else value
        return dumps(value).lstrip()
