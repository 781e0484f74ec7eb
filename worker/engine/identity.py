"""Ids of node executions."""

from __future__ import annotations

import hashlib
import uuid

from worker.engine.events import Scope


def execution_id(run_id: str, scope: Scope, node_id: str) -> str:
    """A UUID per (run, scope, node): the same over retries and after a crash, so that a resumed run goes on with its events.

    Version 4 in form, as clients expect of Dify's.
    """
    digest = hashlib.sha256("\x1f".join([run_id, *(f"{name}\x1e{n}" for name, n in scope.path), node_id]).encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))
