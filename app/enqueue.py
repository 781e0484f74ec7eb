"""Accepts runs: the row is committed, then a task is sent that says so. The only caller of Celery in this process."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field, replace
from typing import Protocol

from celery import Celery
from kombu.exceptions import OperationalError
from redis import RedisError

from worker.broker import celery_settings
from worker.bus.connection import connect
from worker.bus.ports import ListenerPort, SubscriptionPort
from worker.bus.tasks import TaskQueues
from worker.config import Config
from worker.store.idempotency import KeyedRun, Submission, accept_keyed_run
from worker.store.runs import NewRun, accept_run
from worker.store.session import Database

log = logging.getLogger(__name__)

#: Seconds that a request waits for the broker. The sweeper sends again what was not sent, so nothing is lost by going on.
PATIENCE_S = 3.0

#: What sending raises while the broker is away.
FAILURES = (OperationalError, RedisError, OSError)


class Dispatcher(Protocol):
    """The way to the workers. It may lose what it is told: SQL has runs and stop requests."""

    def send(self, run_id: str, task_id: str) -> None:
        """Ask for a worker to execute a run."""

    def revoke(self, task_id: str) -> None:
        """Spare the workers a task that is not to be executed any more; does not wait for them."""


class CeleryDispatcher:
    """Sends Celery tasks. A broker that hangs costs a request ``PATIENCE_S`` seconds at most."""

    def __init__(self, config: Config) -> None:
        self._celery = Celery("penstock", set_as_current=False)
        self._celery.conf.update(celery_settings(config))
        # A command is tried twice.
        self._queues = TaskQueues(connect(config, PATIENCE_S / 2), config.redis_prefix)

    def send(self, run_id: str, task_id: str) -> None:
        try:
            self._queues.put(run_id, task_id, patience_s=PATIENCE_S)
        except FAILURES as error:
            log.warning("The task of run %s could not be sent; the sweeper sends it later: %s", run_id, error or "Redis takes long.")

    def revoke(self, task_id: str) -> None:
        threading.Thread(target=self._revoke, args=(task_id,), name="celery", daemon=True).start()

    def _revoke(self, task_id: str) -> None:
        try:
            self._celery.control.revoke(task_id)
        except FAILURES as error:
            log.warning("Task %s could not be revoked; its worker finds the stop in SQL: %s", task_id, error)


@dataclass(slots=True)
class MemoryDispatcher:
    """Keeps what it is told."""

    #: ``(run id, task id)``, in order.
    sent: list[tuple[str, str]] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)

    def send(self, run_id: str, task_id: str) -> None:
        self.sent.append((run_id, task_id))

    def revoke(self, task_id: str) -> None:
        self.revoked.append(task_id)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A run that is stored, and its news from now on."""

    run_id: str
    task_id: str
    workflow_id: str
    created_at: float
    subscription: SubscriptionPort
    #: An earlier request made the run: much may have happened to it before the subscription was made.
    is_replay: bool = False


class Intake:
    """Accepts runs for the requests of this process."""

    def __init__(self, database: Database, listener: ListenerPort, dispatcher: Dispatcher) -> None:
        self._database = database
        self._listener = listener
        self._dispatcher = dispatcher

    def accept(self, run: NewRun) -> Accepted:
        """Store a run and have it executed; answers its news from the first event on, since no worker can know of the run before.

        Raises ``StorageUnavailable``; nothing is stored then.
        """
        stored = self._database.transact_once(lambda session: accept_run(session, run), group=run.app_id)
        return self._enqueue(Accepted(run.run_id, run.task_id, run.workflow_id, stored.created_at, self._listener.subscribe(run.run_id)))

    def accept_once(self, run: NewRun, submission: Submission) -> Accepted:
        """The same for a request with a key. If an earlier request has made a run under it, that one is answered and ``run`` dropped.

        Raises ``StorageUnavailable``, ``KeyInProgress`` and ``KeyReused``; nothing is stored then.
        """
        keyed = self._database.transact(lambda session: accept_keyed_run(session, run, submission))
        accepted = self.rejoin(keyed)
        return accepted if keyed.run_id != run.run_id else self._enqueue(replace(accepted, is_replay=False))

    def rejoin(self, keyed: KeyedRun) -> Accepted:
        """The run of an earlier request."""
        subscription = self._listener.subscribe(keyed.run_id)
        return Accepted(keyed.run_id, keyed.task_id, keyed.workflow_id, keyed.created_at, subscription, is_replay=True)

    def _enqueue(self, run: Accepted) -> Accepted:
        try:
            self._dispatcher.send(run.run_id, run.task_id)
        except BaseException:
            run.subscription.close()
            raise
        return run
