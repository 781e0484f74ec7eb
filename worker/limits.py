"""The rates of apps and keys, for whatever begins runs: requests, batches, schedules.

Concurrency is a matter of SQL alone (``store/limits.py``). A run that is let begin here and then does not is given back, so that only
runs that there are count.
"""

from __future__ import annotations

from worker.bus.rates import Bucket, Grant, RatesPort
from worker.store.limits import Bounds


def buckets_of(bounds: Bounds) -> list[Bucket]:
    """Of the app and of the key, as far as they have a rate."""
    limits = ((f"app:{bounds.app_id}", bounds.app), (f"key:{bounds.key_id}", bounds.key))
    return [Bucket(name, limit.max_rate, limit.max_burst or limit.max_rate) for name, limit in limits if limit.max_rate]


def take_rate(rates: RatesPort, bounds: Bounds | None, wanted: int = 1) -> Grant:
    """How many of the ``wanted`` runs may begin now, and how long the next one has to wait; never refuses while Redis is away."""
    buckets = [] if bounds is None else buckets_of(bounds)
    return rates.take(buckets, wanted) if buckets else Grant(wanted)


def give_back_rate(rates: RatesPort, bounds: Bounds | None, count: int = 1) -> None:
    """So many of the runs that were let begin did not begin after all."""
    buckets = [] if bounds is None else buckets_of(bounds)
    if buckets and count:
        rates.give_back(buckets, count)
