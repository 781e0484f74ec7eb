"""Fetches pages and feeds for tools, through the outbound guard; what comes back is read in a limited process."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.engine.errors import NodeError
from worker.engine.media_types import (
    FEED,
    WEB_PAGE,
    charset_of_header,
    extension_of_mime,
    mime_of_header,
    mime_of_name,
    name_in_url,
)
from worker.engine.node import NodeContext
from worker.engine.ports import OutboundRequest, OutboundResponse

#: Bytes of a page.
MAX_BYTES = 10 * 1024 * 1024

#: Seconds without a sign of the server.
PATIENCE_S = 60.0

USER_AGENT = "Mozilla/5.0 (compatible; Penstock)"

#: What a reader of pages and a reader of feeds would rather have; anything else is taken too.
ACCEPT_PAGE = "text/html,application/xhtml+xml,*/*;q=0.8"
ACCEPT_FEED = "application/rss+xml,application/atom+xml,application/xml;q=0.9,*/*;q=0.8"

HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})


@dataclass(frozen=True, slots=True)
class Page:
    title: str
    #: Markdown of HTML pages, the text of other documents.
    text: str
    #: After redirects.
    url: str


def fetch(url: str, context: NodeContext, headers: Mapping[str, str]) -> OutboundResponse:
    """Raises ``NodeError``, also for an answer that is no success."""
    if not url.startswith(("http://", "https://")):
        url = f"https://{url}"
    pairs = tuple({"User-Agent": USER_AGENT, **headers}.items())
    request = OutboundRequest("GET", url, pairs, read_timeout_s=PATIENCE_S, max_bytes=MAX_BYTES)
    response = context.ports.http.send(request, context.cancellation)
    if not 200 <= response.status < 300:
        raise NodeError(f"{url} answered with status {response.status}.")
    return response


def read_page(url: str, context: NodeContext, user_agent: str = "") -> Page:
    """Raises ``NodeError``."""
    headers = {"Accept": ACCEPT_PAGE, **({"User-Agent": user_agent} if user_agent else {})}
    response = fetch(url.strip(), context, headers)
    mime_type = mime_of_header(response.headers.get("content-type", "")) or mime_of_name(name_in_url(response.url))
    if mime_type in HTML_TYPES or not mime_type:
        base = f'<base href="{html.escape(response.url)}">\n'
        found = extracted(base.encode() + in_utf_8(response), WEB_PAGE, context)
        return Page(found["title"], found["text"], response.url)
    if mime_type.startswith("text/") or mime_type.endswith(("json", "xml")):
        return Page("", in_utf_8(response).decode(errors="replace"), response.url)
    text = context.ports.documents.extract_text(response.body, extension_of_mime(mime_type), mime_type, context.cancellation)
    return Page("", text, response.url)


def read_feed(url: str, context: NodeContext) -> dict[str, Any]:
    """``{"title", "link", "entries"}``. Raises ``NodeError``."""
    return extracted(fetch(url.strip(), context, {"Accept": ACCEPT_FEED}).body, FEED, context)


def extracted(content: bytes, kind: str, context: NodeContext) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(context.ports.documents.extract_text(content, "", kind, context.cancellation))
    return found


def in_utf_8(response: OutboundResponse) -> bytes:
    """The body, transcoded if its charset is told; else the reader finds out."""
    charset = charset_of_header(response.headers.get("content-type", ""))
    try:
        return response.body.decode(charset, "replace").encode() if charset else response.body
    except (LookupError, UnicodeError):
        return response.body
