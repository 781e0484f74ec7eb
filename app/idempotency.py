"""The header ``Idempotency-Key`` of run requests (reliability.md section 1.9): what a request is recognised by.

Refusals are not remembered: a request that was refused made no run, and may be sent again under its key, mended or not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
from flask import Request

from app.enqueue import Accepted
from app.errors import invalid_param
from app.parts import Parts
from worker.store.idempotency import Submission, find_keyed_run

HEADER = "Idempotency-Key"
MAX_LENGTH = 255

#: Header of an answer about the run of an earlier request.
REPLAYED = "Idempotent-Replayed"


def submission_of(asked: Request, app_id: str, body: Mapping[str, Any]) -> Submission | None:
    """The request as its key names it; None without a key. Raises ``APIError`` for a key that is empty or too long."""
    key = idempotency_key(asked)
    return None if key is None else Submission(app_id, asked.path.lower(), key, fingerprint_of(body))


def idempotency_key(asked: Request) -> str | None:
    """Raises ``APIError`` for a key that is empty or too long."""
    key = asked.headers.get(HEADER)
    if key is not None and not 0 < len(key) <= MAX_LENGTH:
        raise invalid_param(f"{HEADER} must have 1 to {MAX_LENGTH} characters.", HEADER)
    return key


def fingerprint_of(body: Mapping[str, Any]) -> str:
    """The same for bodies that say the same: spaces, escapes and the order of keys do not count."""
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def earlier_run(parts: Parts, submission: Submission | None) -> Accepted | None:
    """The run that an earlier request with this key made. Raises ``KeyReused`` if its body was another one."""
    if submission is None:
        return None
    with parts.database.read() as session:
        found = find_keyed_run(session, submission)
    return None if found is None else parts.intake.rejoin(found)
