"""Answers of commands: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click


def print_json(value: Any) -> None:
    """One line of JSON; text as it is, whatever its language."""
    click.echo(json.dumps(value, ensure_ascii=False))


def print_table(titles: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Columns for a terminal; anywhere else tab-separated lines without a head, for `cut` and `awk`."""
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(_plain(value) for value in row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*titles, box=None, header_style="bold")
    for row in rows:
        table.add_row(*(Text(_plain(value)) for value in row))
    Console().print(table)


def time_text(epoch_s: float | None) -> str:
    """UTC to the second; empty for a time that has not come."""
    return "" if epoch_s is None else datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _plain(value: Any) -> str:
    return " ".join(str(value).split()) if value is not None else ""
