import os
import uuid

import pytest

from worker.config import Config, ConfigError
from worker.store.blobs import FolderBlobs, SqlBlobs, open_blobs
from worker.store.errors import StorageUnavailable
from worker.store.session import Database


@pytest.fixture
def folder(tmp_path):
    return FolderBlobs(tmp_path / "files")


def test_a_file_that_could_not_be_written_whole_leaves_nothing(folder, tmp_path):
    class Breaking:
        def read(self, size):
            raise ConnectionError("the client left")

    file_id = str(uuid.uuid4())
    folder.put(file_id, b"earlier")

    with pytest.raises(StorageUnavailable):
        folder.put(file_id, Breaking())
    assert folder.read(file_id) == b"earlier"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [file_id]


def test_bytes_that_are_old_enough_are_listed_and_fragments_removed(folder, tmp_path):
    old, young = str(uuid.uuid4()), str(uuid.uuid4())
    for file_id in (old, young):
        folder.put(file_id, b"x")
    fragment, note = (tmp_path / "files" / old[:2] / name for name in (".new-cut", "note.txt"))
    for path in (fragment, note, tmp_path / "files" / old[:2] / old):
        path.touch()
        os.utime(path, (1.0, 1.0))

    assert list(folder.stray_candidates(60.0)) == [old]
    assert folder.remove_fragments(60.0) == 1
    assert (fragment.exists(), note.exists()) == (False, True)
    assert list(FolderBlobs(tmp_path / "none").stray_candidates(0.0)) == []


def test_nobody_else_may_read_the_folder(folder, tmp_path):
    file_id = str(uuid.uuid4())
    folder.put(file_id, b"x")

    assert [path.stat().st_mode & 0o077 for path in tmp_path.rglob(file_id[:2] + "*")] == [0, 0]


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "files").write_text("in the way")

    with pytest.raises(StorageUnavailable, match="The file folder cannot be used"):
        FolderBlobs(tmp_path / "files").put(str(uuid.uuid4()), b"x")


def test_ids_never_lead_out_of_the_folder(folder, tmp_path):
    (tmp_path / "secret").write_text("s")

    for file_id in ("../secret", str(tmp_path / "secret"), "..", "a/../../secret", f"{os.sep}etc{os.sep}passwd"):
        with pytest.raises(FileNotFoundError):
            folder.read(file_id)
        with pytest.raises(FileNotFoundError):
            folder.put(file_id, b"x")


@pytest.mark.parametrize(("store", "kind"), [("", FolderBlobs), ("folder", FolderBlobs), ("sql", SqlBlobs)])
def test_the_settings_name_the_place(tmp_path, store, kind):
    config = Config(data_dir=tmp_path, file_store=store)

    assert isinstance(open_blobs(config, Database.connect(config)), kind)


def test_postgresql_keeps_files_beside_its_rows_by_default():
    config = Config(database_url="postgresql://nobody@localhost/none")

    assert isinstance(open_blobs(config, Database.connect(config)), SqlBlobs)


def test_an_unknown_place_is_refused(tmp_path):
    config = Config(data_dir=tmp_path, file_store="s3")

    with pytest.raises(ConfigError, match="PENSTOCK_FILE_STORE is 's3'"):
        open_blobs(config, Database.connect(config))
