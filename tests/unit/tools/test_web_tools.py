from collections.abc import Iterator

import pytest

from tests.unit.nodes.tooling import World
from tests.unit.outbound.web import WebServer, redirect
from tests.unit.tools.calling import call, text
from worker.engine.errors import NodeError
from worker.outbound.client import GuardedClient
from worker.sandbox.documents import DocumentSandbox

PAGE = """<html><head><title> A &amp; B </title><script>alert(1)</script></head><body>
<nav><a href="/menu">Menu</a></nav><h1>Head</h1><p>Some <b>bold</b> text, <a href="next.html">more</a>.</p></body></html>"""

RSS = """<?xml version="1.0"?><rss version="2.0"><channel><title>News</title><link>https://n.example</link>
<item><title>One</title><link>https://n.example/1</link><pubDate>Mon, 01 Jan 2024 00:00:00 GMT</pubDate>
<description>&lt;p&gt;First &lt;b&gt;item&lt;/b&gt;&lt;/p&gt;</description></item>
<item><title>Two</title><link>https://n.example/2</link></item></channel></rss>"""

ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>Blog</title><link rel="self" href="https://b.example/feed"/>
<link href="https://b.example"/><entry><title>Post</title><link rel="alternate" href="https://b.example/p"/>
<published>2024-01-01</published><author><name>Ada</name></author><summary>Short</summary></entry></feed>"""


@pytest.fixture(scope="module")
def documents() -> Iterator[DocumentSandbox]:
    made = DocumentSandbox()
    yield made
    made.close()


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        server.routes["/page"] = lambda seen, answer: answer.send(PAGE.encode(), content_type="text/html; charset=utf-8")
        server.routes["/rss"] = lambda seen, answer: answer.send(RSS.encode(), content_type="application/rss+xml")
        server.routes["/atom"] = lambda seen, answer: answer.send(ATOM.encode(), content_type="application/atom+xml")
        yield server


@pytest.fixture
def world(documents) -> Iterator[World]:
    client = GuardedClient(("127.0.0.1/32",))
    yield World(http=client, documents=documents)
    client.close()


def test_webscraper_reads_a_page(world, web):
    expected = f"TITLE: A & B\nTEXT:\n\n# Head\n\nSome **bold** text, [more]({web.url}/next.html)."

    assert text(world, "webscraper", "webscraper", url=f"{web.url}/page", user_agent="Me/1") == expected
    assert web.seen[0].headers["user-agent"] == "Me/1"
    assert web.seen[0].headers["accept"].startswith("text/html,")


def test_jina_reader_says_where_the_page_came_from(world, web):
    web.routes["/old"] = redirect("/page")

    assert text(world, "jina", "jina_reader", url=f" {web.url}/old ").startswith(
        f"Title: A & B\n\nURL Source: {web.url}/page\n\nMarkdown Content:\n# Head"
    )


def test_the_charset_of_the_header_counts(world, web):
    web.routes["/latin"] = lambda seen, answer: answer.send("<p>für</p>".encode("latin-1"), content_type="text/html; charset=latin-1")

    assert text(world, "webscraper", "webscraper", url=f"{web.url}/latin").endswith("für")


def test_other_texts_are_taken_as_they_are(world, web):
    web.routes["/data"] = lambda seen, answer: answer.send(b'{"a": 1}', content_type="application/json")

    assert text(world, "webscraper", "webscraper", url=f"{web.url}/data") == 'TITLE: \nTEXT:\n\n{"a": 1}'


def test_an_error_status_fails_and_is_retried_only_when_asked(world, web):
    tries = []

    def flaky(seen, answer):
        tries.append(seen)
        answer.send(PAGE.encode() if len(tries) > 2 else b"", 200 if len(tries) > 2 else 503, content_type="text/html")

    web.routes["/flaky"] = flaky
    with pytest.raises(NodeError, match="answered with status 503"):
        call(world, "jina", "jina_reader", url=f"{web.url}/flaky")
    assert text(world, "jina", "jina_reader", url=f"{web.url}/flaky", max_retries=3).startswith("Title: A & B")
    assert len(tries) == 3


def test_private_addresses_are_guarded(documents, web):
    client = GuardedClient()
    with pytest.raises(NodeError, match="SSRF"):
        call(World(http=client, documents=documents), "webscraper", "webscraper", url=f"{web.url}/page")
    client.close()


def test_rss(world, web):
    shown, data = call(world, "jaguarliuu/rookie_rss/rookie_rss", "rookie_rss", url=f"{web.url}/rss")

    assert shown.text == "## One\nMon, 01 Jan 2024 00:00:00 GMT\nhttps://n.example/1\nFirst item\n\n## Two\nhttps://n.example/2"
    assert data.value["title"] == "News"
    assert [entry["link"] for entry in data.value["entries"]] == ["https://n.example/1", "https://n.example/2"]


def test_atom_and_a_limit(world, web):
    _, data = call(world, "rookie_rss", "rookie_rss", rss_url=f"{web.url}/atom", limit=1)

    assert data.value == {
        "title": "Blog",
        "link": "https://b.example",
        "entries": [{"title": "Post", "link": "https://b.example/p", "published": "2024-01-01", "author": "Ada", "summary": "Short"}],
    }


@pytest.mark.parametrize("path", ["/page", "/none"])
def test_what_is_no_feed_is_refused(world, web, path):
    with pytest.raises(NodeError):
        call(world, "rookie_rss", "rookie_rss", url=f"{web.url}{path}")
    with pytest.raises(NodeError, match="url not found"):
        call(world, "rookie_rss", "rookie_rss")
