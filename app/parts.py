"""What the requests of one process share; made by ``create_app``, found through the current application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import current_app

from app.admission import Admission
from app.config import ApiConfig
from app.enqueue import Dispatcher, Intake
from app.files import FileDesk
from app.key_uses import KeyUses
from app.published import PublishedWorkflows
from app.readiness import Readiness
from app.stream.open_streams import OpenStreams
from worker.bus.ports import CommandsPort, EventLogPort, ListenerPort
from worker.config import Config
from worker.engine.models import Models
from worker.store.session import Database

EXTENSION = "penstock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    config: Config
    api: ApiConfig
    database: Database
    log: EventLogPort
    listener: ListenerPort
    commands: CommandsPort
    dispatcher: Dispatcher
    admission: Admission
    intake: Intake
    published: PublishedWorkflows
    files: FileDesk
    streams: OpenStreams
    key_uses: KeyUses
    readiness: Readiness
    #: The model providers; their clients are loaded by the first request that needs them.
    models: Callable[[], Models]


def current_parts() -> Parts:
    """Those of the application that serves this request."""
    found: Parts = current_app.extensions[EXTENSION]
    return found
