"""Texts without their escapes, so that a value is found in a URL, a JSON string or a traceback as it is elsewhere.

Percent signs with hexadecimal digits, and what JSON and Python write behind backslashes, count as the character they stand for, also
inside each other; other backslashes count as nothing, plus signs as blanks, and letters as small ones. Two texts that say the same read
the same. Time is linear in the text, whatever it is.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from string import ascii_lowercase, ascii_uppercase

#: Unlike ``str.lower``, this keeps every length.
SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)
SMALL_WITH_BLANKS = SMALL | {ord("+"): " "}

#: What JSON and Python write behind a backslash.
CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}

#: Before the two digits of a byte: in a URL, encoded once or several times, and as Python shows it.
PERCENT = "%(?:25)*"
SHOWN = r"\\++x"

HEX = "[0-9a-fA-F]"


def _character(byte: str) -> str:
    """Pattern of one character as its bytes in UTF-8, each of which begins with ``byte``."""
    more = rf"{byte}[89abAB]{HEX}"
    return rf"{byte}(?:[0-7]{HEX}|[cdCD]{HEX}{more}|[eE]{HEX}(?:{more}){{2}}|[fF][0-7](?:{more}){{3}})"


PERCENTS = re.compile(_character(PERCENT))
BACKSLASHES = re.compile(
    rf"(?P<bytes>{_character(SHOWN)})"
    rf"|\\++(?:u(?P<high>[dD][89abAB]{HEX}{{2}})\\++u(?P<low>[dD][c-fC-F]{HEX}{{2}})"
    rf"|(?P<code>U00(?:0{HEX}|10){HEX}{{4}}|u{HEX}{{4}}|x{HEX}{{2}})|(?P<control>[nrtbf]))?"
)
BYTES = re.compile(rf"(?:{PERCENT}|x)({HEX}{{2}})")


def _of_bytes(escape: re.Match[str]) -> str:
    return bytes.fromhex("".join(BYTES.findall(escape[0]))).decode("utf-8", "replace")[:1]


def _behind_backslash(escape: re.Match[str]) -> str:
    kind = escape.lastgroup
    if kind == "bytes":
        return _of_bytes(escape)
    if kind == "low":
        return bytes.fromhex(escape["high"] + escape["low"]).decode("utf-16-be")
    if kind == "code":
        return chr(int(escape["code"][1:], 16))
    return CONTROLS[escape["control"]] if kind == "control" else ""


class Decoded:
    """A text with one kind of escapes replaced, each by one character or none, and the places that they had."""

    def __init__(self, source: str, escapes: re.Pattern[str], meaning: Callable[[re.Match[str]], str]) -> None:
        #: Where its stretches begin, in ``text`` and in the source: escapes, and what stands between them.
        self._begins: list[int] = []
        self._spans: list[tuple[int, int]] = []
        parts: list[str] = []
        length = 0
        for part, span in _stretches(source, escapes, meaning):
            self._begins.append(length)
            self._spans.append(span)
            parts.append(part)
            length += len(part)
        self.text = "".join(parts)

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a stretch of ``text``, not an empty one, stands in the source."""
        return self._character(start)[0], self._character(end - 1)[1]

    def _character(self, index: int) -> tuple[int, int]:
        number = bisect_right(self._begins, index) - 1
        start, end = self._spans[number]
        following = self._begins[number + 1] if number + 1 < len(self._begins) else len(self.text)
        inside = index - self._begins[number]
        is_escape = following - self._begins[number] != end - start
        return (start, end) if is_escape else (start + inside, start + inside + 1)


class Reading:
    """A text read so, with the places of the original."""

    def __init__(self, original: str) -> None:
        self._outer = Decoded(original, PERCENTS, _of_bytes)
        self._inner = Decoded(self._outer.text, BACKSLASHES, _behind_backslash)
        self.text = self._inner.text.translate(SMALL_WITH_BLANKS)

    def places(self, sought: str) -> Iterator[tuple[int, int]]:
        """Where the original says what ``sought``, the ``text`` of another reading, says: beginnings and ends."""
        for place in occurrences(self.text, sought):
            yield self._outer.span(*self._inner.span(*place))


def _stretches(text: str, escapes: re.Pattern[str], meaning: Callable[[re.Match[str]], str]) -> Iterator[tuple[str, tuple[int, int]]]:
    """What is read, and where it stands."""
    at = 0
    for escape in escapes.finditer(text):
        if at < escape.start():
            yield text[at : escape.start()], (at, escape.start())
        yield meaning(escape), escape.span()
        at = escape.end()
    if at < len(text):
        yield text[at:], (at, len(text))


def occurrences(text: str, sought: str) -> Iterator[tuple[int, int]]:
    """Beginnings and ends, one behind the other."""
    start = text.find(sought)
    while start >= 0:
        yield start, start + len(sought)
        start = text.find(sought, start + len(sought))
