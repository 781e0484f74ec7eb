"""Joins the parts of a worker process, once, in the process that executes the runs."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass

import redis

from worker.active import ActiveRuns
from worker.batches.dispatcher import IDLE_S, BatchDispatcher
from worker.bus.commands import CommandListener, Commands
from worker.bus.connection import connect
from worker.bus.events import EventLog
from worker.bus.rates import Rates
from worker.closing import stop_run
from worker.config import Config, process_name
from worker.dispatcher import CeleryDispatcher
from worker.engine.memory import SystemClock
from worker.engine.ports import Ports
from worker.environments import Environments
from worker.files import RunFiles
from worker.graphs import Graphs
from worker.heartbeat import Heartbeat
from worker.knowledge.service import KnowledgeService
from worker.llm.gateway import ModelGateway
from worker.model_providers import open_models
from worker.nodes.registry import Registry
from worker.outbound.client import GuardedClient
from worker.periodic import Periodic
from worker.quarantine import Quarantine, StartCell
from worker.retention import PASS_S, Retention
from worker.runner import RunService
from worker.sandbox.opening import Sandboxes
from worker.schedules.firing import LOOK_EVERY_S, Firer
from worker.store.blobs import open_blobs
from worker.store.deployment import known_signing_secret, signing_secret
from worker.store.errors import StorageUnavailable
from worker.store.lost_runs import forsake
from worker.store.migrate import check_revision
from worker.store.session import Database
from worker.store.signing import FileLinks
from worker.sweeper import Sweeper
from worker.toolbox import Toolbox
from worker.watchdog import LOOK_S, Watchdog
from worker.webhooks.dispatcher import WebhookDispatcher, open_webhooks

logger = logging.getLogger(__name__)

#: SQL connections of a worker (reliability.md P50): transactions are short, so a few serve many runs.
POOL_SIZE = 4
POOL_OVERFLOW = 2

#: Seconds beyond ``drain_s`` that runs get to be handed over; what is left then is found by its lease.
HAND_OVER_S = 8.0


@dataclass(frozen=True, slots=True)
class Worker:
    """Everything of a worker process that has to be started and ended."""

    runner: RunService
    active: ActiveRuns
    #: None in a process of a quarantine: it has none of a worker's common duties either.
    quarantine: Quarantine | None
    heartbeat: Periodic
    sweeping: Periodic
    sweeper: Sweeper
    watching: Periodic
    retaining: Periodic
    retention: Retention
    batching: Periodic
    batches: BatchDispatcher
    scheduling: Periodic
    firer: Firer
    webhooks: WebhookDispatcher
    commands: CommandListener
    #: Waits to be woken by a signal handler.
    draining: Periodic
    http: GuardedClient
    models: ModelGateway
    sandboxes: Sandboxes
    database: Database
    client: redis.Redis
    drain_s: float

    def start(self) -> None:
        self.heartbeat.start()
        self.commands.start()
        self.draining.start()
        if self.quarantine is not None:
            self.sweeping.start()
            self.watching.start()
            self.retaining.start()
            # A worker may not live as long as the time between two passes.
            self.retaining.wake()
            self.batching.start()
            self.scheduling.start()
            self.webhooks.start()
            self.sandboxes.announce()

    def begin_stop(self) -> None:
        """Begin to hand over the runs in progress; returns at once, so that a signal handler may call it."""
        self.draining.wake()

    def stop(self) -> None:
        """Hand over the runs in progress, then end every thread and connection. Takes ``drain_s`` seconds and a little."""
        self.runner.drain()
        if self.quarantine is not None:
            self.watching.stop()
            self.sweeping.stop()
            self.sweeper.resign()
            self.retention.leave()
            self.batches.leave()
            self.firer.leave()
            self.retaining.stop()
            self.retention.resign()
            self.batching.stop()
            self.batches.resign()
            self.webhooks.stop()
        if not self.active.wait_empty(self.drain_s + HAND_OVER_S):
            logger.error("%d runs could not be handed over in time; they are left to their leases.", len(self.active))
        if self.quarantine is not None and not self.quarantine.wait_empty(HAND_OVER_S):
            logger.error("Not all runs in quarantine could be handed over in time; they are left to their leases.")
        if self.quarantine is not None:
            # It may be looking at a remote file, which no run should wait for.
            self.scheduling.stop()
            self.firer.resign()
        self.draining.stop()
        self.commands.close()
        self.heartbeat.stop()
        self.sandboxes.close()
        self.http.close()
        self.models.close()
        self.database.dispose()
        self.client.close()


def build_worker(config: Config, environ: Mapping[str, str], *, owner: str | None = None, start_cell: StartCell | None = None) -> Worker:
    """Connect everything; nothing runs yet. Raises ``ConfigError``, ``SchemaError`` and ``StorageUnavailable``.

    ``owner`` of the leases: by default a new name. Without ``start_cell`` the process is itself such a cell (worker/quarantine.py).
    """
    owner = owner or process_name()
    sandboxes = Sandboxes.open(config)
    database = Database.connect(config, pool_size=POOL_SIZE, max_overflow=POOL_OVERFLOW)
    # The database may have gone since the command line saw it: nobody is there to start this process once more, maybe.
    database.fetch(check_revision)
    client = connect(config)
    log = EventLog(client, config)
    active = ActiveRuns()
    dispatcher = CeleryDispatcher(client, config.redis_prefix)
    http = GuardedClient.of(config)
    models = open_models(config, database, environ)
    blobs = open_blobs(config, database)
    secret = config.secret_key or database.fetch(known_signing_secret) or database.transact(signing_secret)
    links = FileLinks(secret, config.files_url, config.files_access_timeout_s)

    graphs = Graphs(database, Registry(), config)
    tools = Toolbox(database, config, graphs, Environments(database, config, environ))
    knowledge = KnowledgeService(database, config, http, models)

    def ports(app_id: str) -> Ports:
        files = RunFiles(app_id, database, blobs, links, http)
        return Ports(
            http=http,
            code=sandboxes.code,
            templates=sandboxes.local,
            documents=sandboxes.documents,
            files=files,
            clock=SystemClock(),
            limits=config.limits,
            models=models,
            tools=tools,
            knowledge=knowledge,
        )

    def on_death(owner: str) -> None:
        try:
            database.transact(lambda session: forsake(session, owner))
        except StorageUnavailable as error:
            logger.warning("The runs of a process that died wait for the ends of their leases: %s", error)

    quarantine: Quarantine | None = None
    if start_cell is not None:
        # As many as a worker that died can have had.
        quarantine = Quarantine(config.quarantine_slots, start_cell, dispatcher, on_death, shared_seats=config.worker_concurrency)
    runner = RunService(database, log, graphs, ports, active, dispatcher, config, owner, environ, quarantine)
    heartbeat = Periodic("heartbeat", config.heartbeat_s, Heartbeat(database, active, owner, config.lease_s).beat)

    def leave() -> None:
        runner.drain()
        active.wait_empty(config.drain_s + HAND_OVER_S)
        # Whoever supervises the process must see that it failed; what Celery would still do is what no longer works.
        os._exit(1)

    watchdog = Watchdog(dispatcher.backlog, lambda: len(active) < config.worker_concurrency, lambda: runner.heard_at, leave)
    retention = Retention(database, blobs, config, owner)
    commands = Commands(client, config)

    def stop(app_id: str, task_id: str) -> None:
        stop_run(database, log, commands, links.of_app(app_id), app_id, task_id)

    batches = BatchDispatcher(database, dispatcher, Rates(client, config), config, owner, stop, lambda: runner.gate.is_quiet)
    sweeper = Sweeper(database, log, dispatcher, config, owner, links.of_app)
    firer = Firer(database, Rates(client, config), dispatcher.send, http, config, owner)
    return Worker(
        runner=runner,
        active=active,
        quarantine=quarantine,
        heartbeat=heartbeat,
        sweeping=Periodic("sweeper", config.sweep_s, sweeper.sweep),
        sweeper=sweeper,
        watching=Periodic("watchdog", LOOK_S, watchdog.look),
        retaining=Periodic("retention", PASS_S, retention.work),
        retention=retention,
        batching=Periodic("batches", IDLE_S, batches.work),
        batches=batches,
        scheduling=Periodic("schedules", LOOK_EVERY_S, firer.look),
        firer=firer,
        webhooks=open_webhooks(config, database, links.of_app),
        # Requests may have been missed before the channel stood: a heartbeat finds their flags.
        commands=CommandListener(client, config, active.stop, heartbeat.wake),
        draining=Periodic("drain", None, runner.drain),
        http=http,
        models=models,
        sandboxes=sandboxes,
        database=database,
        client=client,
        drain_s=config.drain_s,
    )
