"""When keys were last used."""

from __future__ import annotations

import logging
import threading
import time

from worker.store.errors import StorageUnavailable
from worker.store.keys import USE_RESOLUTION_S, note_use
from worker.store.session import Database

log = logging.getLogger(__name__)


class KeyUses:
    """Remembers in SQL when keys were last used, once a minute and key, so that requests do not queue to write it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        #: Key id -> monotonic seconds of the last note of this process.
        self._noted: dict[str, float] = {}

    def note(self, key_id: str) -> None:
        if not self._is_due(key_id):
            return
        try:
            with self._database.begin() as session:
                note_use(session, key_id)
        except StorageUnavailable as error:
            log.warning("The last use of a key could not be noted: %s", error)

    def _is_due(self, key_id: str) -> bool:
        now = time.monotonic()
        with self._lock:
            is_due = now - self._noted.get(key_id, -USE_RESOLUTION_S) >= USE_RESOLUTION_S
            if is_due:
                self._noted[key_id] = now
        return is_due
