"""How fast runs may begin: GCRA, the token bucket that is one number (https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm).

A bucket's number is the time at which it is full again. Each run that begins moves it on by the pause that its rate leaves between two
runs, and may begin if the number is then no further ahead than ``burst`` pauses. So in any ``t`` minutes ``burst + per_minute * t``
runs begin at most, and how long to wait is known exactly. Redis holds the numbers of all instances, each until its bucket is full.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import redis

from worker.config import Config

log = logging.getLogger(__name__)

MINUTE_US = 60_000_000

#: Seconds for which Redis is not asked again after it did not answer: a server that hangs must not hold up every request.
ABSENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """``per_minute`` and ``burst`` are 1 or more."""

    #: Unique in the deployment.
    name: str
    per_minute: int
    #: Runs that may begin at once when none has begun for long.
    burst: int

    @property
    def pause_us(self) -> int:
        """Microseconds between two runs; rounded up, so that never more begin than may."""
        return -(-MINUTE_US // self.per_minute)


@dataclass(frozen=True, slots=True)
class Grant:
    #: Runs that may begin now.
    count: int
    #: Seconds until another one may; 0 if all that were asked for may begin now.
    wait_s: float = 0.0
    #: The bucket that has the least.
    scarce: Bucket | None = None


class RatesPort(Protocol):
    def take(self, buckets: Sequence[Bucket], wanted: int = 1) -> Grant:
        """Let at most ``wanted`` runs begin, as many as every one of the buckets has; each of them loses as many."""

    def give_back(self, buckets: Sequence[Bucket], count: int = 1) -> None:
        """So many of the runs that were let begin did not begin after all."""


#: KEYS: buckets. ARGV: runs wanted, microseconds since the epoch or an empty text for the server's own, then pause and burst of each.
#: Answers how many may begin, the microseconds until another one may, and the number of the bucket with the least.
#: Doubles hold microseconds of this century exactly; ``%d`` writes them so.
TAKE = """
local wanted, now = tonumber(ARGV[1]), tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local granted, wait, scarce, full = wanted, 0, 0, {}
for i = 1, #KEYS do
  local pause, burst = tonumber(ARGV[1 + 2 * i]), tonumber(ARGV[2 + 2 * i])
  full[i] = math.max(now, tonumber(redis.call('GET', KEYS[i]) or '0'))
  granted = math.max(0, math.min(granted, math.floor((now - full[i]) / pause + burst)))
end
for i = 1, #KEYS do
  local pause, burst = tonumber(ARGV[1 + 2 * i]), tonumber(ARGV[2 + 2 * i])
  local ready = full[i] + granted * pause
  if granted > 0 then
    redis.call('SET', KEYS[i], string.format('%d', ready), 'PX', math.ceil((ready - now) / 1000))
  end
  local needed = ready + pause - burst * pause - now
  if granted < wanted and needed > wait then wait, scarce = needed, i end
end
return {granted, wait, scarce}
"""

#: KEYS: buckets. ARGV: runs, then the pause of each.
GIVE_BACK = """
for i = 1, #KEYS do
  local full = redis.call('GET', KEYS[i])
  if full then
    redis.call('SET', KEYS[i], string.format('%d', tonumber(full) - tonumber(ARGV[1]) * tonumber(ARGV[1 + i])), 'KEEPTTL')
  end
end
"""


class Rates:
    """Holds over all instances. While Redis is away every run may begin: runs are worth more than the limit."""

    def __init__(self, client: redis.Redis, config: Config, clock_us: Callable[[], int] | None = None) -> None:
        """``clock_us``: microseconds since the epoch, instead of the server's clock."""
        self._prefix = config.redis_prefix
        self._clock_us = clock_us
        self._take = client.register_script(TAKE)
        self._give_back = client.register_script(GIVE_BACK)
        #: Monotonic seconds before which Redis is not asked.
        self._away_until = 0.0
        self._is_away = False

    def take(self, buckets: Sequence[Bucket], wanted: int = 1) -> Grant:
        numbers = [number for bucket in buckets for number in (bucket.pause_us, bucket.burst)]
        now = "" if self._clock_us is None else self._clock_us()
        answer = self._ask(self._take, buckets, wanted, now, *numbers)
        if answer is None:
            return Grant(wanted)
        granted, wait_us, scarce = answer
        return Grant(granted, wait_us / 1e6, buckets[scarce - 1] if scarce else None)

    def give_back(self, buckets: Sequence[Bucket], count: int = 1) -> None:
        self._ask(self._give_back, buckets, count, *(bucket.pause_us for bucket in buckets))

    def _ask(self, script: Callable[..., Any], buckets: Sequence[Bucket], *arguments: int | str) -> Any:
        """The script's answer; None while Redis is away, which is said once each time."""
        if time.monotonic() < self._away_until:
            return None
        try:
            answer = script(keys=[f"{self._prefix}rate:{bucket.name}" for bucket in buckets], args=arguments)
        except redis.RedisError as error:
            self._note_absence(error)
            return None
        self._is_away = False
        return answer

    def _note_absence(self, error: redis.RedisError) -> None:
        if not self._is_away:
            log.warning("Runs begin at any rate while Redis cannot count them: %s", error)
        self._is_away = True
        self._away_until = time.monotonic() + ABSENCE_S


class MemoryRates:
    """Twin of ``Rates`` for one process."""

    def __init__(self, clock_us: Callable[[], int] = lambda: time.time_ns() // 1000) -> None:
        self._clock_us = clock_us
        self._lock = threading.Lock()
        #: Name of a bucket -> microseconds since the epoch at which it is full again.
        self._full: dict[str, int] = {}

    def take(self, buckets: Sequence[Bucket], wanted: int = 1) -> Grant:
        with self._lock:
            now = self._clock_us()
            full = {bucket: max(now, self._full.get(bucket.name, 0)) for bucket in buckets}
            granted = max(0, min([wanted, *(bucket.burst - -(-(full[bucket] - now) // bucket.pause_us) for bucket in buckets)]))
            ready = {bucket: full[bucket] + granted * bucket.pause_us for bucket in buckets}
            self._full.update({bucket.name: ready[bucket] for bucket in buckets})
        if granted == wanted:
            return Grant(granted)
        needed = {bucket: ready[bucket] + bucket.pause_us - bucket.burst * bucket.pause_us - now for bucket in buckets}
        scarce = max(needed, key=lambda bucket: needed[bucket])
        return Grant(granted, needed[scarce] / 1e6, scarce)

    def give_back(self, buckets: Sequence[Bucket], count: int = 1) -> None:
        with self._lock:
            for bucket in buckets:
                if bucket.name in self._full:
                    self._full[bucket.name] -= count * bucket.pause_us
