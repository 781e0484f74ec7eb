"""Finds the runs that nobody looks after and brings them on: sent again, given to another worker, or ended (reliability.md section 1).

Every worker has a sweeper; a lock in SQL elects the one that works.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from worker.broker import BATCH_QUEUE
from worker.bus.ports import EventLogPort
from worker.closing import close_run
from worker.config import Config
from worker.dispatcher import Dispatcher
from worker.engine.events import STOPPED_TEXT, RunStatus
from worker.engine.variables import FileURL
from worker.store.claims import Claim, take_over
from worker.store.errors import StorageUnavailable
from worker.store.forms import DueForm, expire_form, find_due_forms
from worker.store.idempotency import forget_old_keys
from worker.store.locks import acquire_lock, release_lock
from worker.store.lost_runs import LostRun, find_expired, find_overdue, find_unclaimed, requeue_expired
from worker.store.session import Database

logger = logging.getLogger(__name__)

LOCK = "sweeper"

#: Messages that the sweeper lets wait in the queue: when as many are there already, the runs behind them are not lost, only late.
QUEUE_ROOM = 100

#: Idempotency keys that one transaction removes: it must hold up nobody who writes.
KEYS_AT_A_TIME = 500


class Sweeper:
    """One sweep looks once for each kind of lost run, at most a hundred of each."""

    def __init__(
        self,
        database: Database,
        log: EventLogPort,
        dispatcher: Dispatcher,
        config: Config,
        owner: str,
        file_url_of: Callable[[str], FileURL],
    ) -> None:
        self._database = database
        self._log = log
        self._dispatcher = dispatcher
        self._config = config
        self._owner = owner
        #: Signs files of an app, by its id.
        self._file_url_of = file_url_of
        #: Monotonic seconds before which nothing counts as lost.
        self._patient_until = 0.0

    def sweep(self) -> None:
        """Does nothing while another worker's sweeper holds the lock, or the database is away."""
        try:
            if self._is_elected():
                self._resend()
                self._end_overdue()
                self._close_forms()
                if time.monotonic() >= self._patient_until:
                    self._recover_lost()
                self._forget_keys()
        except StorageUnavailable as error:
            logger.warning("The sweeper waits for the database: %s", error)
            # While the database was away nobody could renew a lease: give the living ones time for that first.
            self._patient_until = time.monotonic() + 2 * self._config.heartbeat_s

    def resign(self) -> None:
        """Let another worker sweep at once."""
        try:
            self._database.transact(lambda session: release_lock(session, LOCK, self._owner))
        except StorageUnavailable as error:
            logger.warning("The sweeper's lock was not released, it ends by itself: %s", error)

    def _is_elected(self) -> bool:
        # Two sweepers for a moment do no harm, each step is fenced. A dead one must not hold up what its runs wait for anyway.
        for_s = min(3 * self._config.sweep_s, self._config.lease_s)
        return self._database.transact(lambda session: acquire_lock(session, LOCK, self._owner, for_s))

    def _resend(self) -> None:
        for queue in (None, BATCH_QUEUE):
            backlog = self._dispatcher.backlog(queue)
            if backlog is not None and backlog < QUEUE_ROOM:
                self._resend_into(queue, QUEUE_ROOM - backlog)

    def _resend_into(self, queue: str | None, room: int) -> None:
        unclaimed = self._database.transact(lambda session: find_unclaimed(session, self._config.resend_s, room, queue))
        for run_id, task_id in unclaimed:
            logger.info("Run %s was claimed by nobody; its task is sent again.", run_id)
            self._dispatcher.send(run_id, task_id, queue)

    def _end_overdue(self) -> None:
        with self._database.read() as session:
            overdue = find_overdue(session)
        for run in overdue:
            self._end(run, RunStatus.FAILED, self._overdue_text)

    def _close_forms(self) -> None:
        """Runs whose people did not answer in time go on without them, or end where the deployment's own limit was reached."""
        with self._database.read() as session:
            due = find_due_forms(session)
        for form in due:
            if form.ends_run:
                self._end(form, RunStatus.FAILED, unanswered_text(form))
            else:
                self._expire(form)

    def _expire(self, form: DueForm) -> None:
        wake = self._database.transact(lambda session: expire_form(session, form.form_id))
        if wake is not None:
            logger.info("Run %s goes on: nobody filled in the form of node '%s' in time.", wake.run_id, form.node_title)
            self._dispatcher.send(wake.run_id, wake.task_id)

    def _forget_keys(self) -> None:
        while self._database.transact(lambda session: forget_old_keys(session, KEYS_AT_A_TIME)) == KEYS_AT_A_TIME:
            logger.debug("More idempotency keys are over a day old.")

    def _recover_lost(self) -> None:
        with self._database.read() as session:
            lost = find_expired(session)
        for run in lost:
            if run.is_stopping:
                self._end(run, RunStatus.STOPPED, lambda claim: STOPPED_TEXT)
            elif run.losses >= self._config.max_attempts:
                self._end(run, RunStatus.FAILED, lost_text(run))
            else:
                self._requeue(run)

    def _requeue(self, run: LostRun) -> None:
        if self._database.transact(lambda session: requeue_expired(session, run.run_id, run.attempt)):
            logger.warning("Run %s lost its worker (%d times so far); another one gets it.", run.run_id, run.losses)
            self._dispatcher.send(run.run_id, run.task_id, run.queue)

    def _end(self, run: LostRun | DueForm, status: RunStatus, text: Callable[[Claim], str]) -> None:
        claim = self._database.transact(lambda session: take_over(session, run.run_id, run.attempt))
        if claim is None:
            return
        if close_run(self._database, self._log, claim, status, text(claim), self._file_url_of(claim.app_id)):
            logger.warning("Run %s was ended as %s: no worker did it.", run.run_id, status)

    def _overdue_text(self, claim: Claim) -> str:
        limit_s = self._config.limits.workflow_max_execution_time
        return f"Aborted: Maximum execution time exceeded: {claim.elapsed_s - claim.paused_s:.2f}s > {limit_s:g}s"


def unanswered_text(form: DueForm) -> Callable[[Claim], str]:
    return lambda claim: f"Aborted: nobody filled in the form of node '{form.node_title}' in time."


def lost_text(run: LostRun) -> Callable[[Claim], str]:
    times = "once" if run.losses == 1 else f"{run.losses} times"
    return lambda claim: f"Aborted: the worker that executed the run was lost {times}."
