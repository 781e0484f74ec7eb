"""JSON, printed so that it can be read."""

from __future__ import annotations

import json

from worker.documents.encoding import decoded


def text(content: bytes) -> str:
    return json.dumps(json.loads(decoded(content)), indent=2, ensure_ascii=False)
