"""Ids of node executions, and what other services may call them."""

from __future__ import annotations

import hashlib
import uuid
from urllib.parse import quote

from worker.engine.events import Scope


def execution_id(run_id: str, scope: Scope, node_id: str) -> str:
    """A UUID per (run, scope, node): the same over retries and after a crash, so that a resumed run goes on with its events.

    Version 4 in form, as clients expect of Dify's.
    """
    digest = hashlib.sha256("\x1f".join([run_id, *(f"{name}\x1e{n}" for name, n in scope.path), node_id]).encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


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
