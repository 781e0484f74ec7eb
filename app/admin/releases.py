"""Aliases as operators set them: for the admin API and the command line."""

from __future__ import annotations

import re

from sqlalchemy.orm import Session

from worker.operating.errors import Unusable
from worker.store.models import App, Workflow
from worker.store.releases import CURRENT, Alias, choose_version, count_aliases, find_alias, set_alias

#: Of one app; a name for every stage and every client, not one for every build.
MAX_ALIASES = 100

ALIAS = re.compile(r"[a-z][a-z0-9._-]{0,63}")
#: However its hyphens stand.
LIKE_AN_ID = re.compile(r"(?:[0-9a-f]-?){32}")

#: Words that already mean something where a version is named, or in a path below ``/v1/workflows/``.
RESERVED = frozenset({CURRENT, "latest", "draft", "run", "tasks", "logs", "batches", "schedules"})

FORM = "must begin with a small letter, and have at most 64 small letters, digits, dots, hyphens and underscores"


def point_alias(session: Session, app: App, name: str, version: str) -> tuple[Alias, Workflow]:
    """Let a name stand for a version, named as for ``choose_version``.

    Raises ``NotFound``, and ``Unusable`` for a name that cannot be one.
    """
    check_name(name)
    chosen = choose_version(session, app, version)
    if find_alias(session, app.id, name) is None and count_aliases(session, app.id) >= MAX_ALIASES:
        raise Unusable(f"The app has {MAX_ALIASES} aliases, which is as many as it may have: remove one first.", "name")
    set_alias(session, app.id, name, chosen.id)
    found = find_alias(session, app.id, name)
    assert found is not None, "it was set in this transaction"
    return found, chosen


def check_name(name: str) -> None:
    """Raises ``Unusable``."""
    # A version id comes first wherever one may stand, so nobody could reach an alias that looks like one.
    if not ALIAS.fullmatch(name) or LIKE_AN_ID.fullmatch(name):
        raise Unusable(f"The alias {name[:80]!r} {FORM}, and must not look like an id.", "name")
    if name in RESERVED:
        raise Unusable(f"The alias {name!r} is a word with a meaning of its own; choose another.", "name")
