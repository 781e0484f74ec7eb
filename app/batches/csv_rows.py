"""A table as items: its columns are the variables of the start form, and ``custom_id``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from app.batches.cells import cell_value, remembering
from app.batches.encodings import BROKEN, TextFile
from app.batches.records import OpenQuote, Record, RecordLines, records
from app.batches.rows import Row, read_id
from app.errors import APIError, invalid_param
from worker.engine.errors import FormError
from worker.engine.file_inputs import ResolveFile
from worker.engine.form import Form

ID_COLUMN = "custom_id"

DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class Table:
    """A file whose header fits the form. Raises ``APIError`` when made of one that does not."""

    file: TextFile
    form: Form
    line_limit: int
    delimiter: str
    columns: Sequence[str]

    @classmethod
    def of(cls, file: TextFile, form: Form, line_limit: int) -> Table:
        delimiter, columns = find_columns(file, known_columns(form), line_limit)
        check_header(columns, form)
        return cls(file, form, line_limit, delimiter, columns)

    def rows(self, resolve: ResolveFile) -> Iterator[Row]:
        """Its items. Raises ``APIError`` for a quotation mark that is not closed."""
        found = _records(self.file, self.delimiter, self.line_limit)
        next(found, None)
        for record in found:
            yield self._row(record, remembering(resolve))

    def _row(self, record: Record, resolve: ResolveFile) -> Row:
        cells, excess = record.cells[: len(self.columns)], record.cells[len(self.columns) :]
        if record.error is not None:
            return Row(record.line, error=record.error)
        if len(cells) < len(self.columns) or any(excess):
            return Row(record.line, error=f"The row has {len(record.cells)} cells, but the header has {len(self.columns)} columns.")
        values = dict(zip(self.columns, cells, strict=True))
        custom_id, error = read_id(values.get(ID_COLUMN) or None)
        try:
            inputs = {item.name: cell_value(item, values[item.name], resolve) for item in self.form.variables if item.name in values}
        except FormError as failure:
            return Row(record.line, custom_id, error=error or failure.message)
        return Row(record.line, custom_id, inputs, error=error)


def known_columns(form: Form) -> dict[str, bool]:
    """Names that a column may have, and whether there must be one."""
    return {ID_COLUMN: False, **{item.name: item.required for item in form.variables}}


def check_header(columns: Sequence[str], form: Form) -> None:
    """Raises ``APIError`` that names what is wrong and which columns there can be."""
    names = known_columns(form)
    choice = "A table can have the columns " + ", ".join(names) + "."
    if not columns:
        raise invalid_param(f"The file has no header: its first row must name the columns. {choice}", "file")
    if any(BROKEN in name for name in columns):
        raise invalid_param("The header cannot be read: save the file as UTF-8, or name its encoding with encoding.", "file")
    if unknown := [name for name in columns if name not in names]:
        raise invalid_param(f"The header names {_quoted(unknown)}, which the start form does not have. {choice}", "file")
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise invalid_param(f"The header names {_quoted(twice)} more than once.", "file")
    if missing := [name for name, is_required in names.items() if is_required and name not in columns]:
        raise invalid_param(f"The header lacks {_quoted(missing)}, which the start form requires. {choice}", "file")


def _quoted(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name[:60]}'" for name in names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"


def find_columns(file: TextFile, known: Collection[str], line_limit: int) -> tuple[str, list[str]]:
    """The delimiter that makes the most known columns, else the most columns at all; a comma if there is only one. Raises ``APIError``."""
    headers: dict[str, list[str]] = {}
    refusals: list[APIError] = []
    for delimiter in DELIMITERS:
        try:
            headers[delimiter] = _header(file, delimiter, line_limit)
        except APIError as error:
            refusals.append(error)
    if not headers:
        raise refusals[0]
    best = max(headers, key=lambda mark: (len({*headers[mark]} & {*known}), len(headers[mark])))
    return best, headers[best]


def _header(file: TextFile, delimiter: str, line_limit: int) -> list[str]:
    """Names of the columns; empty cells at the end are none. Raises ``APIError``."""
    record = next(_records(file, delimiter, line_limit), None)
    if record is not None and record.error is not None and not record.cells:
        raise invalid_param(f"The header cannot be read: {record.error}", "file")
    columns = [cell.strip() for cell in record.cells] if record is not None else []
    while columns and not columns[-1]:
        columns.pop()
    return columns


def _records(file: TextFile, delimiter: str, line_limit: int) -> Iterator[Record]:
    """Raises ``APIError``."""
    try:
        yield from records(RecordLines(file.open(), file.encoding, line_limit), delimiter, line_limit)
    except OpenQuote as error:
        raise invalid_param(str(error), "file") from error
