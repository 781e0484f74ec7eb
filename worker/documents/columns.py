"""How the values of a spreadsheet's columns are written.

Workflows made for the reference server expect what pandas makes of a sheet: the type of a column is guessed from all its values, also
from texts that look like numbers, and decides how each of them is written. A whole number is written ``1.0`` if a value of its column is
missing, or if there are only columns of numbers and one of them has fractions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta

Value = int | float | str | bool | time | date | datetime | timedelta

#: None stands for a value that is not there.
Column = list[Value | None]

#: What a missing value is written as; the second among nothing but points in time, or nothing but durations.
NO_VALUE, NO_TIME = "nan", "NaT"

#: Texts that mean that there is no value.
MISSING = frozenset(
    (
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
        *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    )
)

TRUTHS = {text: text.lower() == "true" for word in ("true", "false") for text in (word, word.capitalize(), word.upper())}

WHOLE = re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII)
NUMBER = re.compile(r"\s*[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity)\s*", re.ASCII | re.IGNORECASE)

#: Whole numbers that a column of them can hold.
SMALLEST, LARGEST = -(2**63), 2**63 - 1
#: Characters of the longest text that is read as a whole number.
MAX_LENGTH = 40


def header_texts(values: Sequence[Value]) -> list[str]:
    """The names of the columns: those without one are numbered, and so are those with the name of another one."""
    names: list[Value] = [f"Unnamed: {number}" if value == "" else _simple(value) for number, value in enumerate(values)]
    taken = set(names)
    uses: dict[Value, int] = {}
    # Names that were given keep their form, wherever they stand.
    for number in sorted(range(len(names)), key=lambda number: values[number] == ""):
        name = names[number]
        while names[number] in uses:
            names[number] = _numbered(name, uses, taken)
        uses[names[number]] = 1
    return [_written(name) for name in _alike([[*names]])[0] if name is not None]


def _numbered(name: Value, uses: dict[Value, int], taken: set[Value]) -> str:
    """``name.1``, ``name.2`` ..., whichever is the next that no column has."""
    while (candidate := f"{name}.{uses[name]}") in taken:
        uses[name] += 1
    uses[name] += 1
    return candidate


def row_texts(rows: Sequence[Sequence[Value]]) -> Iterator[tuple[str, ...]]:
    """The texts of rows of one length, without the rows that have no value."""
    columns = _alike([_typed([_simple(value) for value in column]) for column in zip(*rows, strict=True)])
    blanks = [_blank(column) for column in columns]
    for row in zip(*columns, strict=True):
        if any(value is not None for value in row):
            yield _row(row, blanks if _blank(row) == NO_VALUE else [NO_TIME] * len(row))


def _row(values: Sequence[Value | None], blanks: Sequence[str]) -> tuple[str, ...]:
    return tuple(blank if value is None else _written(value) for value, blank in zip(values, blanks, strict=True))


def _simple(value: Value) -> Value:
    """Whole numbers as such, a day as its first moment: files do not tell them apart."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    return value


def _typed(values: Sequence[Value]) -> Column:
    """The values as those of one type, if there is one that fits them all."""
    column: Column = [None if isinstance(value, str) and value in MISSING else value for value in values]
    return _numbers(column) or _truths(column) or column


def _numbers(column: Column) -> Column | None:
    numbers = [None if value is None else _number(value) for value in column]
    if any(number is None and value is not None for number, value in zip(numbers, column, strict=True)):
        return None
    if all(isinstance(number, bool) for number in numbers):
        return [*numbers]
    if all(isinstance(number, int) for number in numbers):
        return [int(number) for number in numbers if number is not None]
    return _as_floats(numbers)


def _number(value: Value) -> int | float | None:
    """None if the value is no number and does not look like one."""
    if isinstance(value, int):
        return value if SMALLEST <= value <= LARGEST else float(value)
    if isinstance(value, str):
        return _number_in(value)
    return value if isinstance(value, float) else None


def _number_in(text: str) -> int | float | None:
    if not NUMBER.fullmatch(text):
        return None
    if not WHOLE.fullmatch(text):
        return float(text)
    whole = int(text) if len(text) <= MAX_LENGTH else LARGEST + 1
    return whole if SMALLEST <= whole <= LARGEST else None


def _truths(column: Column) -> Column | None:
    truths = [TRUTHS.get(value) if isinstance(value, str) else value for value in column]
    found = [truth for truth, value in zip(truths, column, strict=True) if value is not None]
    return [*truths] if all(isinstance(truth, bool) for truth in found) else None


def _alike(columns: list[Column]) -> list[Column]:
    """All with fractions if they are nothing but numbers, of which some have fractions."""
    if all(map(_is_numeric, columns)) and any(map(_has_fractions, columns)):
        return [_as_floats(column) for column in columns]
    return columns


def _is_numeric(column: Column) -> bool:
    return all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in column)


def _has_fractions(column: Column) -> bool:
    return any(value is None or isinstance(value, float) for value in column)


def _as_floats(column: Sequence[Value | None]) -> Column:
    return [float(value) if isinstance(value, int | float) else None for value in column]


def _blank(values: Sequence[Value | None]) -> str:
    """What a value is written as that is missing among others, in its column or its row."""
    kinds = {type(value) for value in values if value is not None}
    return NO_TIME if kinds in ({datetime}, {timedelta}) else NO_VALUE


def _written(value: Value) -> str:
    if isinstance(value, str):
        return " ".join(value.splitlines())
    if isinstance(value, timedelta):
        # Python leaves the days out if there are none, and counts one in the singular.
        return f"{value.days} days {datetime.min + timedelta(0, value.seconds, value.microseconds):%H:%M:%S}"
    return str(value)
