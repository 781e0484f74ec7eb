"""The little world that the scripted web tells of: three articles, as a page, a feed, Markdown or JSON."""

from __future__ import annotations

import html
from typing import Any

HEADLINES = ("The harbour wakes up", "A market in the rain", "Trees for the old bridge")

PARAGRAPHS = (
    "The harbour was quiet in the morning. Two boats came in with the tide, and the market opened an hour later.",
    "By noon the square was full. People asked for tea, for bread and for news of the ferry, which was late again.",
    "In the evening the council agreed to plant forty trees along the river. The first of them will be a lime.",
)

TEXT = "\n\n".join(PARAGRAPHS)
PICTURE = "https://example.com/sample.png"
DATE = "2026-01-15"
FEED_DATE = "Thu, 15 Jan 2026 08:00:00 GMT"


def record(number: int) -> dict[str, Any]:
    """One of the articles, under the names that interfaces give to such things; ``number`` from 1."""
    url = f"https://example.com/articles/{number}"
    title = HEADLINES[(number - 1) % len(HEADLINES)]
    return {
        "id": number,
        "title": title,
        "name": title,
        "url": url,
        "link": url,
        "image": PICTURE,
        "description": PARAGRAPHS[0],
        "content": TEXT,
        "text": TEXT,
        "author": "Ada Lovelace",
        "date": DATE,
        "score": 10 * number,
    }


def records() -> list[dict[str, Any]]:
    return [record(number) for number in range(1, len(HEADLINES) + 1)]


def page(title: str) -> str:
    """An HTML page with a heading, some paragraphs and links."""
    paragraphs = "".join(f"<p>{paragraph}</p>\n" for paragraph in PARAGRAPHS)
    links = "".join(f'<li><a href="{item["url"]}">{item["title"]}</a></li>' for item in records())
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><meta name="description" content="{PARAGRAPHS[0]}">'
    body = f'<main><h1>{html.escape(title)}</h1>\n{paragraphs}<img src="{PICTURE}" alt="A sample">\n<ul>{links}</ul></main>'
    return f'<!doctype html><html lang="en"><head>{head}</head>\n<body>{body}</body></html>'


def feed(title: str, link: str) -> str:
    """RSS 2.0."""
    items = "".join(map(_item, records()))
    channel = f"<title>{html.escape(title)}</title><link>{html.escape(link)}</link><description>{PARAGRAPHS[0]}</description>"
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"><channel>{channel}{items}</channel></rss>'


def _item(article: dict[str, Any]) -> str:
    link = article["url"]
    facts = f"<title>{article['title']}</title><link>{link}</link><guid>{link}</guid><pubDate>{FEED_DATE}</pubDate>"
    return f"<item>{facts}<description>{article['description']}</description></item>"


def markdown(title: str, url: str) -> str:
    """As readers of pages answer it."""
    return f"Title: {title}\n\nURL Source: {url}\n\nMarkdown Content:\n{TEXT}"
