"""Comma-separated and tab-separated values, as one Markdown table."""

from __future__ import annotations

import csv
import io
import sys

from worker.documents.encoding import decoded
from worker.documents.tables import rule_row, table_row


def comma_text(content: bytes) -> str:
    return _table(content, csv.excel)


def tab_text(content: bytes) -> str:
    return _table(content, csv.excel_tab)


def _table(content: bytes, dialect: type[csv.Dialect]) -> str:
    # The module's own limit of 128 KiB guards against files with a quote too many; here the process has a limit.
    csv.field_size_limit(sys.maxsize)
    rows = list(csv.reader(io.StringIO(decoded(content), newline=""), dialect))
    if not rows:
        return ""
    lines = [table_row(_on_one_line(row)) for row in rows]
    lines.insert(1, rule_row(rows[0]))
    return "".join(f"{line}\n" for line in lines)


def _on_one_line(row: list[str]) -> list[str]:
    return [cell.replace("\n", " ").replace("\r", "") for cell in row]
