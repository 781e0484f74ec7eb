"""Joins the pieces of the HTTP process; the only place that does."""

from __future__ import annotations

import os
from functools import cache

from flask import Flask
from flask_smorest import Api

from app.admission import Admission
from app.config import MEGABYTE, ApiConfig
from app.enqueue import CeleryDispatcher, Dispatcher, Intake
from app.errors import register_errors
from app.files import FileDesk
from app.headers import register_headers
from app.json_text import StoreJSON
from app.key_uses import KeyUses
from app.parts import EXTENSION, Parts
from app.published import PublishedWorkflows
from app.readiness import Check, Readiness
from app.stream.open_streams import OpenStreams
from app.stream.websocket import register_websocket
from app.views import apps, audio, batches, events, files, form_pages, health, human_input, logs, other_modes, runs, triggers
from app.views.docs import docs_blueprint
from app.views.openapi import describe
from worker.bus.commands import Commands
from worker.bus.connection import connect
from worker.bus.events import EventLog
from worker.bus.listener import Listener
from worker.bus.ports import CommandsPort, EventLogPort, ListenerPort
from worker.bus.rates import Rates, RatesPort
from worker.config import Config
from worker.engine.models import Models
from worker.engine.ports import HTTPClient
from worker.outbound.client import GuardedClient
from worker.store.migrate import check_schema
from worker.store.session import Database

#: In the order in which the documentation shows them.
BLUEPRINTS = (
    runs.blueprint,
    events.blueprint,
    batches.blueprint,
    human_input.blueprint,
    files.blueprint,
    audio.blueprint,
    logs.blueprint,
    apps.blueprint,
    health.blueprint,
    files.signed_blueprint,
    form_pages.blueprint,
    triggers.blueprint,
    other_modes.blueprint,
)

#: SQL connections of an API process. Streams hold none, so few serve many.
POOL_SIZE = 5
POOL_OVERFLOW = 5


def create_app(
    config: Config | None = None,
    *,
    api_config: ApiConfig | None = None,
    database: Database | None = None,
    log: EventLogPort | None = None,
    listener: ListenerPort | None = None,
    commands: CommandsPort | None = None,
    dispatcher: Dispatcher | None = None,
    rates: RatesPort | None = None,
    http: HTTPClient | None = None,
    models: Models | None = None,
) -> Flask:
    """The application. Settings come from the environment, and every adapter that is not given from the settings.

    Opens nothing: databases, Redis and threads are touched by the first request that needs them, so a process may fork before.
    Raises ``ConfigError``.
    """
    config = config or Config.from_env(os.environ)
    api_config = api_config or ApiConfig.from_env(os.environ)
    client = cache(lambda: connect(config))
    database = database or Database.connect(config, pool_size=POOL_SIZE, max_overflow=POOL_OVERFLOW)
    log = log or EventLog(client(), config)
    listener = listener or Listener(client(), config)
    dispatcher = dispatcher or CeleryDispatcher(config)
    return assemble(
        Parts(
            config=config,
            api=api_config,
            database=database,
            log=log,
            listener=listener,
            commands=commands or Commands(client(), config),
            dispatcher=dispatcher,
            admission=Admission(config, database, rates or Rates(client(), config)),
            intake=Intake(database, listener, dispatcher),
            published=PublishedWorkflows(database),
            files=FileDesk(config, database, http or GuardedClient(config.outbound_allow)),
            streams=OpenStreams(api_config.max_streams),
            key_uses=KeyUses(database),
            readiness=Readiness(readiness_checks(database, log), api_config.dependency_timeout_s),
            models=cache(lambda: models or connect_models(config, database)),
        )
    )


def assemble(parts: Parts) -> Flask:
    """Routes, errors and headers around the parts."""
    app = Flask("app", static_folder=None)
    app.json = StoreJSON(app)
    app.config["MAX_CONTENT_LENGTH"] = parts.api.max_body_mb * MEGABYTE
    # A redirect to another spelling of the path loses the body of a POST in some clients (api-contract.md section 1.1).
    app.url_map.merge_slashes = False
    app.extensions[EXTENSION] = parts
    register_headers(app, parts.api)
    api = describe(app)
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
    if parts.api.admin_token:
        register_admin(api)
    register_websocket(app)
    app.register_blueprint(docs_blueprint(api))
    register_errors(app)
    return app


def register_admin(api: Api) -> None:
    """The admin API; imported here, since a deployment without its token has nothing of it."""
    from app.admin.audit import show_log
    from app.views.admin.registered import BLUEPRINTS as ADMIN_BLUEPRINTS
    from app.views.openapi import describe_admin

    describe_admin(api)
    for blueprint in ADMIN_BLUEPRINTS:
        api.register_blueprint(blueprint)
    show_log()


def connect_models(config: Config, database: Database) -> Models:
    """The model providers of this deployment; imported here, since most API processes call no model. Raises ``ConfigError``."""
    from worker.model_providers import open_models

    return open_models(config, database, os.environ)


def readiness_checks(database: Database, log: EventLogPort) -> dict[str, Check]:
    return {
        "database": database.ping,
        "schema": lambda: check_schema(database),
        "redis": lambda: log.read("ready", 0, 1),
    }
