"""Blocks of a Markdown text as a PDF.

Letters of the standard fonts are named, not embedded, and so are Chinese, Japanese and Korean ones, by Adobe's character collections:
readers bring the fonts. Other scripts are not in either.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from html import escape

from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Flowable, HRFlowable, Paragraph, SimpleDocTemplate, Table, TableStyle, XPreformatted

from worker.tools.markdown_blocks import Block, Run, plain

CHINESE, JAPANESE, KOREAN = "STSong-Light", "HeiseiMin-W3", "HYSMyeongJo-Medium"

#: Stretches of text that the standard fonts do not have, and the scripts that decide which font does.
EASTERN = re.compile(r"[^\x00-\xff\u2010-\u2026\u20ac\u2122]+")
KANA, HANGUL = re.compile(r"[\u3040-\u30ff]"), re.compile(r"[\u1100-\u11ff\uac00-\ud7af]")

#: A4 with margins, in points.
MARGIN = 56
INDENT = 16


def write(blocks: Sequence[Block]) -> bytes:
    content = io.BytesIO()
    document = SimpleDocTemplate(content, pagesize=A4, leftMargin=MARGIN, rightMargin=MARGIN, topMargin=MARGIN, bottomMargin=MARGIN)
    page = Page(eastern_font("".join(map(text_of, blocks))))
    document.build([page.flowable(block) for block in blocks] or [Paragraph("", page.body)])
    return content.getvalue()


def text_of(block: Block) -> str:
    return block.text + "".join(plain(cell) for row in block.rows for cell in row)


def eastern_font(text: str) -> str:
    """One for the whole text: Han characters look different in each."""
    name = KOREAN if HANGUL.search(text) else JAPANESE if KANA.search(text) else CHINESE
    if EASTERN.search(text) and name not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(UnicodeCIDFont(name))
    return name


class Page:
    def __init__(self, eastern: str) -> None:
        self._eastern = eastern
        self._styles = getSampleStyleSheet()
        # CJK line breaks go between any two characters, and leave Western words whole where they can.
        self.body = ParagraphStyle("body", parent=self._styles["BodyText"], leading=15)
        self._code = ParagraphStyle("code", parent=self._styles["Code"], leftIndent=INDENT, fontSize=8, leading=10)

    def flowable(self, block: Block) -> Flowable:
        if block.kind == "rule":
            return HRFlowable(width="100%", spaceBefore=6, spaceAfter=6)
        if block.kind == "table":
            return self._table(block)
        if block.kind == "code":
            return XPreformatted(self._marked(block.runs, is_code=True), self._code)
        return self._paragraph(block)

    def _paragraph(self, block: Block) -> Paragraph:
        text = self._marked(block.runs)
        if block.kind == "heading":
            style = ParagraphStyle("heading", parent=self._styles[f"Heading{block.level}"])
        else:
            style = ParagraphStyle("text", parent=self.body, leftIndent=INDENT * (block.level or (block.kind == "quote")))
        if EASTERN.search(block.text):
            style.wordWrap = "CJK"
        bullet = {"bullet": "\u2022", "number": f"{block.number}."}.get(block.kind) if block.number else None
        if bullet:
            style.bulletIndent = style.leftIndent - INDENT + 2
        return Paragraph(text, style, bulletText=bullet)

    def _table(self, block: Block) -> Flowable:
        width = max(map(len, block.rows), default=0)
        if not width:
            return Paragraph("", self.body)
        style = ParagraphStyle("cell", parent=self.body, fontSize=9, leading=11, wordWrap="CJK")
        rows = [[Paragraph(self._marked(cell), style) for cell in row] + [""] * (width - len(row)) for row in block.rows]
        table = Table(rows, colWidths=[(A4[0] - 2 * MARGIN) / width] * width, repeatRows=1, spaceBefore=6, spaceAfter=6)
        table.setStyle(TableStyle([("GRID", (0, 0), (-1, -1), 0.5, "#888888"), ("VALIGN", (0, 0), (-1, -1), "TOP")]))
        return table

    def _marked(self, runs: Iterable[Run], *, is_code: bool = False) -> str:
        return "".join(self._marked_run(run, is_code) for run in runs)

    def _marked_run(self, run: Run, is_code: bool) -> str:
        """In the small markup of the library; everything that comes from the text is escaped."""
        text = escape(run.text)
        text = text if is_code else text.replace("\n", "<br/>")
        text = EASTERN.sub(lambda found: f'<font name="{self._eastern}">{found[0]}</font>', text)
        marks = (("b", run.bold), ("i", run.italic), ("strike", run.strike))
        for tag, is_on in marks:
            text = f"<{tag}>{text}</{tag}>" if is_on else text
        if run.code and not is_code:
            text = f'<font name="Courier">{text}</font>'
        if run.href.startswith(("http://", "https://", "mailto:")):
            text = f'<a href="{escape(run.href)}" color="blue">{text}</a>'
        return text
