"""What a remote file is, before anybody downloads it: asked for while a run's inputs are checked (api-contract.md section 3.3)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from worker.engine.errors import FormError
from worker.engine.media_types import disposition_of_header, extension_of_mime, mime_of_header, mime_of_name, name_in_url
from worker.engine.ports import Cancellation, HTTPClient, OutboundRequest, OutboundResponse
from worker.outbound.errors import ConnectionFailed, InvalidResponse, OutboundError

#: Seconds for connecting and for the answer: a client waits for its run to be accepted meanwhile.
TIMEOUT_S = 5.0

#: Seconds before each further attempt. Only what may be different a moment later is tried again.
RETRY_DELAYS_S = (0.1, 0.2, 0.4)

#: The server asks to be called again later.
RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class RemoteFile:
    name: str
    #: Empty if nothing tells.
    mime_type: str
    #: Bytes; -1 when unknown.
    size: int


def look_at(url: str, http: HTTPClient, cancellation: Cancellation) -> RemoteFile:
    """Name, type and size by a HEAD request. Raises ``FormError`` when there is no answer, or only a plea to come back later."""
    for delay_s in (*RETRY_DELAYS_S, 0.0):
        response = answer_to_head(url, http, cancellation)
        if response is not None and response.status not in RETRIED_STATUSES:
            return described(url, response)
        cancellation.wait(delay_s)
        cancellation.check()
    raise unreachable(url)


def answer_to_head(url: str, http: HTTPClient, cancellation: Cancellation) -> OutboundResponse | None:
    """None if the connection failed."""
    request = OutboundRequest("HEAD", url, connect_timeout_s=TIMEOUT_S, read_timeout_s=TIMEOUT_S, write_timeout_s=TIMEOUT_S, max_bytes=0)
    try:
        return http.send(request, cancellation)
    except (ConnectionFailed, InvalidResponse):
        return None
    except OutboundError:
        raise unreachable(url) from None


def unreachable(url: str) -> FormError:
    return FormError(f"Reached maximum retries ({len(RETRY_DELAYS_S)}) for URL {url}")


def described(url: str, response: OutboundResponse) -> RemoteFile:
    """Only a 200 speaks of the file itself; behind any other status the URL must do."""
    headers = response.headers if response.status == 200 else {}
    name = disposition_of_header(headers.get("content-disposition", ""))[1] or name_in_url(url)
    mime_type = mime_of_name(name) or mime_of_header(headers.get("content-type", ""))
    length = headers.get("content-length", "")
    name = name or f"{uuid.uuid4().hex}{extension_of_mime(mime_type) or '.bin'}"
    return RemoteFile(name, mime_type, int(length) if length.isdecimal() else -1)
