"""Whether a request may begin another run now: step 6 of api-contract.md section 2.1, the same for every ``response_mode``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.errors import Refused
from app.queue_depth import QueueDepth
from worker.bus.rates import Grant, RatesPort
from worker.config import Config
from worker.limits import give_back_rate, take_rate
from worker.store.keys import KeyedApp
from worker.store.limits import Bounds, bounds_of, check_open_runs
from worker.store.session import Database


@dataclass(slots=True)
class Permit:
    #: A run has begun. What comes to nothing, or finds the run of an earlier request, does not count.
    is_used: bool = False


class Admission:
    """Where neither app nor key has a limit, nobody is asked: their limits come with the key."""

    def __init__(self, config: Config, database: Database, rates: RatesPort) -> None:
        self._config = config
        self._database = database
        self._rates = rates
        self._queue = QueueDepth(database, config.max_queued)

    @contextmanager
    def admit(self, app: KeyedApp) -> Iterator[Permit]:
        """To be held while the run is made and stored. Raises ``Refused``, ``TooManyRuns``.

        The look at the open runs spares the rest a request that would be refused; it is the transaction of the run that decides.
        """
        with self.admit_within(bounds_for(self._config, app)) as permit:
            yield permit

    @contextmanager
    def admit_within(self, bounds: Bounds | None) -> Iterator[Permit]:
        """The same for what no key begins."""
        permit = Permit()
        with self._bounded(bounds, permit), self._queue.place(permit):
            yield permit

    @contextmanager
    def _bounded(self, bounds: Bounds | None, permit: Permit) -> Iterator[None]:
        if bounds is None:
            yield
            return
        if bounds.has_concurrency:
            with self._database.read() as session:
                check_open_runs(session, bounds)
        grant = take_rate(self._rates, bounds)
        if not grant.count:
            raise too_fast(grant)
        try:
            yield
        finally:
            if not permit.is_used:
                give_back_rate(self._rates, bounds)


def bounds_for(config: Config, app: KeyedApp) -> Bounds | None:
    """What counts for the runs of a request with this key; None: nothing."""
    return bounds_of(config, app.app_id, app.key_id, app.app_limits, app.key_limits)


def too_fast(grant: Grant) -> Refused:
    """Tells the first whole second at which the run may begin."""
    bucket, wait_s = grant.scarce, max(1, math.ceil(grant.wait_s))
    assert bucket is not None, "nothing is refused without a bucket"
    whose = bucket.name.partition(":")[0]
    limit = f"The {whose} begins as many runs as it may: {bucket.per_minute} a minute (max_rate), {bucket.burst} at once (max_burst)."
    return Refused("rate_limit_error", f"{limit} Please try again in {wait_s} s.", retry_after_s=wait_s)
