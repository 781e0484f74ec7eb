"""XML parsers that expand no entity, load nothing and refuse trees of hostile depth."""

from __future__ import annotations

from typing import Any

from lxml import etree


def parse_xml(content: bytes) -> etree._Element:
    return etree.fromstring(content, _parser())


def feed_xml(content: bytes, target: Any) -> Any:
    """Tell the elements of a document to a parser target of lxml; answers what its ``close`` does."""
    return etree.fromstring(content, _parser(target=target))


def local_name(tag: object) -> str:
    """The name without its namespace; namespaces differ between the strict and the usual form of one format."""
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _parser(**options: Any) -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, **options)
