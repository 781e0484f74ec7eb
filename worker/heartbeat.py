"""Keeps the leases of a process's runs, and learns from the same statement what was decided about them (design.md invariant 2)."""

from __future__ import annotations

import logging
import time

from worker.active import ActiveRuns
from worker.store.claims import renew
from worker.store.errors import StorageUnavailable
from worker.store.session import Database

logger = logging.getLogger(__name__)


class Heartbeat:
    """One beat renews every lease of ``owner``, ends runs that were stopped, and fences those that belong to somebody else."""

    def __init__(self, database: Database, active: ActiveRuns, owner: str, lease_s: float) -> None:
        self._database = database
        self._active = active
        self._owner = owner
        self._lease_s = lease_s

    def beat(self) -> None:
        """While the database is away it fences the runs whose leases have run out meanwhile: somebody else may have them."""
        claims = self._active.claims()
        if not claims:
            return
        sent_at = time.monotonic()
        try:
            renewal = self._database.transact(lambda session: renew(session, self._owner, claims, self._lease_s))
        except StorageUnavailable as error:
            logger.warning("The leases of %d runs could not be renewed: %s", len(claims), error)
            self._fence_expired()
            return
        self._active.renewed((claim for claim in claims if claim[0] not in renewal.lost), sent_at)
        self._fence([claim for claim in claims if claim[0] in renewal.lost])
        for run_id in renewal.stops - renewal.lost:
            self._active.stop(run_id)

    def _fence_expired(self) -> None:
        self._fence(self._active.leased_before(time.monotonic() - self._lease_s))

    def _fence(self, claims: list[tuple[str, int]]) -> None:
        """A run that has ended since the claims were listed has no lease either, and is not lost."""
        for run_id, attempt in self._active.fence(claims):
            logger.warning("Run %s is lost to this worker (attempt %d).", run_id, attempt)
