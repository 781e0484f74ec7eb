"""Named locks with a lease, by which the workers elect the one that sweeps (reliability.md section 1.1)."""

from __future__ import annotations

from sqlalchemy import delete, or_
from sqlalchemy.orm import Session

from worker.store.clock import now_s
from worker.store.models import Lock
from worker.store.upsert import insert_or


def acquire_lock(session: Session, name: str, owner: str, for_s: float) -> bool:
    """Take, or keep, a lock for the next ``for_s`` seconds. False: somebody else holds it."""
    insert = insert_or(session, Lock).values(name=name, owner=owner, until=now_s() + for_s)
    insert = insert.on_conflict_do_update(
        index_elements=["name"],
        set_={"owner": insert.excluded.owner, "until": insert.excluded.until},
        where=or_(Lock.owner == owner, Lock.until < now_s()),
    )
    return session.scalar(insert.returning(Lock.name)) is not None


def release_lock(session: Session, name: str, owner: str) -> None:
    """Let others have the lock at once, if ``owner`` still holds it."""
    session.execute(delete(Lock).where(Lock.name == name, Lock.owner == owner))
