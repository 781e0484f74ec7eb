"""The invariant checker of reliability.md section 1.12: reads SQL, Redis and the files, changes nothing, and tells what is wrong.

It may work beside live traffic. Facts that belong together are read from one snapshot, and whatever looks wrong is looked at again
before it is reported: what changed meanwhile was only on its way.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence

import redis

from worker.config import Config
from worker.doctor.batches import Batches
from worker.doctor.deliveries import DELIVERIES, deliveries
from worker.doctor.files import BYTES, STRAYS, FileBytes, StrayBytes
from worker.doctor.finding import Area, Check, Extent, Finding
from worker.doctor.idempotency_keys import KEYS, idempotency_keys
from worker.doctor.queue import MESSAGES, Messages
from worker.doctor.redis_keys import TTL, Keys
from worker.doctor.redis_log import LOG, Logs
from worker.doctor.references import REFERENCES, references
from worker.doctor.run_checks import RUN_CHECKS
from worker.doctor.runs import Runs
from worker.doctor.schedules import SCHEDULED, schedules
from worker.doctor.schema import SCHEMA, examine_schema
from worker.store.blobs import open_blobs
from worker.store.session import Database

#: Every check there is, in the order in which they are made.
CHECKS: Sequence[Check] = (
    *(SCHEMA, *RUN_CHECKS, REFERENCES, DELIVERIES, KEYS, *Batches.checks, SCHEDULED),
    *(BYTES, STRAYS, LOG, TTL, MESSAGES),
)

CHECK_NAMES = tuple(check.name for check in CHECKS)


def examine(
    config: Config,
    database: Database,
    client: redis.Redis | None,
    *,
    since: float | None = None,
    run_id: str | None = None,
    checks: Collection[str] | None = None,
) -> Iterator[Finding]:
    """Everything that is wrong, found while it is iterated over: memory does not grow with the number of runs.

    ``client``: None leaves out Redis. ``since``: epoch seconds, runs that were accepted before are left out. ``run_id``: only this run.
    ``checks``: names from ``CHECKS``. Raises ``StorageUnavailable`` and ``redis.RedisError`` where it cannot look.
    """
    wanted = frozenset(CHECK_NAMES if checks is None else checks)
    if found := examine_schema(database):
        # Nothing else can be read then.
        yield from (finding for finding in found if finding.check in wanted)
        return
    for area in areas(config, database, client, Extent(since, run_id), wanted):
        if not wanted.isdisjoint(check.name for check in area.checks):
            yield from (finding for finding in confirmed_findings(area) if finding.check in wanted)


def areas(config: Config, database: Database, client: redis.Redis | None, extent: Extent, wanted: Collection[str]) -> Iterator[Area]:
    yield Runs(database, extent, [check for check in RUN_CHECKS if check.name in wanted])
    if extent.run_id is None:
        blobs = open_blobs(config, database)
        yield from references(database)
        yield deliveries(database)
        yield idempotency_keys(database)
        yield Batches(database)
        yield schedules(database)
        yield FileBytes(database, blobs, extent)
        yield StrayBytes(database, blobs)
    if client is not None:
        yield Logs(database, client, config, extent)
        if extent.run_id is None:
            yield Keys(client, config.redis_prefix)
            yield Messages(database, client, config.redis_prefix)


def confirmed_findings(area: Area) -> Iterator[Finding]:
    """What an area finds twice, with a pause between, about the same things."""
    for keys in area.batches():
        suspects = {(finding.check, finding.subject) for finding in area.look(keys)}
        if suspects:
            time.sleep(area.settle_s)
            yield from (finding for finding in area.look(keys) if (finding.check, finding.subject) in suspects)
