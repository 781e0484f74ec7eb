"""A web page as Markdown: headings, paragraphs, lists, links, tables and code, without scripts, menus and forms."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import urljoin

from lxml import etree

from worker.documents.encoding import decoded

HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}

BLOCKS = frozenset(
    (
        *("address", "article", "blockquote", "body", "caption", "center", "dd", "details", "div", "dl", "dt", "fieldset", "figcaption"),
        *("figure", "header", "hr", "html", "legend", "main", "ol", "p", "pre", "section", "summary", "table", "tbody", "tfoot", "thead"),
        *("tr", "ul", *HEADINGS),
    )
)
HIDDEN = frozenset(("button", "dialog", "footer", "form", "iframe", "nav", "noscript", "script", "select", "style", "svg", "template"))
MARKS = {"strong": "**", "b": "**", "em": "*", "i": "*"}

#: What the address of a link or an image must begin with to be kept.
WEB = ("http://", "https://")

BLANKS = re.compile(r"\s+")


class Markdown:
    """A target for lxml's HTML parser; nothing recurses, whatever the depth of a page."""

    def __init__(self) -> None:
        self.title = ""
        self._base = ""
        self._blocks: list[str] = []
        self._parts: list[str] = []
        self._prefix = ""
        self._hidden = 0
        self._code = 0
        self._in_title = False
        #: Of each open list: the number of its last item, or None for bullets.
        self._lists: list[int | None] = []
        #: Of each open link: its address, and where in the line it begins.
        self._links: list[tuple[str, int]] = []
        self._cells = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag in HIDDEN:
            self._hidden += 1
        elif tag == "title" and not self.title:
            self._in_title = True
        elif not self._hidden:
            self._open(tag, attributes)

    def _open(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag in BLOCKS or tag == "li":
            self._end_block()
        if tag == "base":
            self._base = self._base or attributes.get("href", "")
        elif tag in HEADINGS:
            self._prefix = HEADINGS[tag]
        elif tag == "blockquote":
            self._prefix = "> "
        elif tag in ("ul", "ol"):
            self._lists.append(0 if tag == "ol" else None)
        elif tag == "li":
            self._prefix = self._bullet()
        elif tag == "pre":
            self._code += 1
        elif tag == "br":
            self._parts.append("\n")
        elif tag in ("td", "th"):
            self._parts.append(" | " if self._cells else "")
            self._cells += 1
        elif tag == "tr":
            self._cells = 0
        elif tag == "a":
            self._links.append((attributes.get("href", ""), len(self._parts)))
        elif tag == "img":
            self._image(attributes)
        elif tag in MARKS:
            self._parts.append(MARKS[tag])

    def end(self, tag: str) -> None:
        if tag in HIDDEN:
            self._hidden = max(self._hidden - 1, 0)
        elif tag == "title":
            self._in_title = False
        elif not self._hidden:
            self._close(tag)

    def _close(self, tag: str) -> None:
        if tag == "a" and self._links:
            self._end_link(*self._links.pop())
        elif tag in MARKS:
            self._parts.append(MARKS[tag])
        elif tag in BLOCKS or tag == "li":
            self._end_block()
        if tag in ("ul", "ol") and self._lists:
            self._lists.pop()
        elif tag == "pre":
            self._code = max(self._code - 1, 0)

    def data(self, text: str) -> None:
        if self._in_title:
            self.title = f"{self.title}{text}"
        elif not self._hidden:
            self._parts.append(text if self._code else BLANKS.sub(" ", text))

    def close(self) -> str:
        self._end_block()
        return "\n\n".join(self._blocks)

    def _bullet(self) -> str:
        indent = "  " * (len(self._lists) - 1)
        if not self._lists or self._lists[-1] is None:
            return f"{indent}- "
        self._lists[-1] += 1
        return f"{indent}{self._lists[-1]}. "

    def _image(self, attributes: Mapping[str, str]) -> None:
        address = self._address(attributes.get("src", ""))
        if address:
            self._parts.append(f"![{attributes.get('alt', '')}]({address})")

    def _end_link(self, href: str, place: int) -> None:
        label = BLANKS.sub(" ", "".join(self._parts[place:])).strip()
        address = self._address(href)
        if label and address:
            self._parts[place:] = [f"[{label}]({address})"]

    def _address(self, reference: str) -> str:
        try:
            address = urljoin(self._base, reference.strip())
        except ValueError:
            return ""
        return address if address.startswith(WEB) else ""

    def _end_block(self) -> None:
        text = "".join(self._parts)
        text = text.strip("\n") if self._code else "\n".join(line.strip() for line in text.strip().split("\n"))
        self._parts.clear()
        self._links = [(href, 0) for href, _ in self._links]
        if text.strip("*_| \n"):
            self._blocks.append(f"```\n{text}\n```" if self._code else self._prefix + text)
            self._prefix = ""


def text(content: bytes) -> str:
    """``{"title", "text"}`` as JSON. A first line ``<base href="...">`` says where the page comes from."""
    page, markdown = decoded(content), Markdown()
    body = ""
    if page.strip():
        parser = etree.HTMLParser(target=markdown, huge_tree=False)
        parser.feed(page)
        body = parser.close()
    return json.dumps({"title": BLANKS.sub(" ", markdown.title).strip(), "text": body}, ensure_ascii=False)
