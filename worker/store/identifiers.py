"""Ids that come from outside."""

from __future__ import annotations

import re

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def canonical_id(text: str) -> str | None:
    """A UUID in lower case, as ids are stored (api-contract.md section 2.2); None for any other text, which no row has as its id."""
    lower = text.lower()
    return lower if UUID.fullmatch(lower) else None
