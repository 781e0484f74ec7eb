"""Frames of a run's event stream, as a person reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from app.cli.watching import brief, seconds

#: Characters of a text chunk that are shown.
CHUNK_LENGTH = 60


def line_of(frame: bytes | str) -> str:
    """One line about an event: its name, then what it is about."""
    event = json.loads(frame)
    name, data = event["event"], event.get("data") or event
    return f"{name:<20} {_about(name, data)}".rstrip()


def _about(name: str, data: Mapping[str, Any]) -> str:
    if name == "text_chunk":
        return json.dumps(data["text"][:CHUNK_LENGTH], ensure_ascii=False)
    if name == "error":
        return f"{data.get('code')}: {data.get('message')}"
    subject = data.get("title") or data.get("node_title") or data.get("node_id") or data.get("id", "")
    if "status" not in data:
        return str(subject)
    reason = f"  {brief(data['error'])}" if data.get("error") else ""
    return f"{subject}  {data['status']} in {seconds(data.get('elapsed_time') or 0.0)}{reason}"
