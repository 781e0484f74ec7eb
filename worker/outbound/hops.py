"""The requests of one ``send``: the first one, and those that redirects make of it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, replace

import httpx

from worker.engine.ports import OutboundRequest
from worker.outbound.connections import Origin
from worker.outbound.decoding import ACCEPT_ENCODING
from worker.outbound.errors import InvalidRequest, InvalidURL

Headers = tuple[tuple[str, str], ...]

#: What servers see in their logs; the number is that of this client, not of the product.
USER_AGENT = "penstock-http/0.1.0"

REDIRECTS = frozenset({301, 302, 303, 307, 308})

#: Never carried to another origin.
CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization", "host"})

#: How the body is framed is decided here, whatever the request says.
FRAMING = frozenset({"content-length", "transfer-encoding"})

#: Dropped with the body.
ABOUT_BODY = frozenset({"content-type", "content-encoding"})

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Hop:
    method: str
    url: httpx.URL
    headers: Headers
    body: bytes
    verify_tls: bool

    @classmethod
    def first(cls, request: OutboundRequest) -> Hop:
        headers = tuple((name, value) for name, value in request.headers if name.lower() not in FRAMING)
        return cls(request.method.upper(), parsed(request.url), headers, request.body, request.verify_tls)

    @property
    def origin(self) -> Origin:
        port = self.url.port or DEFAULT_PORTS[self.url.scheme]
        return Origin(self.url.scheme, self.url.raw_host.decode("ascii"), port, self.verify_tls)

    def wire_headers(self) -> list[tuple[bytes, bytes]]:
        """All headers as they are sent; what the request sets itself replaces the defaults. Raises ``InvalidRequest``."""
        own = {name.lower() for name, _ in self.headers}
        defaults = (item for item in self._defaults() if item[0].lower() not in own)
        try:
            return [(name.encode("ascii"), value.encode("ascii")) for name, value in (*defaults, *self.headers)]
        except UnicodeEncodeError as error:
            raise InvalidRequest(str(error)) from error

    def _defaults(self) -> Iterator[tuple[str, str]]:
        yield "Host", self.url.netloc.decode("ascii")
        yield "Accept", "*/*"
        yield "Accept-Encoding", ACCEPT_ENCODING
        yield "Connection", "keep-alive"
        yield "User-Agent", USER_AGENT
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            yield "Content-Length", str(len(self.body))
        if self.url.userinfo:
            yield "Authorization", basic_authorization(self.url)

    def redirected(self, status: int, location: str, secret_headers: frozenset[str] = frozenset()) -> Hop:
        """What a redirect asks for, with the methods that browsers use then, and without credentials if it leaves the origin."""
        hop = replace(self, url=parsed(location, self.url))
        dropped = frozenset() if hop._is_safe_after(self) else CREDENTIALS | secret_headers
        if (status in (302, 303) and self.method not in ("GET", "HEAD")) or (status == 301 and self.method == "POST"):
            hop = replace(hop, method="GET", body=b"")
            dropped |= ABOUT_BODY
        return replace(hop, headers=tuple(item for item in hop.headers if item[0].lower() not in dropped))

    def _is_safe_after(self, earlier: Hop) -> bool:
        """The same origin, or the same host with TLS added."""
        here, before = self.origin, earlier.origin
        is_upgrade = (before.scheme, before.port, here.scheme, here.port) == ("http", 80, "https", 443)
        return here == before or (is_upgrade and here.host == before.host)


def parsed(text: str, base: httpx.URL | None = None) -> httpx.URL:
    """An absolute http or https URL. Raises ``InvalidURL``."""
    try:
        url = base.join(text) if base is not None else httpx.URL(text)
    except httpx.InvalidURL as error:
        raise InvalidURL(str(error)) from error
    if url.scheme not in DEFAULT_PORTS:
        raise InvalidURL("url should start with http:// or https://")
    if not url.raw_host.strip(b".") or (url.port is not None and not 0 < url.port < 65536):
        raise InvalidURL(f"Invalid URL '{text}'")
    return url


def basic_authorization(url: httpx.URL) -> str:
    return "Basic " + base64.b64encode(f"{url.username}:{url.password}".encode()).decode("ascii")
