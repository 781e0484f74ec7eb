"""Lengths of time as people type them: `90s`, `30m`, `12h`, `30d`."""

from __future__ import annotations

import math
from typing import Any

import click

#: Seconds of each unit.
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Age(click.ParamType[float]):
    """A parameter whose value is a number of seconds."""

    name = "AGE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value).strip().lower()
        try:
            seconds = float(text[:-1]) * UNITS[text[-1:]]
        except (ValueError, KeyError):
            seconds = math.nan
        if not 0 <= seconds < math.inf:
            self.fail(f"{value!r} is no age such as 30d, 12h, 90m or 45s.", param, ctx)
        return seconds
