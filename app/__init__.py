"""The HTTP process: ``create_app`` makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask

    from worker.config import Config


def create_app(config: Config | None = None, **adapters: Any) -> Flask:
    """The application, by ``assembly.create_app``; imported here, since the command line in this package needs no web framework."""
    from app.assembly import create_app as assemble

    return assemble(config, **adapters)
