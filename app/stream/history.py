"""What SQL has of a run's events, for relays."""

from __future__ import annotations

from app.errors import APIError
from app.stream.relay import Past
from worker.bus.ports import LogEntry
from worker.store.events import read_events
from worker.store.runs import find_outlook
from worker.store.session import Database


class RunHistory:
    """``relay.History`` of one run."""

    def __init__(self, database: Database, run_id: str) -> None:
        self._database = database
        self._run_id = run_id

    def read(self, after: int, count: int) -> Past:
        # The outlook first: a run that is over then has all its events, and one that ends meanwhile is looked at again.
        with self._database.read() as session:
            outlook = find_outlook(session, self._run_id)
            found = read_events(session, self._run_id, after, count)
        if outlook is None:
            raise APIError("not_found", "Workflow run not found")
        end = outlook.last_event if outlook.is_complete else None
        return Past([LogEntry(number, frame, number == end) for number, frame in found], outlook.is_complete)

    def is_paused_at(self, number: int) -> bool:
        with self._database.read() as session:
            outlook = find_outlook(session, self._run_id)
        return outlook is not None and outlook.is_paused and outlook.last_event == number
