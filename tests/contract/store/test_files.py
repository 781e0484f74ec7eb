import io
import uuid

import pytest
from sqlalchemy import delete

from worker.store import files
from worker.store.blobs import FolderBlobs, SqlBlobs
from worker.store.end_users import ensure_end_user
from worker.store.models import StoredFile


@pytest.fixture(params=["folder", "sql"])
def blobs(request, database, tmp_path):
    return FolderBlobs(tmp_path / "files") if request.param == "folder" else SqlBlobs(database)


@pytest.fixture
def upload(database, world):
    def upload(end_user_id=None, name="note.txt", app_id=None):
        with database.begin() as session:
            return files.add_upload(session, app_id or world.app_id, end_user_id or world.end_user_id, name, "text/plain", 5)

    return upload


def test_content_comes_back(blobs, database, world):
    def add(session):
        return files.add_upload(session, world.app_id, world.end_user_id, "a.bin", "application/octet-stream", 3)

    kept = [files.keep(database, blobs, add, content) for content in (b"\0\xff\n", io.BytesIO(b"stream"), b"")]

    assert [blobs.read(row.id) for row in kept] == [b"\0\xff\n", b"stream", b""]
    with blobs.open(kept[1].id) as stream:
        stream.seek(2)
        assert stream.read(2) == b"re"


def test_files_whose_bytes_are_not_there_are_named(blobs, upload):
    there, lost, beyond = upload(), upload(), str(uuid.uuid4())
    blobs.put(there.id, b"x")

    assert blobs.missing([lost.id, there.id, beyond]) == [lost.id, beyond]
    assert blobs.missing([]) == []


def test_the_bytes_of_rows_that_are_gone_can_be_discarded(blobs, upload, database):
    rows = [upload(), upload()]
    for row in rows:
        blobs.put(row.id, b"x")
    with database.begin() as session:
        session.execute(delete(StoredFile).where(StoredFile.id == rows[0].id))

    blobs.discard([rows[0].id, str(uuid.uuid4())])

    assert blobs.missing([row.id for row in rows]) == [rows[0].id]


def test_content_can_be_replaced_and_deleted(blobs, upload):
    row = upload()
    blobs.put(row.id, b"old")
    blobs.put(row.id, b"new")
    assert blobs.read(row.id) == b"new"

    blobs.delete(row.id)
    blobs.delete(row.id)
    with pytest.raises(FileNotFoundError):
        blobs.read(row.id)
    with pytest.raises(FileNotFoundError):
        blobs.open(row.id)


def test_unknown_content_is_not_found(blobs):
    for file_id in (str(uuid.uuid4()), "../../etc/passwd", "", "x"):
        with pytest.raises(FileNotFoundError):
            blobs.read(file_id)


def test_a_file_whose_bytes_cannot_be_kept_leaves_no_row(database, world):
    class Broken:
        def put(self, file_id, content):
            raise OSError("full")

    def add(session):
        return files.add_tool_file(session, world.app_id, ".png", "image/png", 3)

    with pytest.raises(OSError, match="full"):
        files.keep(database, Broken(), add, b"abc")
    with database.read() as session:
        assert session.query(StoredFile).all() == []


def test_an_upload_is_described_by_its_row(database, world, upload):
    row = upload(name="世界 é.TXT")

    assert (row.name, row.extension, row.mime_type, row.size, row.kind) == ("世界 é.TXT", "txt", "text/plain", 5, "upload")
    assert row.created_at > 1_700_000_000
    file = files.to_file(row)
    assert (file.type, file.transfer_method, file.filename, file.extension) == ("document", "local_file", "世界 é.TXT", ".txt")
    assert (file.related_id, file.tenant_id, file.size) == (row.id, world.app_id, 5)


def test_a_produced_file_has_a_name_of_its_own(database, world):
    with database.begin() as session:
        picture = files.to_file(files.add_tool_file(session, world.app_id, ".PNG", "image/png", 70))
        data = files.to_file(files.add_tool_file(session, world.app_id, "", "application/octet-stream", 1))

    assert (picture.type, picture.transfer_method, picture.extension) == ("image", "tool_file", ".png")
    assert len(picture.filename) == 36
    assert (data.type, data.extension, len(data.filename)) == ("custom", "", 32)


def test_text_that_no_database_takes_is_replaced(upload):
    assert upload(name="a\0b.txt").name == "a\ufffdb.txt"


def test_an_upload_belongs_to_its_user_unless_nobody_was_named(database, world, upload):
    with database.begin() as session:
        bob = ensure_end_user(session, world.app_id, "bob")
        nobody = ensure_end_user(session, world.app_id)
    own, open_to_all = upload(), upload(nobody)

    def sees(user, row):
        with database.read() as session:
            return files.find_upload(session, world.app_id, user, row.id) is not None

    assert sees(world.end_user_id, own)
    assert not sees(bob, own)
    assert not sees(nobody, own)
    assert sees(bob, open_to_all)
    assert sees(nobody, open_to_all)


def test_files_belong_to_one_app(database, world, upload):
    other = type(world)(database, "Other")
    row = upload()

    with database.read() as session:
        assert files.find_file(session, world.app_id, row.id.upper()).id == row.id
        assert files.find_file(session, other.app_id, row.id) is None
        assert files.find_upload(session, other.app_id, world.end_user_id, row.id) is None
        assert files.find_any_file(session, row.id).app_id == world.app_id


def test_uploads_and_produced_files_are_told_apart(database, world, upload):
    uploaded = upload()
    with database.begin() as session:
        produced = files.add_tool_file(session, world.app_id, ".txt", "text/plain", 1)

    with database.read() as session:
        assert files.find_upload(session, world.app_id, world.end_user_id, produced.id) is None
        assert files.find_tool_file(session, world.app_id, uploaded.id) is None
        assert files.find_tool_file(session, world.app_id, produced.id).id == produced.id


@pytest.mark.parametrize("file_id", ["", "x", "../x", "00000000-0000-0000-0000-000000000000", "é"])
def test_unknown_ids_find_nothing(database, world, file_id):
    with database.read() as session:
        assert files.find_any_file(session, file_id) is None
        assert files.find_upload(session, world.app_id, world.end_user_id, file_id) is None


def test_content_in_the_database_goes_with_its_app(database, world, upload):
    from worker.store.apps import delete_app

    blobs, row = SqlBlobs(database), upload()
    blobs.put(row.id, b"x")
    with database.begin() as session:
        assert delete_app(session, world.app_id) == [row.id]

    with pytest.raises(FileNotFoundError):
        blobs.read(row.id)
