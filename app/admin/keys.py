"""API keys as operators make them: for the admin API and the command line."""

from __future__ import annotations

from sqlalchemy.orm import Session

from worker.operating.errors import Unusable
from worker.store.keys import create_key, find_app_by_token
from worker.store.models import ApiKey


def make_key(session: Session, app_id: str, name: str, token: str | None) -> tuple[ApiKey, str]:
    """A new key of an app, and its token; a given token is taken as it is. Raises ``Unusable`` for one that opens an app already."""
    if token is not None:
        check_token(token)
        if find_app_by_token(session, token) is not None:
            raise Unusable("The token is that of a key that can be used already.", "token")
    return create_key(session, app_id, name, token)


def check_token(token: str) -> None:
    """Raises ``Unusable``, without the token, for one that no header can carry."""
    if not token or not token.isascii() or not token.isprintable() or token != token.strip():
        raise Unusable("The token must be ASCII letters, digits and signs, without blanks around them.", "token")
