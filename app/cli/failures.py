"""What a person reads on stderr when a command fails or has something to say."""

from __future__ import annotations

import sys


def say(message: str) -> None:
    print(f"penstock: {message}", file=sys.stderr, flush=True)


def sentence_of(error: BaseException) -> str:
    """One line about any exception; what is not ours is prefixed with the kind of thing that failed.

    Library classes are told apart by their module, so that no command imports a library only to name its errors.
    """
    text = " ".join(str(error).split()) or type(error).__name__
    library = type(error).__module__.partition(".")[0]
    if library == "sqlalchemy":
        return f"The database cannot be used: {_first_sentence(error)}"
    if library == "redis":
        return f"Redis cannot be reached: {text}"
    if library in ("app", "worker"):
        return text
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename and error.strerror else text
    return f"{type(error).__name__}: {text}"


def _first_sentence(error: BaseException) -> str:
    """The driver's own words: SQLAlchemy adds the statement and a link to them."""
    cause = getattr(error, "orig", None) or error
    return " ".join(str(cause).split("\n[SQL")[0].split("\n(Background")[0].split())
