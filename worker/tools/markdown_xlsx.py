"""The tables of a Markdown text as a workbook, one sheet each."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

from xlsxwriter import Workbook

from worker.engine.errors import NodeError
from worker.tools.markdown_blocks import Block, plain

#: A number as spreadsheets know it; no leading zeros, which mean something, and not more digits than a spreadsheet keeps.
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,10})?")

#: Not ``=SUM(A1)`` as a formula: the texts come from models and users.
OPTIONS = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


def write(blocks: Sequence[Block]) -> bytes:
    tables = [block for block in blocks if block.kind == "table"]
    if not tables:
        raise NodeError("The Markdown text has no table.")
    content = io.BytesIO()
    with Workbook(content, OPTIONS) as workbook:
        bold = workbook.add_format({"bold": True})
        for table in tables:
            sheet = workbook.add_worksheet()
            for row, cells in enumerate(table.rows):
                for column, runs in enumerate(cells):
                    sheet.write(row, column, value_of(plain(runs)), *([bold] if row == 0 else []))
            sheet.autofit()
    return content.getvalue()


def value_of(text: str) -> str | float:
    return float(text) if NUMBER.fullmatch(text) else text
