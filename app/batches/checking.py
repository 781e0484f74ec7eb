"""Items of a batch against the start form: by the rules of a single run, with its messages (api-contract.md section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from app.batches.rows import Row
from worker.engine.errors import FormError
from worker.engine.file_inputs import ResolveFile
from worker.engine.form import Form
from worker.engine.variables import to_json
from worker.json_schema import mismatch
from worker.store.batches import DUPLICATE, NewItem

#: Code of an item that cannot be run, as a run request would be answered.
INVALID = "invalid_param"


def checked_items(rows: Iterable[Row], form: Form, resolve: ResolveFile) -> Iterator[NewItem]:
    """An item for each row, in order. Of several with one id, the first keeps it; items without an id go by their line."""
    lines: dict[str, int] = {}
    for row in rows:
        custom_id = row.custom_id or str(row.line)
        first = lines.setdefault(custom_id, row.line)
        if first != row.line:
            yield NewItem(custom_id, row.line, {}, DUPLICATE, f"The item in line {first} has the custom_id {custom_id!r} already.")
        else:
            yield _checked(row, custom_id, form, resolve)


def _checked(row: Row, custom_id: str, form: Form, resolve: ResolveFile) -> NewItem:
    if row.error is not None:
        return NewItem(custom_id, row.line, {}, INVALID, row.error)
    try:
        return NewItem(custom_id, row.line, run_inputs(row, form, resolve))
    except FormError as error:
        return NewItem(custom_id, row.line, {}, INVALID, error.message)


def run_inputs(row: Row, form: Form, resolve: ResolveFile) -> dict[str, Any]:
    """What a run of the item is given, files without addresses: these expire. Raises ``FormError``."""
    files = form.prepare_files(row.files, resolve)
    values = form.prepare(row.inputs, resolve, mismatch)
    return to_json({**values, "sys.files": files}, lambda file: "")
