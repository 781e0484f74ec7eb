"""Batches over HTTP, as a client of their app sees them (docs/batches.md)."""

from __future__ import annotations

import json
from typing import Any

from tests.services.client import Client

BATCHES = "/v1/workflows/batches"

#: Seconds that a file may take to be accepted: 100,000 items have a minute on a machine of their own.
ACCEPTANCE_S = 600.0


def upload(client: Client, content: str, name: str = "batch.jsonl", **options: str) -> dict[str, Any]:
    """Submit a file of items: the batch, with the errors of its first bad items. Raises ``AssertionError`` if it is refused."""
    form = {"user": client.user, **options}
    answer = client.http.post(BATCHES, files={"file": (name, content.encode())}, data=form, timeout=ACCEPTANCE_S)
    assert answer.status_code == 201, answer.text
    return answer.json()  # type: ignore[no-any-return]


def look(client: Client, batch_id: str) -> dict[str, Any]:
    answer = client.http.get(f"{BATCHES}/{batch_id}")
    answer.raise_for_status()
    return answer.json()  # type: ignore[no-any-return]


def lines(client: Client, batch_id: str, what: str = "results", **query: Any) -> list[dict[str, Any]]:
    """The whole download of ``results`` or ``errors``."""
    answer = client.http.get(f"{BATCHES}/{batch_id}/{what}", params=query)
    answer.raise_for_status()
    return [json.loads(line) for line in answer.content.splitlines()]


def cancel(client: Client, batch_id: str) -> None:
    client.http.post(f"{BATCHES}/{batch_id}/cancel").raise_for_status()
