"""The scripted web as a WSGI application: every server there is, in one."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.dev_http.answer import Answer
from app.dev_http.answers import answer_to
from app.dev_http.asked import Asked
from app.dev_http.script import Rule
from app.dev_model.answering import PHRASES, StartResponse
from app.dev_model.directives import Directives
from app.dev_model.service import Service

#: Ends of paths at which models are asked, by workflows that do so with their own hands.
MODEL_PATHS = ("/chat/completions", "/embeddings", "/rerank", "/audio/speech", "/audio/transcriptions")


class Web:
    """``rules`` come before everything else."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._rules = rules
        self._models = Service(Directives())

    def __call__(self, environ: Mapping[str, Any], start: StartResponse) -> Iterable[bytes]:
        asked = Asked.of(environ)
        scripted = next((rule.answer for rule in self._rules if rule.fits(asked)), None)
        if scripted is None and asked.method == "POST" and asked.path.endswith(MODEL_PATHS):
            return self._models({**environ, "wsgi.input": io.BytesIO(asked.body)}, start)
        return [_begun(scripted or answer_to(asked), asked, start)]


def _begun(answer: Answer, asked: Asked, start: StartResponse) -> bytes:
    """The body, its headers being sent: HEAD gets those of GET, and nothing else."""
    headers = [("Content-Type", answer.media_type), ("Content-Length", str(len(answer.body))), *answer.headers]
    start(f"{answer.status} {PHRASES.get(answer.status, 'Unknown')}", headers)
    return b"" if asked.method == "HEAD" else answer.body
