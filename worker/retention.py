"""Removes what is old, so that disks do not fill (reliability.md section 1.14): runs, their node results and events, batches, files.

Every worker has it, on a thread of its own; a lock in SQL elects the one that works. It works in short steps with a pause after each, so
that whoever writes beside it hardly notices.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.config import Config
from worker.store import retention as steps
from worker.store.batch_retention import count_old_batches, delete_batches
from worker.store.blobs import Blobs
from worker.store.errors import StorageUnavailable
from worker.store.locks import acquire_lock, release_lock
from worker.store.models import APPS
from worker.store.session import Database

logger = logging.getLogger(__name__)

LOCK = "retention"

#: Seconds between two passes, and seconds that a pass may be silent before another worker takes over.
PASS_S = 60.0
LOCK_S = 120.0

#: Seconds after each step: a writer of SQLite that came second has had its turn by then.
PAUSE_S = 0.1

#: Seconds between two searches for bytes without a row, and their age: an upload is done by then, however slow.
STRAYS_EVERY_S = 3600.0
STRAY_S = 3600.0

#: Ids that are looked up at a time.
BATCH = 500

DAY_S = 86400.0


@dataclass(frozen=True, slots=True)
class Keeping:
    """For how many seconds what is kept; None: for good."""

    #: Runs and batches, from their end on.
    runs_s: float | None = None
    #: Their node results and events, which never outlive them.
    details_s: float | None = None
    #: Files, from the upload or from the node that made them.
    files_s: float | None = None
    #: Runs that have ended, of each app; None: any number.
    runs_of_app: int | None = None

    @classmethod
    def of(cls, config: Config) -> Keeping:
        return cls(
            runs_s=_age(config.retention_run_days),
            details_s=_age(config.retention_detail_days),
            files_s=_age(config.retention_file_days),
            runs_of_app=max(config.retention_max_runs, 0) or None,
        )

    @property
    def stripped_after_s(self) -> float | None:
        """Age at which runs lose their details."""
        ages = [age for age in (self.runs_s, self.details_s) if age is not None]
        return min(ages, default=None)


def _age(days: float) -> float | None:
    return days * DAY_S or None


@dataclass(slots=True)
class Pruned:
    """What a pass has removed, or would remove."""

    #: Runs that have lost their node results and events, those that were then removed included.
    details: int = 0
    runs: int = 0
    files: int = 0
    batches: int = 0
    #: Bytes whose files were gone already, and beginnings of uploads that were cut off.
    strays: int = 0

    @property
    def is_nothing(self) -> bool:
        return not (self.details or self.runs or self.files or self.batches or self.strays)


class Pruner:
    """One pass. ``may_go_on`` is asked before each step, and may take its time."""

    def __init__(self, database: Database, blobs: Blobs, keeping: Keeping, may_go_on: Callable[[], bool]) -> None:
        self._database = database
        self._blobs = blobs
        self._keeping = keeping
        self._may_go_on = may_go_on
        self.pruned = Pruned()

    def prune(self, *, with_strays: bool = True) -> Pruned:
        """Raises ``StorageUnavailable``; what was removed until then stays removed."""
        self._prune_runs()
        if self._keeping.files_s is not None:
            self._prune_files(self._keeping.files_s)
        if with_strays:
            self._prune_strays()
        return self.pruned

    def _prune_runs(self) -> None:
        keeping = self._keeping
        if keeping.stripped_after_s is not None:
            for number in self._steps(partial(steps.strip_runs, age_s=keeping.stripped_after_s)):
                self.pruned.details += number
        if keeping.runs_s is not None:
            for number in self._steps(partial(steps.delete_runs, age_s=keeping.runs_s)):
                self.pruned.runs += number
            self._prune_batches(keeping.runs_s)
        if keeping.runs_of_app is not None:
            self._prune_surplus(keeping.runs_of_app)

    def _prune_batches(self, age_s: float) -> None:
        """After their runs."""
        while self._may_go_on() and (number := self._database.transact(partial(delete_batches, age_s=age_s))) is not None:
            self.pruned.batches += number

    def _prune_surplus(self, kept: int) -> None:
        for app_id in self._apps():
            for number in self._steps(partial(steps.delete_surplus, app_id=app_id, kept=kept)):
                self.pruned.runs += number

    def _steps(self, step: Callable[[Session], int]) -> Iterator[int]:
        """Take the step until nothing is left to do; what each one did."""
        while self._may_go_on() and (number := self._database.transact(step)):
            yield number

    def _apps(self) -> list[str]:
        with self._database.read() as session:
            return list(session.scalars(select(APPS.c.id)))

    def _prune_files(self, age_s: float) -> None:
        with self._database.snapshot() as session:
            in_use = steps.files_in_use(session) if steps.has_old_file(session, age_s) else None
        after: tuple[float, str] | None = steps.FIRST
        while in_use is not None and after is not None and self._may_go_on():
            page = self._remove_files(age_s, in_use, after)
            self.pruned.files += len(page.removed)
            after = page.next

    def _remove_files(self, age_s: float, in_use: frozenset[str], after: tuple[float, str]) -> steps.FilePage:
        page = self._database.transact(lambda session: steps.delete_files(session, age_s, in_use, after))
        # Nobody finds them any more. If this process ends here, they are strays.
        self._blobs.discard(page.removed)
        return page

    def _prune_strays(self) -> None:
        self.pruned.strays += self._blobs.remove_fragments(STRAY_S)
        candidates = self._blobs.stray_candidates(STRAY_S)
        while self._may_go_on() and (batch := list(islice(candidates, BATCH))):
            with self._database.read() as session:
                known = steps.known_files(session, batch)
            strays = [file_id for file_id in batch if file_id not in known]
            self._blobs.discard(strays)
            self.pruned.strays += len(strays)


def foresee(database: Database, keeping: Keeping) -> Pruned:
    """What a pass would remove of what is known to SQL."""
    with database.snapshot() as session:
        return Pruned(
            details=0 if keeping.stripped_after_s is None else steps.count_stripped(session, keeping.stripped_after_s),
            runs=max(
                0 if keeping.runs_s is None else steps.count_deleted(session, keeping.runs_s),
                0 if keeping.runs_of_app is None else steps.count_surplus(session, keeping.runs_of_app),
            ),
            batches=0 if keeping.runs_s is None else count_old_batches(session, keeping.runs_s),
            files=0 if keeping.files_s is None else steps.count_old_files(session, keeping.files_s),
        )


class Retention:
    """The passes of one worker."""

    def __init__(self, database: Database, blobs: Blobs, config: Config, owner: str) -> None:
        self._database = database
        self._blobs = blobs
        self._keeping = Keeping.of(config)
        self._owner = owner
        self._leaving = threading.Event()
        #: Monotonic seconds at which strays are looked for again.
        self._strays_due_at = 0.0

    def work(self) -> None:
        """One pass, if this worker is elected. Does little while the database is away."""
        pruner = Pruner(self._database, self._blobs, self._keeping, self._may_go_on)
        try:
            if self._leaving.is_set() or not self._is_elected():
                return
            is_due = time.monotonic() >= self._strays_due_at
            pruner.prune(with_strays=is_due)
            if is_due:
                self._strays_due_at = time.monotonic() + STRAYS_EVERY_S
        except StorageUnavailable as error:
            logger.warning("What is old is removed later, the database is away: %s", error)
        if not pruner.pruned.is_nothing:
            logger.info("Removed for their age or number: %s.", pruner.pruned)

    def leave(self) -> None:
        """End the pass after the step that it is in, and begin no other. Returns at once."""
        self._leaving.set()

    def resign(self) -> None:
        """Let another worker have the next pass at once; for when the last one of this worker is over."""
        try:
            self._database.transact(lambda session: release_lock(session, LOCK, self._owner))
        except StorageUnavailable as error:
            logger.warning("The lock of the retention was not released, it ends by itself: %s", error)

    def _may_go_on(self) -> bool:
        return not self._leaving.wait(PAUSE_S) and self._is_elected()

    def _is_elected(self) -> bool:
        return self._database.transact(lambda session: acquire_lock(session, LOCK, self._owner, LOCK_S))
