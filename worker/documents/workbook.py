"""Excel workbooks, old and new: a Markdown table for each sheet (nodes.md section 6.17)."""

from __future__ import annotations

import io
from collections.abc import Sequence

from python_calamine import CalamineSheet, CalamineWorkbook, SheetTypeEnum

from worker.documents.archive import open_archive
from worker.documents.columns import Value, header_texts, row_texts
from worker.documents.tables import rule_row, table_row

#: How a compound file begins, as Excel wrote them until 2003.
COMPOUND = b"\xd0\xcf\x11\xe0"


def text(content: bytes) -> str:
    if not content.startswith(COMPOUND):
        open_archive(content).close()
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    names = [sheet.name for sheet in book.sheets_metadata if sheet.typ is SheetTypeEnum.WorkSheet]
    return "".join(f"{_table(book.get_sheet_by_name(name))}\n\n" for name in names)


def _table(sheet: CalamineSheet) -> str:
    rows = _filled(sheet.to_python(skip_empty_area=False))
    header = header_texts(rows[0]) if rows else []
    return "\n".join([table_row(header), rule_row(header), *map(table_row, row_texts(rows[1:]))])


def _filled(rows: list[list[Value]]) -> list[list[Value]]:
    """Without the empty rows and columns at the end."""
    while rows and all(value == "" for value in rows[-1]):
        rows.pop()
    width = max((len(row) - _trailing(row) for row in rows), default=0)
    return [row[:width] for row in rows]


def _trailing(row: Sequence[Value]) -> int:
    """How many empty values a row ends with."""
    return next((count for count, value in enumerate(reversed(row)) if value != ""), len(row))
