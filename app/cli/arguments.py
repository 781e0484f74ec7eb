"""Arguments that several commands take."""

from __future__ import annotations

import click

APP = click.argument("app", metavar="APP")
