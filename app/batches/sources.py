"""Where the items of a batch come from: the body of the request, or a file."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

import orjson

from app.batches.csv_rows import Table
from app.batches.encodings import TextFile
from app.batches.json_items import ItemsBody
from app.batches.json_lines import json_lines
from app.batches.rows import Row
from worker.engine.file_inputs import ResolveFile
from worker.engine.form import Form

PIECE_BYTES = 1024 * 1024

CSV = "csv"
JSONL = "jsonl"

#: Ends of file names and content types that say what a file is.
NAMED = {".csv": CSV, ".tsv": CSV, ".jsonl": JSONL, ".ndjson": JSONL}


class Source(Protocol):
    def add_to(self, digest: Any) -> None:
        """Put what the items say into a hash."""

    def rows(self, form: Form, resolve: ResolveFile) -> Iterator[Row]:
        """The items, read one after the other. Raises ``APIError`` if they cannot be told apart."""

    @property
    def facts(self) -> dict[str, Any]:
        """How the items were read, once they are."""


@dataclass(frozen=True, slots=True)
class ItemsSource:
    """``items`` of a JSON body."""

    body: ItemsBody

    def add_to(self, digest: Any) -> None:
        for text in self.body.texts():
            digest.update(_canonical(text) + b"\n")

    def rows(self, form: Form, resolve: ResolveFile) -> Iterator[Row]:
        return self.body.rows()

    @property
    def facts(self) -> dict[str, Any]:
        return {}


def _canonical(text: str) -> bytes:
    """The same for items that say the same: blanks and the order of names do not count, as for a run request."""
    try:
        return orjson.dumps(orjson.loads(text), option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, TypeError):
        return text.encode("utf-8", "surrogatepass")


@dataclass(slots=True)
class FileSource:
    """A JSONL or CSV file. ``format`` and ``encoding`` are None where they are to be found out."""

    file: BinaryIO
    name: str
    format: str | None
    encoding: str | None
    line_limit: int
    facts: dict[str, Any] = field(default_factory=dict)

    def add_to(self, digest: Any) -> None:
        self.file.seek(0)
        while piece := self.file.read(PIECE_BYTES):
            digest.update(piece)
            # Others are served meanwhile: the processes of the API have one thread.
            time.sleep(0)

    def rows(self, form: Form, resolve: ResolveFile) -> Iterator[Row]:
        text = TextFile(self.file, self.encoding, self.line_limit)
        kind = self.format or format_of(self.name, text)
        self.facts = {"format": kind, "encoding": text.encoding.name}
        if kind == JSONL:
            return json_lines(text, self.line_limit)
        table = Table.of(text, form, self.line_limit)
        self.facts["delimiter"] = table.delimiter
        return table.rows(resolve)


def format_of(name: str, text: TextFile) -> str:
    """By the end of the file's name, else by how it begins: JSONL with a brace."""
    ending = name[name.rfind(".") :].lower() if "." in name else ""
    if ending in NAMED:
        return NAMED[ending]
    begin = text.open().read(1024).lstrip()
    return JSONL if begin[:1] in (b"{", b"[") else CSV


def fingerprint(options: Mapping[str, Any], source: Source) -> str:
    """SHA-256 hex of what a request asks for: the same for requests that ask for the same."""
    digest = hashlib.sha256(orjson.dumps(options, option=orjson.OPT_SORT_KEYS))
    source.add_to(digest)
    return digest.hexdigest()
