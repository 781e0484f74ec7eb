"""The recorded apps on the shared server, and the server that their http-request nodes call."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.golden.recordings import DATA, MIME_TYPES, with_stub
from tests.services.penstock import ImportedApp, Server, imported_app
from tests.services.processes import Process, clean_environment

#: Calls of uploads: (key, file name) -> id.
Upload = Callable[[str, str], str]


@pytest.fixture(scope="session")
def stub_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("stub")
    program = Path(__file__).with_name("stub.py")
    process = Process([sys.executable, str(program)], folder / "log", clean_environment(), folder)
    yield process.wait_for_output(r"http://[\d.:]+").group()
    process.close()


@pytest.fixture(scope="session")
def golden_apps(server: Server, stub_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, ImportedApp]:
    """Every recorded app, imported, by its name in the recordings."""
    folder = tmp_path_factory.mktemp("apps")
    for source in (DATA / "apps").glob("*.yml"):
        (folder / source.name).write_text(with_stub(source.read_text("utf-8"), stub_url), "utf-8")
    lines = server.import_files(sorted(folder.iterdir()))
    return {name: imported_app(line) for name, line in lines.items()}


@pytest.fixture(scope="session")
def upload(server: Server) -> Upload:
    """Id of a recorded file, uploaded once for each key as the user of the recordings."""
    known: dict[tuple[str, str], str] = {}

    def upload(api_key: str, name: str) -> str:
        if (api_key, name) not in known:
            content = (DATA / "files" / name).read_bytes()
            answer = httpx.post(
                f"{server.url}/v1/files/upload",
                headers={"Authorization": f"Bearer {api_key}"},
                files={"file": (name, content, MIME_TYPES[name.rpartition(".")[2]])},
                data={"user": "golden-user"},
            )
            answer.raise_for_status()
            known[api_key, name] = answer.json()["id"]
        return known[api_key, name]

    return upload
