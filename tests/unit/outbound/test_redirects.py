import pytest

from tests.unit.outbound.web import WebServer, redirect
from worker.engine.inbox import Inbox
from worker.engine.ports import OutboundRequest
from worker.outbound.client import GuardedClient
from worker.outbound.errors import AddressBlocked, InvalidURL, TooManyRedirects
from worker.outbound.hops import Hop

SECRETS = [("Authorization", "Bearer t"), ("Cookie", "sid=1"), ("Proxy-Authorization", "Basic x"), ("X-Api-Key", "k"), ("X-Plain", "p")]


def send(client, url, method="GET", **options):
    return client.send(OutboundRequest(method, url, **options), Inbox())


def test_redirects_are_followed_to_the_last_answer(client, web):
    web.routes["/a"] = redirect("/b/c")
    web.routes["/b/c"] = redirect("d?q=1", 301)
    web.routes["/b/d"] = redirect(f"{web.url}/", 307)

    response = send(client, f"{web.url}/a")

    assert (response.status, response.body, response.url) == (200, b"hello", f"{web.url}/")
    assert [seen.target for seen in web.seen] == ["/a", "/b/c", "/b/d?q=1", "/"]


def test_a_redirect_can_be_an_answer(client, web):
    web.routes["/a"] = redirect("/")

    assert send(client, f"{web.url}/a", follow_redirects=False).status == 302


def test_a_redirect_without_location_is_an_answer(client, web):
    web.routes["/a"] = lambda seen, answer: answer.send(b"where?", 302)

    assert send(client, f"{web.url}/a").body == b"where?"


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (301, "PUT", "PUT"),
        (301, "HEAD", "HEAD"),
        (302, "POST", "GET"),
        (302, "PUT", "GET"),
        (302, "HEAD", "HEAD"),
        (303, "POST", "GET"),
        (303, "DELETE", "GET"),
        (303, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (308, "PUT", "PUT"),
        (308, "POST", "POST"),
    ],
)
def test_method_and_body_follow_the_kind_of_redirect(client, web, status, method, then):
    web.routes["/a"] = redirect("/", status)

    send(client, f"{web.url}/a", method, body=b"data", headers=[("Content-Type", "text/x"), ("X-Kept", "1")])

    seen = web.seen[1]
    assert seen.method == then
    assert seen.headers["x-kept"] == "1"
    kept = then == method
    assert seen.body == (b"data" if kept else b"")
    assert seen.headers.get("content-type") == ("text/x" if kept else None)


def test_credentials_stay_with_their_origin(client, web):
    with WebServer() as other:
        other.routes["/there"] = lambda seen, answer: answer.send(b"ok")
        web.routes["/here"] = lambda seen, answer: answer.send(b"ok")
        web.routes["/out"] = redirect(f"{other.url}/there", 307)
        web.routes["/in"] = redirect("/here", 307)
        for path in ("/in", "/out"):
            send(client, web.url + path, headers=SECRETS, secret_headers=frozenset({"x-api-key"}))

        same, foreign = web.seen[1].headers, other.seen[0].headers
        assert {name: same[name.lower()] for name, _ in SECRETS} == dict(SECRETS)
        assert foreign["x-plain"] == "p"
        assert not {"authorization", "cookie", "proxy-authorization", "x-api-key"} & set(foreign)
        assert foreign["host"] == f"127.0.0.1:{other.port}"


def test_a_host_header_does_not_follow_to_another_origin(client, web):
    with WebServer() as other:
        other.routes["/"] = lambda seen, answer: answer.send(b"ok")
        web.routes["/out"] = redirect(f"{other.url}/")
        send(client, f"{web.url}/out", headers=[("Host", "virtual.example")])

        assert web.seen[0].headers["host"] == "virtual.example"
        assert other.seen[0].headers["host"] == f"127.0.0.1:{other.port}"


@pytest.mark.parametrize(
    ("before", "after", "carried"),
    [
        ("http://a.example/", "https://a.example/", True),
        ("http://a.example:80/", "https://A.example:443/x", True),
        ("https://a.example/", "http://a.example/", False),
        ("http://a.example:8080/", "https://a.example/", False),
        ("http://a.example/", "https://b.example/", False),
        ("http://a.example/", "http://a.example.evil/", False),
        ("http://a.example/", "http://sub.a.example/", False),
        ("https://a.example/", "https://a.example/x", True),
    ],
)
def test_only_the_same_origin_or_the_same_host_with_tls_gets_credentials(before, after, carried):
    hop = Hop.first(OutboundRequest("GET", before, headers=[("Authorization", "x")])).redirected(302, after)

    assert bool(hop.headers) is carried


def test_a_user_in_the_url_does_not_follow_to_another_host():
    hop = Hop.first(OutboundRequest("GET", "http://me:secret@a.example/")).redirected(302, "http://b.example/")

    assert b"Authorization" not in dict(hop.wire_headers())


@pytest.mark.parametrize(
    "location", ["http://10.0.0.1/", "http://169.254.169.254/", "http://[::1]/", "http://2130706434/", "//192.168.0.1/"]
)
def test_every_hop_is_judged(client, web, location):
    web.routes["/a"] = redirect("/b")
    web.routes["/b"] = redirect(location)

    with pytest.raises(AddressBlocked):
        send(client, f"{web.url}/a")


@pytest.mark.parametrize("location", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://a.example:99999/", "javascript:alert(1)"])
def test_a_redirect_leads_to_the_web_only(client, web, location):
    web.routes["/a"] = redirect(location)

    with pytest.raises(InvalidURL):
        send(client, f"{web.url}/a")


def test_a_circle_of_redirects_ends(client, web):
    web.routes["/a"] = redirect("/a")

    with pytest.raises(TooManyRedirects, match="Exceeded maximum allowed redirects"):
        send(client, f"{web.url}/a")

    assert len(web.seen) == 6


def test_a_redirect_to_a_name_with_a_private_address_is_blocked(web):
    names = {"start.example": ["127.0.0.1"], "metadata.example": ["169.254.169.254"]}
    client = GuardedClient(("127.0.0.1/32",), resolver=lambda host, port: names[host])
    web.routes["/a"] = redirect("http://metadata.example/latest/")

    with pytest.raises(AddressBlocked, match=r"http://metadata.example/latest/"):
        send(client, f"http://start.example:{web.port}/a")
    client.close()
