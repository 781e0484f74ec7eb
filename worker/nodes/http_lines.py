"""``key:value`` lines, the form of headers and query parameters in the document (nodes.md section 6.7)."""

from __future__ import annotations

from dataclasses import dataclass

from worker.engine.errors import NodeError
from worker.engine.templates import Template
from worker.engine.variables import VariablePool

Pairs = list[tuple[str, str]]

#: What would end a header and start another one.
LINE_BREAKS = frozenset("\r\n\0")


@dataclass(frozen=True, slots=True)
class Line:
    key: Template
    value: Template


def parse_lines(text: str) -> tuple[Line, ...]:
    """Lines are split before anything is rendered, so that a value never becomes a line of its own."""
    pairs = (line.partition(":") for line in text.splitlines() if line.strip())
    return tuple(Line(Template.parse(key.strip()), Template.parse(value.strip())) for key, _, value in pairs)


def rendered_pairs(lines: tuple[Line, ...], pool: VariablePool) -> Pairs:
    """Key and value of each line, those without a key left out."""
    pairs = ((line.key.render(pool), line.value.render(pool)) for line in lines)
    return [(key, value) for key, value in pairs if key.strip()]


def header_pairs(lines: tuple[Line, ...], pool: VariablePool) -> Pairs:
    """One pair a header, in the order of first mention; the last mention of a name decides.

    Raises ``NodeError`` for what no header can carry.
    """
    found: dict[str, tuple[str, str]] = {}
    for name, value in rendered_pairs(lines, pool):
        checked = checked_header(name, value)
        found[checked[0].lower()] = checked
    return list(found.values())


def checked_header(name: str, value: str) -> tuple[str, str]:
    """Name and value as they may stand in a request, without surrounding blanks. Raises ``NodeError``."""
    if LINE_BREAKS & set(name + value):
        shown = "".join(character for character in name if character not in LINE_BREAKS)
        raise NodeError(f'Header "{shown}" contains a line break', error_type="HTTPRequestNodeError")
    try:
        name.encode("ascii")
        value.strip().encode("ascii")
    except UnicodeEncodeError as error:
        raise NodeError(str(error), error_type="UnicodeEncodeError") from None
    return name.strip(), value.strip()
