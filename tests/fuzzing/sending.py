"""One request and its answer, read to the end unless it is a stream that has none."""

from __future__ import annotations

import time
from typing import Any

import requests
from schemathesis import Response

from tests.fuzzing.enriching import Enriched

#: Seconds to connect, and between two pieces of an answer: longer than a blocking call is let wait.
TIMEOUT_S = (5.0, 40.0)

#: Seconds after which the reader of an event stream hangs up.
STREAM_S = 0.3

#: What cannot be sent is no request: the client refuses headers and addresses that HTTP has no form for.
UNSENDABLE = (requests.exceptions.InvalidHeader, requests.exceptions.InvalidURL, UnicodeError)


class Sender:
    """Keeps its connections; one thread at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        # No proxy, and no password out of somebody's `.netrc`.
        self._session.trust_env = False

    def send(self, request: Enriched) -> Response | None:
        """The answer; None if there is no such request. Raises ``requests.RequestException`` when the connection breaks."""
        try:
            wanted = self._wanted(request)
            answer = self._session.request(**wanted, stream=True, allow_redirects=False, timeout=TIMEOUT_S)
        except UNSENDABLE:
            return None
        began = time.monotonic()
        with answer:
            content = read(answer)
        return Response(
            status_code=answer.status_code,
            headers={name: answer.raw.headers.getlist(name) for name in answer.raw.headers},
            content=content,
            request=answer.request,
            elapsed=time.monotonic() - began,
            verify=False,
            encoding=answer.encoding,
        )

    def _wanted(self, request: Enriched) -> dict[str, Any]:
        """Arguments of `requests`."""
        wanted = request.case.as_transport_kwargs(base_url=self._url)
        if request.form is not None:
            wanted |= {"files": request.form, "data": None}
            wanted["headers"].pop("Content-Type", None)
        wanted["headers"].update(request.headers)
        return wanted

    def close(self) -> None:
        self._session.close()


def read(answer: requests.Response) -> bytes:
    """All of it, or the beginning of an event stream."""
    if not answer.headers.get("Content-Type", "").startswith("text/event-stream"):
        return answer.content
    pieces, until = [], time.monotonic() + STREAM_S
    for piece in answer.raw.stream(65536, decode_content=True):
        pieces.append(piece)
        if time.monotonic() > until:
            break
    return b"".join(pieces)
