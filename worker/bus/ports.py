"""What workers and relays ask of the bus. Redis adapters: events.py, listener.py, commands.py; twins without Redis: memory.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One event of a run as the log keeps it."""

    #: 1, 2, 3 ... without gaps over the whole run.
    number: int
    #: The JSON text of wire.py.
    frame: bytes
    #: The run has ended: nothing follows.
    is_terminal: bool = False


class EventLogPort(Protocol):
    """The event history of runs, as far as it is kept for readers in a hurry; SQL has all of it (design.md invariant 6)."""

    def open(self, run_id: str, attempt: int, after: int = 0) -> list[LogEntry]:
        """Refuse earlier attempts from now on; the entries above number ``after``. Raises ``RunFenced`` for a late attempt."""

    def append(self, run_id: str, attempt: int, first: int, frames: Sequence[bytes], *, stored: int = 0, is_terminal: bool = False) -> int:
        """Add the events ``first``, ``first + 1`` ... and tell the subscribers; answers the number of the log's last event.

        Events that are there already are skipped, so a call may be repeated. The log may lack events up to ``stored``, which SQL
        has. If it lacks later ones it was lost meanwhile: then nothing is added, the answer is below the last number given, and
        the caller must append again from ``stored + 1``. ``is_terminal``: the last frame ends the run. Raises ``RunFenced`` if a
        later attempt opened the log.
        """

    def read(self, run_id: str, after: int, count: int) -> list[LogEntry]:
        """At most ``count`` entries above number ``after``, in order. There may be gaps at the front, where SQL helps."""


@dataclass(frozen=True, slots=True)
class News:
    """Something happened in a run. Without ``frames`` the reader must read the log to learn what."""

    first: int
    last: int
    is_terminal: bool
    #: The events ``first`` to ``last``; None if they were too large to send along, or were missed.
    frames: tuple[bytes, ...] | None


#: News may have been missed: read the log.
LAGGING = News(0, 0, False, None)


class SubscriptionPort(Protocol):
    """The news of one run, for one reader."""

    def get(self, timeout_s: float) -> News | None:
        """The next news, ``LAGGING`` if some were missed, None after ``timeout_s`` seconds of silence."""

    def lag(self) -> None:
        """Make the reader wake up and find ``LAGGING``; from any thread."""

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class ListenerPort(Protocol):
    """Where readers of this process wait for news."""

    def subscribe(self, run_id: str) -> SubscriptionPort:
        """Never waits and never fails: while there is no connection there is no news, and the first thing after it is ``LAGGING``."""

    def close(self) -> None: ...


class CommandsPort(Protocol):
    """Requests to runs, wherever they are executed. A command may be lost: SQL has the flag (reliability.md section 1.5)."""

    def stop(self, run_id: str) -> None:
        """Ask the worker that executes the run to end it."""


#: Called with a run id when a stop request arrives.
OnStop = Callable[[str], None]
