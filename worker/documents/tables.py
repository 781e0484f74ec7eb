"""Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable


def table_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def rule_row(header: Iterable[str]) -> str:
    """The row below a header, each cell as long as the one above it."""
    return table_row("-" * len(cell) for cell in header)
