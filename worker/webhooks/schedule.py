"""When a webhook message is tried again: soon at first, then more and more rarely, for a day."""

from __future__ import annotations

import random

#: Seconds from a failed attempt to the next one; together a little less than a day.
DELAYS_S = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 28800)

#: Each delay is shortened or lengthened by up to this part of it, so that messages that failed together do not come back together.
JITTER = 0.2

#: Longest time for which a receiver may ask to be left alone.
MOST_RETRY_AFTER_S = 3600.0


def retry_s(failures: int, retry_after_s: float = 0.0) -> float | None:
    """Seconds from the last of so many failed attempts to the next one, 1-based; None: that was the last one."""
    if failures > len(DELAYS_S):
        return None
    delay_s = DELAYS_S[failures - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    return max(delay_s, min(retry_after_s, MOST_RETRY_AFTER_S))
