"""Notices that this process takes no runs any more although some wait (reliability.md section 2.1, P11).

Consumers of Celery have gone quiet for good after a reconnect to Redis. Nothing in the process shows that: it beats, it answers, it is
only never given a task. A fresh process is the cure, and whoever supervises this one starts it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

#: Seconds without a task, while tasks wait and slots are free, after which the process leaves.
PATIENCE_S = 120.0

#: Seconds between two looks.
LOOK_S = 10.0


class Watchdog:
    """Looks now and then; what it looks at is asked for anew each time."""

    def __init__(
        self,
        backlog: Callable[[], int | None],
        has_room: Callable[[], bool],
        heard_at: Callable[[], float],
        leave: Callable[[], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``backlog``: tasks that wait, None if the broker is away. ``heard_at``: monotonic seconds of the last task that came."""
        self._backlog = backlog
        self._has_room = has_room
        self._heard_at = heard_at
        self._leave = leave
        self._monotonic = monotonic
        #: Since when every look found tasks waiting and room for them; None: the last one did not.
        self._since: float | None = None

    def look(self) -> None:
        """Calls ``leave`` when nothing has come for ``PATIENCE_S`` seconds that something should have come in."""
        if not self._has_room() or not self._backlog():
            self._since = None
            return
        now = self._monotonic()
        self._since = max(self._since or now, self._heard_at())
        if now - self._since > PATIENCE_S:
            logger.critical("No task came for %.0f s although some wait: this worker leaves, to be started again.", now - self._since)
            self._leave()
