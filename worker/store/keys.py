"""API keys. Only a salted hash is stored, so a key can be shown once: when it is made (reliability.md section 3.6)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, fields

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.orm import Session

from worker.store.clock import now_s
from worker.store.encoding import clean_text
from worker.store.errors import NotFound
from worker.store.limits import APP_LIMITS, KEY_LIMITS, RunLimits
from worker.store.models import ApiKey, App
from worker.store.prepared import Prepared, Row
from worker.store.session import Database

ALPHABET = string.ascii_letters + string.digits
#: Characters of a token that are stored as they are, to find it and to show which one it is.
PREFIX_LENGTH = 8
#: Seconds between two notes of a key's last use.
USE_RESOLUTION_S = 60.0


@dataclass(frozen=True, slots=True)
class KeyedApp:
    """The app that a key opens, with what its endpoints answer about it (api-contract.md sections 1.2, 2.9, 2.10)."""

    key_id: str
    app_id: str
    name: str
    description: str
    mode: str
    #: ``normal``, or the app is not to be used.
    status: str
    api_enabled: bool
    #: Current version; None: nothing is published.
    workflow_id: str | None
    icon_type: str | None
    icon: str | None
    icon_background: str | None
    author_name: str | None
    #: What operators have set for the app, and for this key.
    app_limits: RunLimits
    key_limits: RunLimits


def create_key(session: Session, app_id: str, name: str = "", token: str | None = None) -> tuple[ApiKey, str]:
    """A new key of an app, and its token; a given token is taken as it is, so that clients may keep theirs."""
    token = token or generate_token()
    salt = secrets.token_hex(16)
    key = ApiKey(
        id=str(uuid.uuid4()),
        app_id=app_id,
        name=clean_text(name),
        prefix=_prefix(token),
        salt=salt,
        token_hash=_hash(salt, token),
        created_at=now_s(),
    )
    session.add(key)
    session.flush()
    session.refresh(key)
    return key, token


def generate_token() -> str:
    """``app-`` and 24 letters or digits (api-contract.md section 1.1)."""
    return "app-" + "".join(secrets.choice(ALPHABET) for _ in range(24))


def find_app_by_token(session: Session, token: str) -> KeyedApp | None:
    """The app that a token opens; None: no key has it, or the key is revoked."""
    return _opened_by(token, CANDIDATES.rows(session, {"token_prefix": _prefix(token)}))


def look_up_token(database: Database, token: str) -> KeyedApp | None:
    """The same, by one statement on its own. Raises ``StorageUnavailable``."""
    return _opened_by(token, database.look(CANDIDATES, token_prefix=_prefix(token)))


def _opened_by(token: str, rows: Iterable[Row]) -> KeyedApp | None:
    for salt, token_hash, *facts in rows:
        if hmac.compare_digest(_hash(salt, token), token_hash):
            return KeyedApp(*[*facts[:-6], RunLimits(*facts[-6:-3]), RunLimits(*facts[-3:])])
    return None


#: Fields of ``KeyedApp`` that columns of the app are called by.
APP_FACTS = tuple(field.name for field in fields(KeyedApp)[2:-2])

#: After salt and hash, the fields of ``KeyedApp`` in their order.
CANDIDATES = Prepared(
    select(ApiKey.salt, ApiKey.token_hash, ApiKey.id, App.id, *(getattr(App, name) for name in APP_FACTS), *APP_LIMITS, *KEY_LIMITS)
    .join(App, App.id == ApiKey.app_id)
    .where(ApiKey.prefix == bindparam("token_prefix"), ApiKey.revoked_at.is_(None))
)


def note_use(session: Session, key_id: str) -> None:
    """Remember that a key was used, to the minute: a row that every request wrote would be what they all wait for."""
    is_old = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < now_s() - USE_RESOLUTION_S)
    statement = update(ApiKey).where(ApiKey.id == key_id, is_old).values(last_used_at=now_s())
    session.execute(statement.execution_options(synchronize_session=False))


def list_keys(session: Session, app_id: str) -> list[ApiKey]:
    """Keys of an app, revoked ones too, oldest first."""
    return list(session.scalars(select(ApiKey).where(ApiKey.app_id == app_id).order_by(ApiKey.created_at, ApiKey.id)))


def find_key(session: Session, app_id: str, key: str) -> ApiKey:
    """The key of an app, not revoked, that has ``key`` as its id, its prefix or its whole token.

    Raises ``NotFound`` if no key, or more than one, goes by that.
    """
    usable = [one for one in list_keys(session, app_id) if one.revoked_at is None]
    found = [one for one in usable if key in (one.id, one.prefix) or _hash(one.salt, key) == one.token_hash]
    if len(found) != 1:
        raise NotFound(f"{'No key' if not found else 'More than one key'} of this app goes by {key[:PREFIX_LENGTH]!r}.")
    return found[0]


def revoke_key(session: Session, app_id: str, key: str) -> ApiKey:
    """Make a key useless from the next request on. ``key`` as for ``find_key``, which says what is raised."""
    found = find_key(session, app_id, key)
    found.revoked_at = now_s()
    session.flush()
    session.refresh(found)
    return found


def _prefix(token: str) -> str:
    return clean_text(token[:PREFIX_LENGTH])


def _hash(salt: str, token: str) -> str:
    return hashlib.sha256((salt + token).encode("utf-8", "surrogatepass")).hexdigest()
