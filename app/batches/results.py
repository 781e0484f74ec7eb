"""Results of a batch as an answer of any length: read from SQL a page at a time, with no connection held while the client reads."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from app.batches.downloads import Render
from worker.engine.variables import FileURL, sign_files
from worker.store.batch_facts import ItemStatus
from worker.store.batch_items import ENDED, ItemResult, read_items
from worker.store.encoding import dumps
from worker.store.session import Database

#: Rows of a page at most, and about how many bytes of outputs: the first pages find out how large these are.
PAGE_ROWS = 500
FIRST_ROWS = 20
PAGE_BYTES = 1024 * 1024

#: Bytes that are handed to the web server at a time.
CHUNK_BYTES = 64 * 1024

#: Items with a result, and those that should have had one.
RESULTS = ENDED - {ItemStatus.INVALID}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which items of a batch, and in which order."""

    app_id: str
    batch_id: str
    statuses: Collection[ItemStatus]
    #: In the order in which they ended; else in that of the request.
    as_ended: bool = False
    #: Cursor of the last one that is not wanted any more.
    after: int = 0


def read_results(database: Database, wanted: Selection) -> Iterator[ItemResult]:
    """The items that there are now. Raises ``StorageUnavailable``."""
    after, rows = wanted.after, FIRST_ROWS
    while True:
        with database.read() as session:
            page = read_items(
                session, wanted.app_id, wanted.batch_id, after=after, limit=rows, as_ended=wanted.as_ended, statuses=wanted.statuses
            )
        yield from page
        if len(page) < rows:
            return
        after = cursor_of(page[-1], wanted.as_ended)
        size = sum(len(dumps(item.outputs)) for item in page) // len(page) + 1
        rows = max(1, min(PAGE_ROWS, PAGE_BYTES // size))


def cursor_of(item: ItemResult, as_ended: bool) -> int:
    return (item.ended_order or 0) if as_ended else item.position


def result_facts(item: ItemResult, as_ended: bool, file_url: FileURL) -> dict[str, Any]:
    """An item as its line tells it."""
    error = None if item.error_code is None else {"code": item.error_code, "message": item.error}
    return {
        "custom_id": item.custom_id,
        "line": item.line,
        "status": item.status,
        "workflow_run_id": item.run_id,
        "outputs": None if item.outputs is None else sign_files(item.outputs, file_url),
        "error": error,
        "usage": {"total_tokens": item.total_tokens, "total_steps": item.total_steps},
        "elapsed_time": item.elapsed_time,
        "cursor": cursor_of(item, as_ended),
    }


class Download:
    """The body of an answer. ``close`` is called by the web server whatever happens."""

    def __init__(self, head: bytes, items: Callable[[], Iterator[dict[str, Any]]], render: Render, resources: ExitStack) -> None:
        self._head = head
        self._items = items
        self._render = render
        self._resources = resources
        self._is_released = False
        self._chunks = self._generate()

    def release(self) -> None:
        """End soon, from any thread, since this process must end."""
        self._is_released = True

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        self._chunks.close()
        self._resources.close()

    def _generate(self) -> Generator[bytes]:
        chunk = bytearray(self._head)
        for item in self._items():
            if self._is_released:
                # What ended here like any other answer would look complete: the connection breaks, and the client goes on elsewhere.
                raise ConnectionResetError(errno.ECONNRESET, "This instance is shutting down.")
            chunk += self._render(item)
            if len(chunk) >= CHUNK_BYTES:
                yield bytes(chunk)
                chunk.clear()
        yield bytes(chunk)
