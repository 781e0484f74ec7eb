"""The event log as SQL keeps it: stretches of frames, word by word what Redis got (design.md invariants 4 and 6)."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ClauseElement, select
from sqlalchemy.orm import Session

from worker.store.models import RunEvents
from worker.store.prepared import PreparedInsert
from worker.store.upsert import insert_for

#: zlib's quickest: frames of one run repeat each other so much that more effort gains little.
LEVEL = 1

#: A number that no event has.
NEVER = 2**31 - 1


@dataclass(frozen=True, slots=True)
class EventStretch:
    """Frames number ``first`` to ``last``, packed."""

    first: int
    last: int
    body: bytes

    @classmethod
    def of(cls, first: int, frames: Sequence[bytes]) -> EventStretch:
        """A stretch of at least one frame."""
        return cls(first, first + len(frames) - 1, pack(frames))


def pack(frames: Sequence[bytes]) -> bytes:
    """Frames are JSON on one line each, so a line end separates them."""
    return zlib.compress(b"\n".join(frames), LEVEL)


def unpack(body: bytes) -> list[bytes]:
    return zlib.decompress(body).split(b"\n")


def store_events(session: Session, run_id: str, stretch: EventStretch) -> None:
    """Keep a stretch. A stretch with the same first number gives way: it is the same one, from a commit whose answer got lost.

    For the owner of the run, in the transaction that checks its claim.
    """
    values = {"run_id": run_id, "first": stretch.first, "last": stretch.last, "body": stretch.body}
    INSERT_EVENTS.execute(session, values)


def _insert_events(dialect: str) -> ClauseElement:
    insert = insert_for(dialect, RunEvents)
    replaced = {"last": insert.excluded.last, "body": insert.excluded.body}
    return insert.on_conflict_do_update(index_elements=["run_id", "first"], set_=replaced)


INSERT_EVENTS = PreparedInsert(_insert_events)


def read_events(session: Session, run_id: str, after: int = 0, limit: int | None = None) -> list[tuple[int, bytes]]:
    """Numbers and frames of the events after number ``after``, in order.

    With ``limit``, it stops at the end of the stretch that reaches that many: ask again after the last number.
    """
    stretches = select(RunEvents.first, RunEvents.body).where(RunEvents.run_id == run_id, RunEvents.last > after)
    found: list[tuple[int, bytes]] = []
    for first, body in session.execute(stretches.order_by(RunEvents.first).limit(limit)):
        if limit is not None and len(found) >= limit:
            break
        found += [(number, frame) for number, frame in enumerate(unpack(body), first) if number > after]
    return found


def read_last(session: Session, run_id: str, beginnings: tuple[bytes, ...], until: int = NEVER) -> bytes | None:
    """The last frame that begins in one of these ways, of those up to number ``until``."""
    stretches = select(RunEvents.first, RunEvents.body).where(RunEvents.run_id == run_id, RunEvents.first <= until)
    rows = session.execute(stretches.order_by(RunEvents.first.desc()))
    frames = (frame for first, body in rows for frame in reversed(unpack(body)[: until - first + 1]))
    return next((frame for frame in frames if frame.startswith(beginnings)), None)
