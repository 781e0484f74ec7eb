"""What operators set and see of limits: the command line and the admin API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from worker.config import Config
from worker.store.errors import NotFound
from worker.store.limits import APP_LIMITS, IS_OPEN, KEY_LIMITS, RunLimits, default_limits
from worker.store.models import API_KEYS, APPS, RUNS


@dataclass(frozen=True, slots=True)
class LimitFacts:
    """The limits of an app, or of one of its keys."""

    app_id: str
    app_name: str
    #: None: these are the app's own.
    key_id: str | None
    #: First characters of the key, and what its maker called it; empty for an app.
    key_prefix: str
    key_name: str
    #: What operators have set.
    stored: RunLimits
    #: What counts.
    limits: RunLimits
    #: Runs that count for ``max_concurrency`` now.
    open_runs: int


def change_limits(session: Session, app_id: str, key_id: str | None = None, **changes: int | None) -> RunLimits:
    """Set some fields of ``RunLimits`` of an app, or of one of its keys; the others stay as they are. Answers what is stored then.

    Counts from the next request on. Raises ``NotFound``, and ``ValueError`` for a negative number.
    """
    if any(number is not None and number < 0 for number in changes.values()):
        raise ValueError("A limit is a whole number, 0 or more.")
    if key_id is None:
        change = update(APPS).where(APPS.c.id == app_id).returning(*APP_LIMITS)
    else:
        change = update(API_KEYS).where(API_KEYS.c.id == key_id, API_KEYS.c.app_id == app_id).returning(*KEY_LIMITS)
    row = session.execute(change.values(changes)).one_or_none()
    if row is None:
        raise NotFound(f"There is no app {app_id!r}." if key_id is None else f"The app has no key {key_id!r}.")
    return RunLimits(*row)


def clear_limits(session: Session, app_id: str, key_id: str | None = None) -> None:
    """The settings of the deployment count again. Raises ``NotFound``."""
    change_limits(session, app_id, key_id, **asdict(RunLimits()))


def list_limits(session: Session, config: Config, app_id: str | None = None) -> list[LimitFacts]:
    """Of one app, followed by its keys that are not revoked; or of all apps, by name, with the keys that have limits of their own."""
    return list(_facts(session, config, app_id))


def _facts(session: Session, config: Config, app_id: str | None) -> Iterator[LimitFacts]:
    of_apps, of_keys = default_limits(config)
    counts = _open_runs(session, app_id)
    keys = session.execute(KEYS if app_id is None else KEYS.where(API_KEYS.c.app_id == app_id)).all()
    for found_id, name, *numbers in session.execute(APP_ROWS if app_id is None else APP_ROWS.where(APPS.c.id == app_id)):
        stored = RunLimits(*numbers)
        mine = {key_id: count for (owner, key_id), count in counts.items() if owner == found_id}
        yield LimitFacts(found_id, name, None, "", "", stored, stored.or_else(of_apps), sum(mine.values()))
        for key in (key for key in keys if key.app_id == found_id):
            stored = RunLimits(*key[4:])
            if app_id is not None or stored != RunLimits():
                yield LimitFacts(found_id, name, key.id, key.prefix, key.name, stored, stored.or_else(of_keys), mine.get(key.id, 0))


APP_ROWS = select(APPS.c.id, APPS.c.name, *APP_LIMITS).order_by(APPS.c.name, APPS.c.id)

KEYS = (
    select(API_KEYS.c.id, API_KEYS.c.app_id, API_KEYS.c.prefix, API_KEYS.c.name, *KEY_LIMITS)
    .where(API_KEYS.c.revoked_at.is_(None))
    .order_by(API_KEYS.c.created_at, API_KEYS.c.id)
)


def _open_runs(session: Session, app_id: str | None) -> Counter[tuple[str, str | None]]:
    """Open runs by app and key."""
    rows = session.execute(COUNTS if app_id is None else COUNTS.where(RUNS.c.app_id == app_id))
    return Counter({(row.app_id, row.key_id): row.open_runs for row in rows})


COUNTS = select(RUNS.c.app_id, RUNS.c.key_id, func.count().label("open_runs")).where(*IS_OPEN).group_by(RUNS.c.app_id, RUNS.c.key_id)
