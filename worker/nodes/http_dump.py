"""A request as people read it: what ``process_data`` of http-request nodes shows."""

from __future__ import annotations

from urllib.parse import parse_qsl

from worker.engine.ports import OutboundRequest
from worker.nodes.http_lines import Pairs

#: Headers whose values are credentials, whoever set them.
SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})


def dump(request: OutboundRequest, shown_body: str) -> str:
    """HTTP/1.1 text of a request, credentials in headers replaced by as many asterisks; lengths are characters of what is shown."""
    host, target = host_and_target(request.url)
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {shown_value(name, value, request.secret_headers)}" for name, value in request.headers]
    if shown_body:
        lines.append(f"Content-Length: {len(shown_body)}")
    return "\r\n".join(lines) + "\r\n\r\n" + shown_body


def host_and_target(url: str) -> tuple[str, str]:
    """Host with port, and path with query."""
    authority, target = split_url(url)
    return authority.rpartition("@")[2], target if target.startswith("/") else f"/{target}"


def password_of(url: str) -> str:
    """The password that a URL carries; empty if it has none."""
    return split_url(url)[0].rpartition("@")[0].partition(":")[2]


def query_of(url: str) -> Pairs:
    """The parameters of a URL, decoded."""
    return parse_qsl(split_url(url)[1].partition("?")[2], errors="replace")


def split_url(url: str) -> tuple[str, str]:
    """Authority, and what follows it up to the fragment. Never fails, since a URL that cannot be called is shown too."""
    rest = url.partition("#")[0].partition("://")[2]
    end = min((rest.find(mark) for mark in "/?" if mark in rest), default=len(rest))
    return rest[:end], rest[end:]


def shown_value(name: str, value: str, secret_headers: frozenset[str]) -> str:
    return "*" * len(value) if name.lower() in SECRET_HEADERS | secret_headers else value
