"""Files of batches in memory, and what is read from them."""

from __future__ import annotations

import io
from typing import Any

from app.batches.csv_rows import Table
from app.batches.encodings import TextFile
from app.batches.json_lines import json_lines
from app.batches.rows import Row
from tests.services import documents
from worker.engine.file_inputs import ResolveFile
from worker.engine.form import Form
from worker.engine.form_variables import FormVariable

LIMIT = 1000


def no_file(mapping: Any) -> Any:
    raise AssertionError(f"No file is looked for: {mapping}")


def form(*variables: dict[str, Any]) -> Form:
    return Form([FormVariable.of(variable) for variable in variables])


def form_of(**types: str) -> Form:
    return form(*(documents.variable(name, kind) for name, kind in types.items()))


def lines(content: bytes, encoding: str | None = None, limit: int = LIMIT) -> list[Row]:
    return list(json_lines(TextFile(io.BytesIO(content), encoding, limit), limit))


def table(content: bytes | str, of: Form, encoding: str | None = None, limit: int = LIMIT) -> Table:
    data = content.encode() if isinstance(content, str) else content
    return Table.of(TextFile(io.BytesIO(data), encoding, limit), of, limit)


def rows(content: bytes | str, of: Form, encoding: str | None = None, limit: int = LIMIT, resolve: ResolveFile = no_file) -> list[Row]:
    return list(table(content, of, encoding, limit).rows(resolve))


def inputs(found: list[Row]) -> list[Any]:
    assert [row.error for row in found] == [None] * len(found)
    return [row.inputs for row in found]
