"""Entries of an RSS or Atom feed."""

from __future__ import annotations

import json
from typing import Any

from lxml import etree

from worker.documents.html import page_lines
from worker.documents.reading import DocumentRefused
from worker.documents.xml import local_name, parse_xml

ENTRIES = frozenset({"item", "entry"})

#: Name of a fact -> elements that tell it, the best one first.
FACTS = {
    "title": ("title",),
    "published": ("pubDate", "published", "date", "updated"),
    "author": ("creator", "author"),
    "summary": ("description", "summary", "encoded", "content"),
}


def text(content: bytes) -> str:
    """``{"title", "link", "entries": [{"title", "link", "published", "author", "summary"}]}`` as JSON."""
    root = parse_xml(content.strip())
    if local_name(root.tag) not in ("rss", "feed", "RDF"):
        raise DocumentRefused("it is neither an RSS nor an Atom feed")
    head = next((element for element in root if local_name(element.tag) == "channel"), root)
    entries = [facts_of(element) for element in root.iter() if local_name(element.tag) in ENTRIES]
    return json.dumps({"title": first(head, ("title",)), "link": link_of(head), "entries": entries}, ensure_ascii=False)


def facts_of(element: etree._Element) -> dict[str, Any]:
    found = {name: first(element, tags) for name, tags in FACTS.items()}
    return {"title": found.pop("title"), "link": link_of(element), **found}


def first(element: etree._Element, tags: tuple[str, ...]) -> str:
    """The text of the first of these children that has one, without markup."""
    children: dict[str, str] = {}
    for child in element:
        children.setdefault(local_name(child.tag), "".join(child.itertext()).strip())
    written = next((children[tag] for tag in tags if children.get(tag)), "")
    return " ".join(page_lines(written)) if "<" in written or "&" in written else " ".join(written.split())


def link_of(element: etree._Element) -> str:
    links = [child for child in element if local_name(child.tag) == "link"]
    usual = next((link for link in links if link.get("rel", "alternate") == "alternate"), None)
    return "" if usual is None else (usual.get("href") or (usual.text or "").strip())
