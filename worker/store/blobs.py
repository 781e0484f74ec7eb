"""The bytes of files, apart from their rows: in a folder, or in the database where several machines share no folder.

A file's row exists before its bytes do (``files.keep``), and names the limits of what may be asked here: ids are those of rows.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from sqlalchemy import delete, select

from worker.config import Config, ConfigError
from worker.store.errors import StorageUnavailable
from worker.store.identifiers import canonical_id
from worker.store.models import FileContent
from worker.store.session import Database
from worker.store.upsert import insert_or

#: How the names of files begin that are still being written.
FRAGMENT = ".new-"

#: Bytes, or a stream that is read from where it stands to its end.
Content = bytes | BinaryIO


class Blobs(Protocol):
    """Where bytes lie. Every method raises ``StorageUnavailable`` when the place cannot be reached or is full."""

    def put(self, file_id: str, content: Content) -> None:
        """Keep the bytes of a file; whole or not at all."""

    def open(self, file_id: str) -> BinaryIO:
        """A seekable stream of the bytes, to be closed by the caller. Raises ``FileNotFoundError``."""

    def read(self, file_id: str) -> bytes:
        """Raises ``FileNotFoundError``."""

    def delete(self, file_id: str) -> None:
        """Forget the bytes; a file without any is fine."""

    def discard(self, file_ids: Sequence[str]) -> None:
        """Forget the bytes of files whose rows are gone already."""

    def missing(self, file_ids: Sequence[str]) -> list[str]:
        """Those of the files that have no bytes here."""

    def stray_candidates(self, age_s: float) -> Iterator[str]:
        """Ids whose bytes have been here for that long and may have lost their rows. Where a row holds its bytes there are none."""

    def remove_fragments(self, age_s: float) -> int:
        """Remove what writers that died have left behind so long ago; answers how many."""


def open_blobs(config: Config, database: Database) -> Blobs:
    """The place that the settings name. Raises ``ConfigError``."""
    kind = config.file_store or ("folder" if database.dialect == "sqlite" else "sql")
    if kind == "folder":
        return FolderBlobs(config.data_dir / "files")
    if kind == "sql":
        return SqlBlobs(database)
    raise ConfigError(f"PENSTOCK_FILE_STORE is {kind!r}, but must be folder or sql.")


class FolderBlobs:
    """One file each, in subfolders by the first two digits of the id."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, file_id: str, content: Content) -> None:
        path = self._path(file_id)
        with folder_failures():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=FRAGMENT, delete=False) as new:
                try:
                    shutil.copyfileobj(io.BytesIO(content) if isinstance(content, bytes) else content, new)
                    new.close()
                    os.replace(new.name, path)
                except BaseException:
                    new.close()
                    os.unlink(new.name)
                    raise

    def open(self, file_id: str) -> BinaryIO:
        with folder_failures():
            return self._path(file_id).open("rb")

    def read(self, file_id: str) -> bytes:
        with folder_failures():
            return self._path(file_id).read_bytes()

    def delete(self, file_id: str) -> None:
        with folder_failures(), suppress(FileNotFoundError):
            self._path(file_id).unlink()

    def discard(self, file_ids: Sequence[str]) -> None:
        for file_id in file_ids:
            self.delete(file_id)

    def missing(self, file_ids: Sequence[str]) -> list[str]:
        with folder_failures():
            return [file_id for file_id in file_ids if not self._path(file_id).exists()]

    def stray_candidates(self, age_s: float) -> Iterator[str]:
        return (path.name for path in self._older_than(age_s) if canonical_id(path.name) == path.name)

    def remove_fragments(self, age_s: float) -> int:
        found = [path for path in self._older_than(age_s) if path.name.startswith(FRAGMENT)]
        with folder_failures():
            for path in found:
                path.unlink(missing_ok=True)
        return len(found)

    def _older_than(self, age_s: float) -> Iterator[Path]:
        """Everything in the subfolders that was last written so long ago, a subfolder at a time."""
        before = time.time() - age_s
        with folder_failures():
            for subfolder in sorted(self._folder.glob("[0-9a-f][0-9a-f]")):
                for path in sorted(subfolder.iterdir()):
                    # Somebody may have removed it since.
                    with suppress(FileNotFoundError):
                        if path.stat().st_mtime < before:
                            yield path

    def _path(self, file_id: str) -> Path:
        known = canonical_id(file_id)
        if known is None:
            raise FileNotFoundError(file_id)
        return self._folder / known[:2] / known


@contextmanager
def folder_failures() -> Iterator[None]:
    """A full disk or a missing right as ``StorageUnavailable``."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StorageUnavailable(f"The file folder cannot be used: {error.strerror}.") from error


class SqlBlobs:
    """A row each, beside the rows of the files."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, file_id: str, content: Content) -> None:
        data = content if isinstance(content, bytes) else content.read()
        with self._database.begin() as session:
            insert = insert_or(session, FileContent).values(file_id=file_id, content=data)
            session.execute(insert.on_conflict_do_update(index_elements=["file_id"], set_={"content": data}))

    def open(self, file_id: str) -> BinaryIO:
        return io.BytesIO(self.read(file_id))

    def read(self, file_id: str) -> bytes:
        with self._database.read() as session:
            content = session.scalar(select(FileContent.content).where(FileContent.file_id == file_id))
        if content is None:
            raise FileNotFoundError(file_id)
        return content

    def delete(self, file_id: str) -> None:
        with self._database.begin() as session:
            session.execute(delete(FileContent).where(FileContent.file_id == file_id))

    def discard(self, file_ids: Sequence[str]) -> None:
        """Nothing to do: the bytes went with the rows."""

    def missing(self, file_ids: Sequence[str]) -> list[str]:
        with self._database.read() as session:
            found = set(session.scalars(select(FileContent.file_id).where(FileContent.file_id.in_(file_ids))))
        return [file_id for file_id in file_ids if file_id not in found]

    def stray_candidates(self, age_s: float) -> Iterator[str]:
        return iter(())

    def remove_fragments(self, age_s: float) -> int:
        return 0
