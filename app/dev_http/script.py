"""Answers that a user of the scripted web wrote down: a list of rules, of which the first that fits a request counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from app.dev_http.answer import TEXT, Answer, of_json
from app.dev_http.asked import Asked
from worker.engine.media_types import mime_of_name

#: Exactly one of them says what is answered.
BODIES = ("json", "text", "file")
FIELDS = frozenset({"url", "method", "status", "headers", *BODIES})


class ScriptError(Exception):
    """A script that cannot be understood; names the file, the rule and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Rule:
    #: Of an address without scheme and query; ``*`` and ``?`` stand for anything.
    pattern: str
    #: Upper case; empty: any.
    method: str
    answer: Answer

    def fits(self, asked: Asked) -> bool:
        return self.method in ("", asked.method) and fnmatchcase(asked.address, self.pattern)


def read_script(path: Path) -> list[Rule]:
    """The rules of a YAML or JSON file. Raises ``ScriptError``."""
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise ScriptError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, list):
        raise ScriptError(f"{path} must be a list of rules.")
    return [_rule(path, number, entry) for number, entry in enumerate(found, 1)]


def _rule(path: Path, number: int, entry: Any) -> Rule:
    try:
        return rule_of(entry, path.parent)
    except (ValueError, OSError) as error:
        raise ScriptError(f"{path}, rule {number}: {error}") from error


def rule_of(entry: Any, folder: Path) -> Rule:
    """Files are looked for in ``folder``. Raises ``ValueError``, ``OSError``."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("url"), str):
        raise ValueError("it must be a mapping with `url`.")
    if unknown := sorted(set(map(str, entry)) - FIELDS):
        raise ValueError(f"{unknown[0]!r} is not known.")
    body = _body(entry, folder)
    headers = {str(name): str(value) for name, value in (entry.get("headers") or {}).items()}
    media_type = next((headers.pop(name) for name in list(headers) if name.lower() == "content-type"), body.media_type)
    status = entry.get("status", 200)
    if not isinstance(status, int) or not 200 <= status < 600 or 300 <= status < 400:
        raise ValueError(f"status {status!r} cannot be answered; redirects cannot, either.")
    answer = Answer(body.body, media_type, status, tuple(headers.items()))
    return Rule(entry["url"].partition("://")[2] or entry["url"], str(entry.get("method", "")).upper(), answer)


def _body(entry: Mapping[str, Any], folder: Path) -> Answer:
    given = [name for name in BODIES if name in entry]
    if len(given) > 1:
        raise ValueError(f"only one of {', '.join(BODIES)} can be answered.")
    if not given:
        return Answer(b"", TEXT)
    value = entry[given[0]]
    if given == ["json"]:
        return of_json(value)
    if given == ["text"]:
        return Answer(str(value).encode(), TEXT)
    return Answer((folder / str(value)).read_bytes(), mime_of_name(str(value)) or "application/octet-stream")
