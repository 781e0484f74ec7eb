"""Whatever a deployment leaves in Redis goes by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import redis

from worker.broker import QUEUES
from worker.bus.channel import literal
from worker.bus.events import SCANNED
from worker.doctor.finding import Check, Finding

TTL = Check(
    "redis-ttl",
    "Every Redis key expires, but those of the broker.",
    "It would stay for ever. Delete it if you know what it is; if it is an event log or counts a rate, report it.",
)

#: Names behind the prefix of the keys that the broker keeps: its queues, with one list for each priority, what is on its way, and
#: whom it tells.
BROKER = (*QUEUES, "unacked", "_kombu.")
BROKER_ENDINGS = (".pidbox",)

#: Names of what the product keeps there: all that can be looked at where other applications may have keys without a prefix.
FAMILIES = ("events:", "rate:")

#: What Redis answers for a key that does not expire.
NEVER = -1


class Keys:
    """An ``Area``: its keys are those of Redis."""

    checks = (TTL,)
    settle_s = 1.0

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    def batches(self) -> Iterator[Sequence[bytes]]:
        for family in ("",) if self._prefix else FAMILIES:
            keys = self._client.scan_iter(match=literal(self._prefix + family) + "*", count=SCANNED)
            while batch := list(islice(keys, SCANNED)):
                yield batch

    def look(self, keys: Sequence[bytes]) -> list[Finding]:
        ours = [key for key in dict.fromkeys(keys) if not self._is_of_broker(key)]
        with self._client.pipeline(transaction=False) as pipeline:
            for key in ours:
                pipeline.ttl(key)
            seconds = pipeline.execute()
        return [TTL.finding(key.decode(errors="replace"), "never expires") for key, ttl in zip(ours, seconds, strict=True) if ttl == NEVER]

    def _is_of_broker(self, key: bytes) -> bool:
        name = key.decode(errors="replace").removeprefix(self._prefix)
        return name.startswith(BROKER) or name.endswith(BROKER_ENDINGS)
