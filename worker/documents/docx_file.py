"""Word documents: paragraphs and tables in their order (nodes.md section 6.17)."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

import docx
from docx.document import Document
from docx.oxml.table import CT_Row, CT_Tbl
from docx.oxml.text.paragraph import CT_P
from docx.table import Table, _Cell
from docx.text.paragraph import Paragraph

from worker.documents.archive import open_archive
from worker.documents.tables import table_row


def text(content: bytes) -> str:
    document = docx.Document(io.BytesIO(_readable(content)))
    return "\n".join(_blocks(document))


def _readable(content: bytes) -> bytes:
    """The archive with slashes in its names where some programs for Windows write backslashes."""
    with open_archive(content) as archive:
        if not any("\\" in name for name in archive.namelist()):
            return content
        copy = io.BytesIO()
        with zipfile.ZipFile(copy, "w") as renamed:
            for entry in archive.infolist():
                renamed.writestr(entry.filename.replace("\\", "/"), archive.read(entry))
        return copy.getvalue()


def _blocks(document: Document) -> Iterator[str]:
    for block in document.element.body:
        if isinstance(block, CT_P):
            yield Paragraph(block, document).text
        elif isinstance(block, CT_Tbl) and (table := _table(Table(block, document))):
            yield table


def _table(table: Table) -> str:
    """Every row ends with a line break; a table without any text is left out."""
    rows = list(_rows(table))
    if not any(cell.strip() for row in rows for cell in row):
        return ""
    lines = [table_row(cell.replace("\n", "<br>") for cell in row) for row in rows]
    lines.insert(1, table_row("---" for _ in rows[0]))
    return "".join(f"{line}\n" for line in lines)


def _rows(table: Table) -> Iterator[list[str]]:
    """The texts of the cells by row; that of a merged cell in every place that it covers."""
    above: dict[int, str] = {}
    for row in table._tbl.tr_lst:
        above = _cells(row, table, above)
        yield list(above.values())


def _cells(row: CT_Row, table: Table, above: dict[int, str]) -> dict[int, str]:
    """By column of the grid."""
    found: dict[int, str] = {}
    column = row.grid_before
    for cell in row.tc_lst:
        text = above.get(column, "") if cell.vMerge == "continue" else _Cell(cell, table).text
        covered = range(column, column + cell.grid_span)
        found.update(dict.fromkeys(covered, text))
        column = covered.stop
    return found
