"""Whether this process can serve: database, schema and Redis answer, and it is not about to end (reliability.md section 1.15)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

log = logging.getLogger(__name__)

#: Seconds for which an answer is remembered, so that probes of many balancers cost one look.
REMEMBERED_S = 1.0

#: Raises if a dependency does not do its part.
Check = Callable[[], Any]


class Readiness:
    """``checks``: dependency -> check; each gets ``timeout_s`` seconds, all at the same time."""

    def __init__(self, checks: Mapping[str, Check], timeout_s: float) -> None:
        self._checks = checks
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._looked_at = -REMEMBERED_S
        self._found: dict[str, str] = {}

    def look(self) -> dict[str, str]:
        """Dependency -> ``ok``, or what is wrong with it."""
        with self._lock:
            if time.monotonic() - self._looked_at >= REMEMBERED_S:
                self._found = self._check_all()
                self._looked_at = time.monotonic()
            return self._found

    def _check_all(self) -> dict[str, str]:
        found = dict.fromkeys(self._checks, "no answer in time")
        threads = [
            threading.Thread(target=_check, args=(name, check, found), name=f"check {name}", daemon=True)
            for name, check in self._checks.items()
        ]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + self._timeout_s
        for thread in threads:
            thread.join(max(deadline - time.monotonic(), 0.0))
        # A copy: a check that is late still writes into the other one.
        return dict(found)


def _check(name: str, check: Check, found: dict[str, str]) -> None:
    try:
        check()
    except Exception as error:  # Whatever a dependency raises, it is not ready, and the probe says so.
        log.warning("Not ready: %s: %s", name, error)
        found[name] = "unavailable"
    else:
        found[name] = "ok"
