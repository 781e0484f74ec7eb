import uuid
from dataclasses import replace

import pytest

from tests.contract.store.world import World
from tests.unit.outbound.web import WebServer
from worker.config import Config
from worker.engine.errors import FormError, NodeError, RunStopped
from worker.engine.file_inputs import read_file
from worker.engine.inbox import Inbox
from worker.engine.variables import File
from worker.files import InputFiles, RunFiles
from worker.outbound.client import GuardedClient
from worker.outbound.errors import AddressBlocked
from worker.store import files
from worker.store.blobs import FolderBlobs
from worker.store.end_users import ensure_end_user
from worker.store.migrate import upgrade
from worker.store.session import Database
from worker.store.signing import FileLinks


@pytest.fixture
def database(tmp_path):
    config = Config(data_dir=tmp_path)
    upgrade(config)
    database = Database.connect(config)
    yield database
    database.dispose()


@pytest.fixture
def world(database):
    return World(database)


@pytest.fixture
def blobs(tmp_path):
    return FolderBlobs(tmp_path / "files")


@pytest.fixture
def links():
    return FileLinks("secret", "https://penstock.example", 300)


@pytest.fixture
def http():
    client = GuardedClient(("127.0.0.1/32",))
    yield client
    client.close()


@pytest.fixture
def run_files(database, world, blobs, links, http):
    return RunFiles(world.app_id, database, blobs, links, http)


@pytest.fixture
def resolve(database, world, http):
    return InputFiles(world.app_id, world.end_user_id, database, http)


@pytest.fixture
def web():
    with WebServer() as server:
        server.routes["/note.txt"] = lambda seen, answer: answer.send(
            b"" if seen.method == "HEAD" else b"remote", content_type="text/plain"
        )
        yield server


def upload(database, blobs, world, content=b"local", name="note.txt", end_user_id=None):
    def add(session):
        return files.add_upload(session, world.app_id, end_user_id or world.end_user_id, name, "text/plain", len(content))

    return files.keep(database, blobs, add, content)


def remote(url):
    return File("document", "remote_url", "note.txt", ".txt", "text/plain", -1, remote_url=url)


def test_a_node_reads_what_it_saved(run_files, world):
    file = run_files.save(b"\x89PNG", extension=".png", mime_type="image/png")

    assert run_files.read(file) == b"\x89PNG"
    assert (file.type, file.transfer_method, file.size, file.tenant_id) == ("image", "tool_file", 4, world.app_id)
    assert run_files.url(file).startswith(f"https://penstock.example/files/tools/{file.related_id}.png?timestamp=")


def test_a_node_reads_uploads_and_remote_files(run_files, database, blobs, world, web):
    row = upload(database, blobs, world)

    assert run_files.read(files.to_file(row)) == b"local"
    assert run_files.read(remote(f"{web.url}/note.txt")) == b"remote"


def test_a_copy_of_a_remote_file_is_read_from_the_store(run_files, database, blobs, world):
    row = upload(database, blobs, world)

    assert run_files.read(replace(files.to_file(row), transfer_method="remote_url")) == b"local"


def test_no_file_of_another_app_is_read_or_signed(database, blobs, links, http, world):
    """A file mapping in the values of a run may name any id."""
    theirs = RunFiles(World(database, "Other").app_id, database, blobs, links, http)
    file = files.to_file(upload(database, blobs, world))

    with pytest.raises(NodeError, match=r"The file note.txt does not exist") as caught:
        theirs.read(file)
    assert caught.value.error_type == "FileFetchError"
    query = dict(part.split("=", 1) for part in theirs.url(file).partition("?")[2].replace("%3D", "=").split("&"))
    assert not links.verify(world.app_id, file.related_id, **query)


def test_files_that_are_gone_fail_the_node(run_files, database, blobs, world, web):
    row = upload(database, blobs, world)
    blobs.delete(row.id)

    with pytest.raises(NodeError, match="content of the file"):
        run_files.read(files.to_file(row))
    with pytest.raises(NodeError, match="does not exist"):
        run_files.read(replace(files.to_file(row), related_id=str(uuid.uuid4())))
    with pytest.raises(NodeError, match="answered with status 404"):
        run_files.read(remote(f"{web.url}/nothing"))
    with pytest.raises(AddressBlocked):
        run_files.read(remote("http://10.0.0.1/note.txt"))


def test_a_stop_ends_a_download(database, world, blobs, links, http, web):
    inbox = Inbox()

    def stop(seen, answer):
        inbox.stop()
        answer.hold()

    web.routes["/slow"] = stop

    with pytest.raises(RunStopped):
        RunFiles(world.app_id, database, blobs, links, http, inbox).read(remote(f"{web.url}/slow"))


def test_inputs_refer_to_uploads_of_their_user(resolve, database, blobs, world):
    row = upload(database, blobs, world)
    file = resolve({"transfer_method": "local_file", "upload_file_id": row.id.upper()})

    assert file == files.to_file(row)
    copy = resolve({"transfer_method": "remote_url", "upload_file_id": row.id})
    assert (copy.transfer_method, copy.related_id, copy.remote_url) == ("remote_url", row.id, None)


def test_inputs_refer_to_no_other_uploads(resolve, database, blobs, world):
    with database.begin() as session:
        bob = ensure_end_user(session, world.app_id, "bob")
        nobody = ensure_end_user(session, world.app_id)
    mapping = {"transfer_method": "local_file", "upload_file_id": upload(database, blobs, world, end_user_id=bob).id}

    with pytest.raises(FormError, match=r"^Invalid upload file$"):
        resolve(mapping)
    with pytest.raises(FormError, match=r"^Invalid upload file$"):
        resolve({**mapping, "upload_file_id": str(uuid.uuid4())})
    assert resolve({**mapping, "upload_file_id": upload(database, blobs, world, end_user_id=nobody).id}).filename == "note.txt"


def test_inputs_refer_to_files_that_runs_produced(resolve, run_files):
    made = run_files.save(b"x", extension=".png", mime_type="image/png")
    unknown = str(uuid.uuid4())

    assert resolve({"transfer_method": "tool_file", "tool_file_id": made.related_id}) == made
    with pytest.raises(FormError, match=f"^ToolFile {unknown} not found$"):
        resolve({"transfer_method": "tool_file", "tool_file_id": unknown})


@pytest.mark.parametrize("key", ["url", "remote_url"])
def test_inputs_refer_to_remote_files(resolve, web, world, key):
    url = f"{web.url}/note.txt"
    file = read_file({"transfer_method": "remote_url", key: url, "type": "document"}, resolve, None, strict=True)

    assert file == File("document", "remote_url", "note.txt", ".txt", "text/plain", 0, remote_url=url, tenant_id=world.app_id)


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("/a.abc", {}, (".abc", "custom", "")),
        ("/a", {"content_type": "image/png"}, (".png", "image", "image/png")),
        ("/a", {}, (".bin", "custom", "")),
        ("/a.jpeg", {"content_type": "text/plain"}, (".jpg", "image", "image/jpeg")),
    ],
)
def test_the_kind_of_a_remote_file_is_found_out(resolve, web, path, headers, expected):
    web.routes[path] = lambda seen, answer: answer.send(b"", **headers)
    file = resolve({"transfer_method": "remote_url", "url": web.url + path})

    assert (file.extension, file.type, file.mime_type) == expected


def test_a_remote_file_that_cannot_be_reached_is_refused(resolve):
    with pytest.raises(FormError, match=r"^Reached maximum retries \(3\) for URL http://10.0.0.1/a$"):
        resolve({"transfer_method": "remote_url", "url": "http://10.0.0.1/a"})
