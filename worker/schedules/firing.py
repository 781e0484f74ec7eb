"""Begins the runs of schedules that are due, each due time once (design.md, invariant 1).

Every worker looks; a lock in SQL elects the one that fires. The lock only saves work: what makes a due time fire once is its row in
``schedule_firings``, which is stored together with the run and with the schedule's next due time. Then the task is sent; if that fails, or
this process dies first, the sweeper sends it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from worker.bus.rates import RatesPort
from worker.config import Config
from worker.engine.ports import HTTPClient
from worker.limits import give_back_rate, take_rate
from worker.schedules.planning import Due, Missed, Overlap, Plan, plan
from worker.schedules.runs import NoRun, Prepared, prepare
from worker.schedules.timetable import Timetable
from worker.store.errors import StorageUnavailable, TooManyRuns
from worker.store.firings import FiringStatus, forget_firings, has_open_run, note_firing
from worker.store.limits import Bounds, check_open_runs, limits_of, room_of, waiting_runs
from worker.store.locks import acquire_lock, release_lock
from worker.store.runs import AcceptedRun, accept_run
from worker.store.schedule_models import Schedule
from worker.store.schedules import DueSchedule, advance, database_now, due_schedules, hold_in_app
from worker.store.session import Database

logger = logging.getLogger(__name__)

LOCK = "schedules"

#: Seconds between two looks, and seconds after which another worker fires when the elected one is silent.
LOOK_EVERY_S = 1.0
LOCK_S = 10.0

#: Seconds between two times at which old firings are forgotten, and their least age: a clock that jumps back must still find them.
FORGET_EVERY_S = 60.0
LEAST_AGE_S = 2 * 86400.0
FORGOTTEN_AT_A_TIME = 500

OVERLAPS = "The run before it has not ended."
TOO_LATE = "It could not begin in time: no worker was there, or a run before it or a limit held it up."


@dataclass(slots=True)
class Fired:
    """What a transaction has done."""

    runs: list[AcceptedRun] = field(default_factory=list)
    #: Runs that were let begin by the app's rate and did not.
    unused: int = 0
    #: Runs that the app may have open beside those that it has; None: any number.
    room: int | None = None

    @property
    def may_begin(self) -> bool:
        return self.unused > 0 and (self.room is None or len(self.runs) < self.room)


@dataclass(frozen=True, slots=True)
class Look:
    """A schedule as it was read, and what is to be done about it."""

    schedule: Schedule
    plan: Plan
    #: None: it cannot begin a run, ``error`` says why; or none is planned.
    prepared: Prepared | None = None
    error: str = ""
    bounds: Bounds | None = None
    #: Runs that the app's rate lets begin.
    granted: int = 0

    @property
    def wanted(self) -> int:
        return sum(not due.is_dropped for due in self.plan.due)


class Firer:
    """The schedules of one worker; ``look`` is called again and again by one thread."""

    def __init__(
        self,
        database: Database,
        rates: RatesPort,
        send: Callable[[str, str], object],
        http: HTTPClient,
        config: Config,
        owner: str,
    ) -> None:
        self._database = database
        self._rates = rates
        #: Sends the task of a run, by run id and task id.
        self._send = send
        self._http = http
        self._config = config
        self._owner = owner
        #: Monotonic seconds at which old firings are forgotten again.
        self._forget_at = 0.0
        self._is_leaving = False

    def look(self) -> None:
        """Fire what is due. Does nothing while another worker holds the lock, or the database is away."""
        try:
            for schedule in self._due():
                if self._is_leaving:
                    return
                self.fire(schedule)
        except StorageUnavailable as error:
            logger.warning("Schedules wait for the database: %s", error)

    def leave(self) -> None:
        """Fire nothing more than the schedule that it is at. Returns at once."""
        self._is_leaving = True

    def resign(self) -> None:
        """Let another worker fire at once; for when this one has stopped to look."""
        try:
            self._database.transact(lambda session: release_lock(session, LOCK, self._owner))
        except StorageUnavailable as error:
            logger.warning("The lock of the schedules was not released, it ends by itself: %s", error)

    def _due(self) -> Iterator[DueSchedule]:
        """What is due now, a page at a time; elected before each page."""
        last: DueSchedule | None = None
        while page := self._page(last):
            if not self._is_elected():
                return
            self._forget()
            yield from page
            last = page[-1]

    def _page(self, after: DueSchedule | None) -> list[DueSchedule]:
        with self._database.read() as session:
            return due_schedules(session, after)

    def _is_elected(self) -> bool:
        return self._database.transact(lambda session: acquire_lock(session, LOCK, self._owner, LOCK_S))

    def _forget(self) -> None:
        age_s = max(self._config.retention_run_days * 86400.0, LEAST_AGE_S)
        if not self._config.retention_run_days or time.monotonic() < self._forget_at:
            return
        self._forget_at = time.monotonic() + FORGET_EVERY_S
        self._database.transact(lambda session: forget_firings(session, age_s, FORGOTTEN_AT_A_TIME))

    def fire(self, due: DueSchedule) -> None:
        """Deal with what is due of one schedule, whoever holds the lock. Raises ``StorageUnavailable``."""
        try:
            look = self._look_at(due)
            if look is not None:
                self._begin(look)
        except StorageUnavailable:
            raise
        except Exception:  # Whatever is wrong with one schedule, those behind it have their times too.
            logger.exception("Schedule %s could not be fired; it is tried again.", due.schedule_id)

    def _look_at(self, due: DueSchedule) -> Look | None:
        with self._database.read() as session:
            schedule = session.get(Schedule, due.schedule_id)
            now_s = database_now(session)
            if schedule is None or schedule.next_at is None:
                return None
            bounds = limits_of(session, self._config, schedule.app_id)
            if self._has_to_wait(session, schedule, bounds):
                return None
        timetable = Timetable(schedule.cron, schedule.timezone)
        return self._prepared(Look(schedule, plan(timetable, schedule.next_at, now_s, Missed(schedule.missed)), bounds=bounds))

    def _has_to_wait(self, session: Session, schedule: Schedule, bounds: Bounds | None) -> bool:
        """A look that spares the rest who waits long; it is the transaction of the run that decides."""
        if schedule.overlap == Overlap.WAIT and has_open_run(session, schedule.id):
            return True
        if self._config.max_queued and waiting_runs(session, self._config.max_queued) >= self._config.max_queued:
            return True
        return bounds is not None and not has_room(session, bounds)

    def _prepared(self, look: Look) -> Look:
        if not look.wanted:
            return look
        try:
            prepared = prepare(self._database, self._http, look.schedule)
        except NoRun as error:
            logger.warning("Schedule %s of app %s begins no run: %s", look.schedule.name, look.schedule.app_id, error)
            return Look(look.schedule, look.plan, error=str(error))
        granted = take_rate(self._rates, look.bounds, look.wanted).count
        return Look(look.schedule, look.plan, prepared, bounds=look.bounds, granted=granted)

    def _begin(self, look: Look) -> None:
        fired = Fired(unused=look.granted)
        try:
            fired = self._database.transact(lambda session: self._store(session, look))
        finally:
            give_back_rate(self._rates, look.bounds, fired.unused)
        for run in fired.runs:
            logger.info("Schedule %s of app %s begins run %s.", look.schedule.name, look.schedule.app_id, run.run_id)
            self._send(run.run_id, run.task_id)

    def _store(self, session: Session, look: Look) -> Fired:
        # In the order in which whoever stores a run, or publishes, takes what others wait for: the app's turn, its row, the schedule.
        fired = Fired(unused=look.granted, room=room_of(session, self._config, look.schedule.app_id) if look.prepared else None)
        held = hold_in_app(session, look.schedule)
        if held is None or not is_same(held, look.schedule):
            return fired
        next_at = look.plan.next_at
        for due in look.plan.due:
            if not self._deal_with(session, look, due, fired):
                next_at = due.at
                break
        advance(session, held.id, next_at)
        return fired

    def _deal_with(self, session: Session, look: Look, due: Due, fired: Fired) -> bool:
        """One due time. False: it has to wait, and so have those behind it."""
        schedule_id = look.schedule.id
        if due.is_dropped or look.prepared is None:
            status, error = (FiringStatus.MISSED, TOO_LATE) if due.is_dropped else (FiringStatus.FAILED, look.error)
            note_firing(session, schedule_id, due.at, status, error=error, missed=due.missed)
            return True
        overlap = Overlap(look.schedule.overlap)
        if overlap is not Overlap.ALLOW and has_open_run(session, schedule_id):
            if overlap is Overlap.WAIT:
                return False
            note_firing(session, schedule_id, due.at, FiringStatus.SKIPPED, error=OVERLAPS, missed=due.missed)
            return True
        return self._start(session, look.prepared, look.schedule, due, fired)

    def _start(self, session: Session, prepared: Prepared, schedule: Schedule, due: Due, fired: Fired) -> bool:
        if not fired.may_begin:
            return False
        run = prepared.run(self._config, due.at)
        if note_firing(session, schedule.id, due.at, FiringStatus.STARTED, run_id=run.run_id, missed=due.missed):
            fired.runs.append(accept_run(session, run))
            fired.unused -= 1
        return True


def has_room(session: Session, bounds: Bounds) -> bool:
    try:
        check_open_runs(session, bounds)
    except TooManyRuns:
        return False
    return True


def is_same(held: Schedule, read: Schedule) -> bool:
    """Nobody has fired or changed the schedule since it was read."""
    names = ("next_at", "paused_at", "cron", "timezone", "inputs", "user", "missed", "overlap", "node_id")
    return all(getattr(held, name) == getattr(read, name) for name in names)
