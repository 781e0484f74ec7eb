"""Brings batches on: makes runs of their items a few at a time, notes what became of them, ends them.

Every worker has it, on a thread of its own; a lock in SQL elects the one that works. All that it knows lies in SQL: another one goes on
where it died, and two of them for a moment do no harm, since each step holds the batch that it changes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy.orm import Session

from worker.batches.pace import Pace
from worker.batches.turns import Candidate, Turns
from worker.broker import BATCH_QUEUE
from worker.bus.rates import RatesPort
from worker.config import Config
from worker.dispatcher import Dispatcher
from worker.limits import give_back_rate, take_rate
from worker.store.batch_claims import claim_delays
from worker.store.batch_closing import close, purge, runs_to_stop
from worker.store.batch_collecting import EndedRun, collect
from worker.store.batch_dispatch import dispatch
from worker.store.batch_facts import BatchStatus
from worker.store.batch_work import OpenBatch, has_open_batches, open_batches
from worker.store.batch_workers import Workforce, announce, forget_gone, resign, workforce
from worker.store.errors import StorageUnavailable
from worker.store.limits import limits_of
from worker.store.locks import acquire_lock, release_lock
from worker.store.session import Database

logger = logging.getLogger(__name__)

LOCK = "batches"

#: Seconds that a dispatcher may be silent before another worker takes over, and seconds between two signs of life.
LOCK_S = 4.0
SIGN_S = 1.0

#: Seconds between two looks for batches.
IDLE_S = 1.0

#: Seconds between two turns: the second where runs take long anyway.
TURN_S = 0.02
SLOW_TURN_S = 0.25

#: Seconds after which a run that no worker has taken is not looked for any more.
FORGOTTEN_S = 300.0

#: A turn is followed by a pause that is at least so many times as long: it shares a processor with the runs of its worker.
REST = 1.0
REST_BESIDE_PEOPLE = 3.0

#: Runs that begin in one turn, and beside people: more of them at once would be noticed by those who wait for others.
BEGUN_AT_A_TIME = 32
BEGUN_BESIDE_PEOPLE = 8


class BatchDispatcher:
    """The dispatcher of one worker. ``stop_run`` stops a run of an app by its task id, wherever it is."""

    def __init__(
        self,
        database: Database,
        dispatcher: Dispatcher,
        rates: RatesPort,
        config: Config,
        owner: str,
        stop_run: Callable[[str, str], None],
        is_quiet: Callable[[], bool] = lambda: True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``is_quiet``: nobody waits for a run of this worker."""
        self._database = database
        self._dispatcher = dispatcher
        self._rates = rates
        self._config = config
        self._owner = owner
        self._stop_run = stop_run
        self._is_quiet = is_quiet
        self._monotonic = monotonic
        self._leaving = threading.Event()
        self._pace = Pace()
        self._turns = Turns()
        #: Runs that were sent and are not known to be claimed, with the monotonic seconds of that.
        self._unclaimed: dict[str, float] = {}
        self._workforce = Workforce()
        self._signed_at = float("-inf")
        self._is_elected = False
        #: Mean seconds that runs took lately.
        self._elapsed_s = 0.0

    def work(self) -> None:
        """Work for as long as there are batches; returns when there are none, another worker has them, or the database is away."""
        try:
            while not self._leaving.is_set():
                began = self._monotonic()
                if not (self._has_work() and self._is_mine()):
                    return
                pause_s = self.turn()
                rest = REST if self._is_quiet() else REST_BESIDE_PEOPLE
                self._leaving.wait(max(pause_s, rest * (self._monotonic() - began)))
        except StorageUnavailable as error:
            self._is_elected, self._signed_at = False, float("-inf")
            logger.warning("Batches wait for the database: %s", error)

    def leave(self) -> None:
        """Begin no other turn. Returns at once."""
        self._leaving.set()

    def resign(self) -> None:
        """Let another worker go on at once; for when the last turn is over."""
        if self._signed_at == float("-inf"):
            return
        try:
            self._database.transact(self._resign)
        except StorageUnavailable as error:
            logger.warning("The lock of the batches was not released, it ends by itself: %s", error)

    def _resign(self, session: Session) -> None:
        release_lock(session, LOCK, self._owner)
        resign(session, self._owner)

    def _has_work(self) -> bool:
        if self._is_elected:
            # Its turns tell.
            return True
        with self._database.read() as session:
            return has_open_batches(session)

    def _is_mine(self) -> bool:
        """Tell the others of this worker now and then, and ask for the lock."""
        if self._monotonic() - self._signed_at >= SIGN_S or not self._is_elected:
            self._is_elected, self._workforce = self._database.transact(self._sign)
            self._signed_at = self._monotonic()
        return self._is_elected

    def _sign(self, session: Session) -> tuple[bool, Workforce]:
        announce(session, self._owner, self._config.worker_concurrency, LOCK_S)
        if not acquire_lock(session, LOCK, self._owner, LOCK_S):
            return False, Workforce()
        forget_gone(session)
        return True, workforce(session)

    def turn(self) -> float:
        """Look at all batches once, and do what is due; answers how many seconds until the next turn is worth its while."""
        with self._database.read() as session:
            batches = open_batches(session)
        if not batches:
            self._is_elected = False
            return 0.0
        has_collected = self._collect(batches)
        has_closed = self._close(batches)
        self._note_claims()
        has_begun = self._begin(batches)
        self._forget(batches)
        is_busy = has_collected or has_begun or has_closed or any(batch.open_runs for batch in batches)
        return min(max(TURN_S, self._elapsed_s / 8), SLOW_TURN_S) if is_busy else IDLE_S

    # ---- what has ended

    def _collect(self, batches: list[OpenBatch]) -> bool:
        ended = [run for batch in batches if batch.uncollected for run in self._collect_batch(batch)]
        at = self._monotonic()
        for run in ended:
            was_unclaimed = self._unclaimed.pop(run.run_id, None) is not None
            self._elapsed_s += (run.elapsed_s - self._elapsed_s) / 8
            if run.started_at is not None and was_unclaimed:
                self._pace.claimed(run.started_at - run.created_at, at)
            if run.started_at is not None:
                self._pace.ended(run.batch_id, run.elapsed_s, at)
        return bool(ended)

    def _collect_batch(self, batch: OpenBatch) -> list[EndedRun]:
        return self._database.transact(lambda session: collect(session, batch.id))

    # ---- what ends

    def _close(self, batches: list[OpenBatch]) -> bool:
        has_closed = False
        for batch in batches:
            if batch.status is BatchStatus.VALIDATING:
                has_closed |= self._purge(batch)
            elif batch.status is BatchStatus.CANCELLING or batch.is_late:
                has_closed |= self._close_batch(batch)
        return has_closed

    def _close_batch(self, batch: OpenBatch) -> bool:
        has_closed = self._database.transact(lambda session: close(session, batch.id))
        with self._database.read() as session:
            tasks = runs_to_stop(session, batch.id)
        for task_id in tasks:
            self._stop_run(batch.app_id, task_id)
        return has_closed

    def _purge(self, batch: OpenBatch) -> bool:
        return self._database.transact(lambda session: purge(session, batch.id))

    # ---- what begins

    def _note_claims(self) -> None:
        if not self._unclaimed:
            return
        with self._database.read() as session:
            claimed = claim_delays(session, list(self._unclaimed))
        at = self._monotonic()
        for run_id, delay_s in claimed.items():
            self._unclaimed.pop(run_id)
            if delay_s is not None:
                self._pace.claimed(delay_s, at)

    def _begin(self, batches: list[OpenBatch]) -> bool:
        open_runs = sum(batch.open_runs for batch in batches)
        # Those that have ended meanwhile were open until now.
        in_flight = open_runs + sum(batch.uncollected for batch in batches)
        force = self._workforce
        window = self._pace.review(self._monotonic(), in_flight, force.workers, force.slots, len(self._unclaimed))
        able = {batch.id: batch for batch in batches if batch.status is BatchStatus.IN_PROGRESS and not batch.is_late and batch.waiting}
        most = BEGUN_AT_A_TIME if self._is_quiet() else BEGUN_BESIDE_PEOPLE
        shares = self._turns.share([candidate_of(batch) for batch in able.values()], min(max(window - open_runs, 0), most))
        return any([self._dispatch(able[batch_id], count) for batch_id, count in shares.items()])

    def _dispatch(self, batch: OpenBatch, count: int) -> bool:
        with self._database.read() as session:
            bounds = limits_of(session, self._config, batch.app_id, batch.key_id)
        granted = take_rate(self._rates, bounds, count).count
        if not granted:
            return False
        # Not ``transact``: made twice, it would make runs that nobody sends before the sweeper does.
        with self._database.begin() as session:
            done = dispatch(session, self._config, batch, granted, BATCH_QUEUE)
        give_back_rate(self._rates, bounds, granted - len(done.runs))
        for run_id, task_id in done.runs:
            self._unclaimed[run_id] = self._monotonic()
            self._dispatcher.send(run_id, task_id, BATCH_QUEUE)
        return bool(done.runs or done.refused)

    def _forget(self, batches: list[OpenBatch]) -> None:
        known = {batch.id: batch for batch in batches}
        self._pace.forget(known)
        self._turns.forget({*known, *(batch.app_id for batch in batches)})
        # Nobody ever hears of a run that went with its app.
        since = self._monotonic() - FORGOTTEN_S
        self._unclaimed = {run_id: at for run_id, at in self._unclaimed.items() if at > since}


def candidate_of(batch: OpenBatch) -> Candidate:
    own = batch.waiting if batch.max_concurrency is None else min(batch.waiting, batch.max_concurrency - batch.open_runs)
    return Candidate(batch.id, batch.app_id, batch.priority, max(own, 0), batch.open_runs)
