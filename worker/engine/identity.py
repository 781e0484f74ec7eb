"""Ids of node executions, and what other services may call them."""

from __future__ import annotations

import hashlib
import uuid
from urllib.parse import quote

from worker.engine.events import Scope

#: The first digit of a UUID's fourth group, by what it was before the variant was written into it.
VARIANTS = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}


def execution_id(run_id: str, scope: Scope, node_id: str) -> str:
    """A UUID per (run, scope, node): the same over retries and after a crash, so that a resumed run goes on with its events.

    Version 4 in form, as clients expect of Dify's.
    """
    passes = "".join([f"{name}\x1e{n}\x1f" for name, n in scope.path]) if scope.path else ""
    digest = hashlib.sha256(f"{run_id}\x1f{passes}{node_id}".encode()).hexdigest()
    # What uuid.UUID makes of the first 16 bytes as version 4, at a third of the time: it overwrites 4 bits, and 2 of the variant.
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-{VARIANTS[digest[16]]}{digest[17:20]}-{digest[20:32]}"


#: What services commonly take.
LONGEST_KEY = 255


def idempotency_key(run_id: str, scope: Scope, node_id: str, retry_index: int) -> str:
    """``<run>:<node>:<passes around it>:retry-<n>``, without the parts that are none: the same after a crash, another one for each retry
    that the node's configuration makes (nodes.md section 6.7)."""
    passes = "/".join(f"{quote(container, safe='')}.{number}" for container, number in scope.path)
    retry = [f"retry-{retry_index}"] if retry_index else []
    key = ":".join([run_id, quote(node_id, safe=""), *([passes] if passes else []), *retry])
    return key if len(key) <= LONGEST_KEY else ":".join([run_id, execution_id(run_id, scope, node_id), *retry])


def traceparent(run_id: str, execution_id: str) -> str:
    """Value of a W3C ``traceparent`` header: the run's id is the trace, the first half of the node execution's the span."""
    return f"00-{uuid.UUID(run_id).hex}-{uuid.UUID(execution_id).hex[:16]}-01"
