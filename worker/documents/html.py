"""The text of an HTML page: a line for each block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from lxml import etree

from worker.documents.lines import Lines


class PageLines(Lines):
    blocks = frozenset(
        (
            *("address", "article", "aside", "blockquote", "body", "br", "caption", "center", "dd", "details", "dialog", "div", "dl", "dt"),
            *("fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "legend"),
            *("li", "main", "nav", "ol", "option", "p", "pre", "section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul"),
        )
    )
    hidden = frozenset(("head", "script", "style", "template"))
    marks: ClassVar[Mapping[str, str]] = {"td": " ", "th": " "}

    def joined(self, text: str) -> str:
        return " ".join(text.split())


def page_lines(page: str) -> list[str]:
    if not page.strip():
        # What the parser refuses.
        return []
    parser = etree.HTMLParser(target=PageLines(), huge_tree=False)
    parser.feed(page)
    lines: list[str] = parser.close()
    return lines
