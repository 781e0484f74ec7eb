"""Blocks of a Markdown text as a Word document."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from docx import Document
from docx.document import Document as WordDocument
from docx.shared import Pt
from docx.text.paragraph import Paragraph

from worker.tools.markdown_blocks import Block, Run

#: Word's list styles end with their depth, and there are three of each.
DEEPEST = 3

MONOSPACE = "Courier New"


def write(blocks: Sequence[Block]) -> bytes:
    document = Document()
    for block in blocks:
        add(document, block)
    content = io.BytesIO()
    document.save(content)
    return content.getvalue()


def add(document: WordDocument, block: Block) -> None:
    if block.kind == "heading":
        fill(document.add_heading(level=block.level), block.runs)
    elif block.kind == "table":
        add_table(document, block)
    elif block.kind == "rule":
        document.add_paragraph("\u2014" * 20)
    else:
        # Word's own numbers would go on counting through all lists of the document.
        number = (Run(f"{block.number}. "),) if block.kind == "number" and block.number else ()
        fill(document.add_paragraph(style=style_of(block)), (*number, *block.runs))


def style_of(block: Block) -> str:
    if block.kind in ("bullet", "number"):
        base = "List Continue" if not block.number else "List Bullet" if block.kind == "bullet" else "List"
        return base if block.level == 1 else f"{base} {min(block.level, DEEPEST)}"
    return "Quote" if block.kind == "quote" else "Normal"


def fill(paragraph: Paragraph, runs: Iterable[Run]) -> None:
    for run in runs:
        added = paragraph.add_run(run.text)
        added.bold, added.italic, added.font.strike = run.bold or None, run.italic or None, run.strike or None
        if run.code:
            added.font.name, added.font.size = MONOSPACE, Pt(9)
        if run.href and run.href != run.text:
            paragraph.add_run(f" ({run.href})")


def add_table(document: WordDocument, block: Block) -> None:
    width = max(map(len, block.rows), default=0)
    if not width:
        return
    table = document.add_table(rows=len(block.rows), cols=width, style="Table Grid")
    for number, row in enumerate(block.rows):
        # Not table.cell: it searches the whole table each time.
        for cell, runs in zip(table.rows[number].cells, row, strict=False):
            fill(cell.paragraphs[0], [Run(run.text, bold=True) for run in runs] if number == 0 else runs)
