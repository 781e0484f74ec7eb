"""The log of what the admin API changed: who, what, and how it was answered; never a body, a query or a token."""

from __future__ import annotations

import logging
import sys

from flask import Blueprint, Response, request

log = logging.getLogger("app.admin.audit")

#: Methods that change nothing.
READING = frozenset({"GET", "HEAD", "OPTIONS"})


def audit(blueprint: Blueprint) -> None:
    """Log every request of a blueprint that may change something, refused ones too."""

    @blueprint.after_request
    def note(response: Response) -> Response:
        if request.method not in READING:
            # As a Python literal: a name in the path must not begin a line of its own.
            what = ascii(f"{request.method} {request.path}")
            log.info("admin from %s: %s answered %d", request.remote_addr, what, response.status_code)
        return response


def show_log() -> None:
    """Let the log reach stderr where nobody has said what becomes of logs: Python shows warnings only."""
    log.setLevel(logging.INFO)
    if not log.hasHandlers():
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
        log.addHandler(handler)
