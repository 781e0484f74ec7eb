"""How many runs an app and its keys may have open and may begin in a minute, in every mode alike.

What operators set lies in the rows of apps and keys; where nothing is set, the settings of the deployment count. A run is open while it
waits for a worker or has one: a paused run waits for people, for days maybe, and holds no place. So a run that goes on after a pause
takes its place whatever the limit says, and new ones wait until the count has come down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Integer, ScalarSelect, Text, bindparam, func, literal, or_, select
from sqlalchemy.orm import Session

from worker.config import Config
from worker.engine.events import RunStatus
from worker.store.errors import TooManyRuns
from worker.store.models import API_KEYS, APPS, RUNS
from worker.store.prepared import Prepared

#: Put before an app's id to name the lock under which its runs are counted; other users of advisory locks have other words.
TURN = "penstock:open-runs:"


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Of an app or of a key. 0: no limit. None, only in what operators set: the deployment's setting counts."""

    #: Runs that may be open at a time.
    max_concurrency: int | None = None
    #: Runs that may begin in a minute.
    max_rate: int | None = None
    #: Of these, how many may begin at once; None: all of them.
    max_burst: int | None = None

    def __bool__(self) -> bool:
        return bool(self.max_concurrency or self.max_rate)

    def or_else(self, other: RunLimits) -> RunLimits:
        """These numbers, and those of ``other`` where there are none: what counts."""
        rate = _first(self.max_rate, other.max_rate)
        return RunLimits(_first(self.max_concurrency, other.max_concurrency), rate, self.max_burst or rate)


def _first(*numbers: int | None) -> int:
    return next((number for number in numbers if number is not None), 0)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What counts for a run that is about to begin."""

    app_id: str
    #: None: an operator, or something of the app's own, begins it.
    key_id: str | None
    app: RunLimits
    key: RunLimits

    @property
    def has_concurrency(self) -> bool:
        return bool(self.app.max_concurrency or self.key.max_concurrency)


def default_limits(config: Config) -> tuple[RunLimits, RunLimits]:
    """Of every app, and of every key, for which operators have set nothing else."""
    return RunLimits(config.app_max_concurrency, config.app_max_rate), RunLimits(config.key_max_concurrency, config.key_max_rate)


def bounds_of(config: Config, app_id: str, key_id: str | None, app: RunLimits, key: RunLimits) -> Bounds | None:
    """The bounds of an app and a key for which operators have set this; None: there are none, and nothing need be asked or counted."""
    of_apps, of_keys = default_limits(config)
    of_app = app.or_else(of_apps)
    of_key = RunLimits(0, 0, 0) if key_id is None else key.or_else(of_keys)
    return Bounds(app_id, key_id, of_app, of_key) if of_app or of_key else None


def limits_of(session: Session, config: Config, app_id: str, key_id: str | None = None) -> Bounds | None:
    """The bounds of runs that do not come from a request, whose key brings them along. None: there are none, or no such app."""
    row = session.execute(LIMITS_OF, {"app": app_id, "key": key_id}).one_or_none()
    return None if row is None else bounds_of(config, app_id, key_id, RunLimits(*row[:3]), RunLimits(*row[3:]))


#: Columns of ``RunLimits``, of an app and of a key.
APP_LIMITS = (APPS.c.max_concurrency, APPS.c.max_rate, APPS.c.max_burst)
KEY_LIMITS = (API_KEYS.c.max_concurrency, API_KEYS.c.max_rate, API_KEYS.c.max_burst)

LIMITS_OF = (
    select(*APP_LIMITS, *KEY_LIMITS)
    .outerjoin(API_KEYS, (API_KEYS.c.app_id == APPS.c.id) & (API_KEYS.c.id == bindparam("key")))
    .where(APPS.c.id == bindparam("app"))
)


# ---- open runs


def take_place(session: Session, bounds: Bounds) -> None:
    """Comes before the statement that stores a run, in its transaction. Raises ``TooManyRuns``.

    Exact however many instances store runs together: those of one app pass here one after the other.
    """
    if bounds.has_concurrency:
        _take_turn(session, bounds.app_id)
        check_open_runs(session, bounds)


def check_open_runs(session: Session, bounds: Bounds) -> None:
    """A look, without a turn: what it answers may have changed when a run is stored. Raises ``TooManyRuns``."""
    if not bounds.has_concurrency:
        return
    of_app, of_key = _open_runs(session, bounds)
    for whose, limits, count in (("app", bounds.app, of_app), ("key", bounds.key, of_key)):
        if limits.max_concurrency and count >= limits.max_concurrency:
            most = f"The {whose} has as many open runs as it may have: {limits.max_concurrency} (max_concurrency)."
            raise TooManyRuns(f"Too many requests. {most} Please try again later.")


def room_of(session: Session, config: Config, app_id: str, key_id: str | None = None) -> int | None:
    """How many more runs of an app, begun by this key, may be open now; None: any number. Refuses nothing: who has many runs waits.

    In a transaction that writes, the answer holds until its end, since no other run of the app is stored before: ask for one app in a
    transaction, and store its runs in the same one.
    """
    bounds = limits_of(session, config, app_id, key_id)
    if bounds is None or not bounds.has_concurrency:
        return None
    _take_turn(session, app_id)
    counted = zip((bounds.app, bounds.key), _open_runs(session, bounds), strict=True)
    return min(limits.max_concurrency - count for limits, count in counted if limits.max_concurrency)


def _take_turn(session: Session, app_id: str) -> None:
    """Held until the transaction ends. SQLite has one writer at a time anyway.

    A statement of its own: PostgreSQL's next one then sees what whoever had the turn before has stored.
    """
    if session.get_bind().dialect.name == "postgresql":
        TAKE_TURN.one(session, {"turn": TURN + app_id})


TAKE_TURN = Prepared(select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("turn", type_=Text), 0))))


def _open_runs(session: Session, bounds: Bounds) -> tuple[int, int]:
    """Open runs of the app and of the key, as far as the limits go; what has no limit is not counted."""
    names = {"app": bounds.app_id, "key": bounds.key_id}
    most = {"app_most": bounds.app.max_concurrency, "key_most": bounds.key.max_concurrency}
    row = OPEN_RUNS.one(session, {**names, **most})
    assert row is not None, "a count has a row"
    return row[0], row[1]


#: ``finished_at`` is what the index of open runs asks for.
IS_OPEN = (RUNS.c.finished_at.is_(None), or_(RUNS.c.status == RunStatus.SCHEDULED, RUNS.c.status == RunStatus.RUNNING))
IS_OF_APP = RUNS.c.app_id == bindparam("app")
IS_OF_KEY = RUNS.c.key_id == bindparam("key")


def _count(most: str, *conditions: Any) -> ScalarSelect[int]:
    found = select(literal(1)).select_from(RUNS).where(*conditions).limit(bindparam(most, type_=Integer))
    return select(func.count()).select_from(found.subquery()).scalar_subquery()


COUNT_OPEN = select(_count("app_most", *IS_OPEN, IS_OF_APP), _count("key_most", *IS_OPEN, IS_OF_APP, IS_OF_KEY))
OPEN_RUNS = Prepared(COUNT_OPEN)


def waiting_runs(session: Session, up_to: int) -> int:
    """Runs of the deployment that wait for a worker; counts no further than ``up_to``."""
    row = WAITING_RUNS.one(session, {"up_to": up_to})
    assert row is not None, "a count has a row"
    return int(row[0])


COUNT_WAITING = select(_count("up_to", RUNS.c.finished_at.is_(None), RUNS.c.status == RunStatus.SCHEDULED))
WAITING_RUNS = Prepared(COUNT_WAITING)
