"""Rows of files and their bytes belong together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from sqlalchemy import select

from worker.doctor.finding import Check, Extent, Finding
from worker.store.blobs import Blobs
from worker.store.clock import now_s
from worker.store.models import StoredFile
from worker.store.session import Database

#: Files of one batch.
BATCH = 500

#: Seconds in which an upload comes to its end: its row is there before its bytes are.
YOUNG_S = 600.0

BYTES = Check(
    "file-bytes",
    f"Every file that is older than {YOUNG_S:g} s has its bytes.",
    "See that every process uses the same PENSTOCK_FILE_STORE and PENSTOCK_DATA_DIR, and that the folder was not emptied. A row that an "
    "upload which was cut off has left behind goes with its age.",
)

STRAYS = Check(
    "stray-bytes",
    f"Bytes that are older than {YOUNG_S:g} s belong to a file.",
    "Somebody removed the row and died before the bytes; the next `penstock runs prune` removes them.",
)


class FileBytes:
    """An ``Area``: its keys are ids of files."""

    checks = (BYTES,)
    settle_s = 0.0

    def __init__(self, database: Database, blobs: Blobs, extent: Extent) -> None:
        self._database = database
        self._blobs = blobs
        self._extent = extent

    def batches(self) -> Iterator[Sequence[str]]:
        after = ""
        while batch := self._batch_after(after):
            yield batch
            after = batch[-1]

    def _batch_after(self, after: str) -> Sequence[str]:
        old = select(StoredFile.id).where(StoredFile.id > after, StoredFile.created_at < now_s() - YOUNG_S)
        if self._extent.since is not None:
            old = old.where(StoredFile.created_at >= self._extent.since)
        with self._database.read() as session:
            return session.scalars(old.order_by(StoredFile.id).limit(BATCH)).all()

    def look(self, keys: Sequence[str]) -> list[Finding]:
        lacking = self._blobs.missing(keys)
        # Whoever removes a file removes its row first.
        return [BYTES.finding(file_id, "has a row, but no bytes") for file_id in stored(self._database, lacking)]


class StrayBytes:
    """An ``Area``: its keys are ids of bytes."""

    checks = (STRAYS,)
    settle_s = 0.0

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    def batches(self) -> Iterator[Sequence[str]]:
        ids = self._blobs.stray_candidates(YOUNG_S)
        while batch := list(islice(ids, BATCH)):
            yield batch

    def look(self, keys: Sequence[str]) -> list[Finding]:
        known = set(stored(self._database, keys))
        lost = [file_id for file_id in keys if file_id not in known]
        gone = set(self._blobs.missing(lost))
        return [STRAYS.finding(file_id, "has bytes, but no row") for file_id in lost if file_id not in gone]


def stored(database: Database, file_ids: Sequence[str]) -> list[str]:
    """Those of the files that have rows."""
    if not file_ids:
        return []
    with database.read() as session:
        found = set(session.scalars(select(StoredFile.id).where(StoredFile.id.in_(file_ids))))
    return [file_id for file_id in file_ids if file_id in found]
