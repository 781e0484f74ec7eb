"""What a caller may tell the scripted server to do: `[[dev: tokens=50 delay_ms=5]]` in a prompt, or the same words elsewhere.

docs/dev-model.md explains each of them to readers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, get_args, get_type_hints
from urllib.parse import parse_qsl

OPENING = re.compile(r"\[\[dev:")
KEY = re.compile(r"\s*([a-z_]+)(=?)")
BARE = re.compile(r"[^\s\]]+")
END = re.compile(r"\s*\]\]")

DECODER = json.JSONDecoder()


class DirectiveError(Exception):
    """A directive that nobody can follow; the caller is told with status 400."""


@dataclass(frozen=True, slots=True)
class Directives:
    """One field a directive. ``None``: not given."""

    #: The answer's exact text, or its number of words.
    text: str | None = None
    tokens: int | None = None
    #: Each token is the time when it was sent, in nanoseconds since the epoch.
    clock: bool = False
    #: Sent in the field that vendors have for it; ``think`` is sent as a block in front of the text.
    reasoning: str | None = None
    think: str | None = None
    #: So many pictures beside the text; the text as a sound.
    images: int = 0
    sound: bool = False
    #: A tool to call, with ``arguments``; ``calls`` is a list of ``{"name", "arguments"}``.
    tool: str | None = None
    arguments: dict[str, Any] | None = None
    calls: list[dict[str, Any]] | None = None
    finish: str | None = None
    #: False: the vendor counts no tokens. The numbers replace those counted.
    usage: bool = True
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    #: Before the answer, and before each of its tokens.
    first_delay_ms: float = 0.0
    delay_ms: float = 0.0
    #: Answer with an HTTP error.
    status: int | None = None
    message: str | None = None
    code: str | None = None
    retry_after: float | None = None
    #: Fields that a request may not have, with commas between.
    refuses: str = ""
    #: Faults happen at the first so many calls with the same request; None: always.
    times: int | None = None
    #: Faults of the connection: at once, or after so many tokens of a stream.
    hang: bool = False
    hang_after: int | None = None
    drop: bool = False
    drop_after: int | None = None
    close_after_headers: bool = False
    garbage: bool = False
    garbage_after: int | None = None
    error_after: int | None = None

    @property
    def is_faulty(self) -> bool:
        return any(getattr(self, name) is not DEFAULTS[name] for name in FAULTS)

    def without_faults(self) -> Directives:
        return replace(self, **{name: DEFAULTS[name] for name in FAULTS})

    def with_values(self, values: Mapping[str, Any]) -> Directives:
        """Raises ``DirectiveError`` for what does not exist or does not fit."""
        return replace(self, **{name: _checked(name, value) for name, value in values.items()})


FAULTS = (
    "status",
    "hang",
    "hang_after",
    "drop",
    "drop_after",
    "close_after_headers",
    "garbage",
    "garbage_after",
    "error_after",
)
DEFAULTS: Mapping[str, Any] = {field.name: field.default for field in fields(Directives)}


def _kind(hint: Any) -> type:
    """``int`` of ``int | None``, ``list`` of ``list[Any]``."""
    [first, *_] = [kind for kind in get_args(hint) if kind is not type(None)] if type(None) in get_args(hint) else [hint]
    kind: type = getattr(first, "__origin__", first)
    return kind


KINDS: Mapping[str, type] = {name: _kind(hint) for name, hint in get_type_hints(Directives).items()}


def _checked(name: str, value: Any) -> Any:
    """``value`` is a text, or already JSON."""
    if name not in KINDS:
        raise DirectiveError(f"There is no directive {name!r}; there are: {', '.join(KINDS)}.")
    try:
        return READERS[KINDS[name]](value)
    except (ValueError, TypeError) as error:
        raise DirectiveError(f"{name} cannot be {value!r}.") from error


def _read_flag(value: Any) -> bool:
    """A flag without a value is up."""
    word = str(value).lower()
    return word != "false" if word in ("true", "false", "") else _refuse(value)


def _refuse(value: Any) -> Any:
    raise ValueError(value)


def _read_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _read_object(value: Any) -> dict[str, Any]:
    read = _read_json(value)
    return read if isinstance(read, dict) else _refuse(value)


def _read_list(value: Any) -> list[dict[str, Any]]:
    read = _read_json(value)
    return read if isinstance(read, list) and all(isinstance(item, dict) for item in read) else _refuse(value)


READERS: Mapping[type, Any] = {str: str, int: int, float: float, bool: _read_flag, dict: _read_object, list: _read_list}


def of_text(text: str) -> dict[str, Any]:
    """The directives written in a text; a later one replaces an earlier one. Raises ``DirectiveError``."""
    found: dict[str, Any] = {}
    for opening in OPENING.finditer(text):
        values, _ = _scan(text, opening.end())
        found |= values
    return found


def without_directives(text: str) -> str:
    """The text as people would read it. Raises ``DirectiveError``."""
    kept, position = [], 0
    for opening in OPENING.finditer(text):
        kept.append(text[position : opening.start()])
        _, position = _scan(text, opening.end())
    return "".join([*kept, text[position:]]).strip() if kept else text


def of_words(words: str) -> dict[str, Any]:
    """`tokens=50 delay_ms=5`, as in a header. Raises ``DirectiveError``."""
    return of_text(f"[[dev: {words}]]")


def of_model(name: str) -> dict[str, Any]:
    """`any-model?tokens=50&hang`."""
    return dict(parse_qsl(name.partition("?")[2], keep_blank_values=True))


def _scan(text: str, position: int) -> tuple[dict[str, Any], int]:
    """The words from ``position`` up to the closing brackets, and where the text goes on.

    Directives that stand inside JSON have their quotes escaped there.
    """
    values: dict[str, Any] = {}
    while not (end := END.match(text, position)):
        key = KEY.match(text, position)
        if key is None:
            raise DirectiveError(f"Expected name=value in a directive, found {text[position : position + 30]!r}.")
        value, position = _scan_value(text, key.end()) if key[2] else ("", key.end())
        values[key[1]] = value
    return values, end.end()


def _scan_value(text: str, position: int) -> tuple[Any, int]:
    """A JSON text, object or list, or a bare word."""
    if text.startswith('\\"', position):
        return _scan_escaped(text, position)
    if text[position : position + 1] in ('"', "{", "["):
        try:
            return DECODER.raw_decode(text, position)
        except ValueError as error:
            raise DirectiveError(f"A directive has no JSON at {text[position : position + 30]!r}: {error}.") from error
    word = BARE.match(text, position)
    if word is None:
        raise DirectiveError(f"Expected a value in a directive, found {text[position : position + 30]!r}.")
    return word[0], word.end()


def _scan_escaped(text: str, position: int) -> tuple[str, int]:
    end = text.find('\\"', position + 2)
    if end < 0:
        raise DirectiveError("A text of a directive has no end.")
    return text[position + 2 : end], end + 2
