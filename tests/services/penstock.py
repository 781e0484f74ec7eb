"""The product as processes: `penstock up`, or any number of `penstock web` and `penstock worker` over one database and one Redis."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from tests.services.client import Client
from tests.services.ports import free_port
from tests.services.processes import SCRIPTS, Process, clean_environment
from tests.services.waiting import wait_for

PENSTOCK = str(SCRIPTS / "penstock")


@dataclass(frozen=True, slots=True)
class ImportedApp:
    app_id: str
    workflow_id: str
    api_key: str
    name: str


class Installation:
    """Settings and a folder that several commands of the product share."""

    def __init__(self, folder: Path, **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.environment = clean_environment(PENSTOCK_DATA_DIR=str(folder / "data"), **settings)
        #: Command that commands are started with, if they have to be somewhere else than this process.
        self.entrance: Sequence[str] = ()

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the command line to its end."""
        command = [*self.entrance, PENSTOCK, *arguments]
        return subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120)

    def import_files(self, files: Sequence[Path]) -> dict[str, dict[str, Any]]:
        """`penstock apps import --json` of all files at once: the line of each, by the file's stem."""
        done = self.call("apps", "import", *map(str, files), "--json")
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        found = {Path(line["file"]).stem: line for line in lines}
        if missing := {file.stem for file in files} - set(found):
            raise RuntimeError(f"No line for {sorted(missing)}: {done.stdout}{done.stderr}")
        return found

    def import_documents(self, documents: Sequence[dict[str, Any]]) -> list[ImportedApp]:
        """Import DSL documents (JSON is YAML) in one go; all of them must be accepted. In the order given."""
        target = self.folder / "documents"
        target.mkdir(exist_ok=True)
        files = [target / f"{number:03}-{document['app']['name']}.yml" for number, document in enumerate(documents)]
        for file, document in zip(files, documents, strict=True):
            file.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
        lines = self.import_files(files)
        return [imported_app(lines[file.stem]) for file in files]

    def import_document(self, document: dict[str, Any]) -> ImportedApp:
        return self.import_documents([document])[0]

    def publish_document(self, app: ImportedApp, document: dict[str, Any]) -> None:
        """Make the document the current version of an app."""
        file = self.folder / "documents" / f"{app.app_id}.yml"
        file.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
        done = self.call("apps", "publish", app.app_id, str(file))
        if done.returncode:
            raise RuntimeError(f"penstock apps publish failed: {done.stdout}{done.stderr}")


def imported_app(line: dict[str, Any]) -> ImportedApp:
    if "error" in line:
        raise RuntimeError(f"{line['file']}: {line['error']}")
    return ImportedApp(line["app_id"], line["workflow_id"], line["api_key"], line["name"])


class Server(Installation):
    """`penstock up`: everything in one, on the embedded default."""

    def __init__(self, folder: Path, **settings: str) -> None:
        super().__init__(folder, **settings)
        self._process: Process | None = None
        self._starts = 0
        #: Command that becomes `penstock up`.
        self.launcher: Sequence[str] = ()
        self.url = ""

    def start(self) -> Server:
        self._starts += 1
        command = [*self.launcher, PENSTOCK, "up", "--port", "0"]
        self._process = Process(command, self.folder / f"up-{self._starts}.log", self.environment, self.folder)
        self.url = self._process.wait_for_output(r"ready (http://\S+)").group(1)
        return self

    @property
    def process(self) -> Process:
        if self._process is None:
            raise RuntimeError("The server was not started.")
        return self._process

    def client(self, app: ImportedApp, user: str = "tester") -> Client:
        """A client with a connection pool of its own; the caller closes it."""
        return Client(self.url, app.api_key, user)

    def alter_app(self, app: ImportedApp, column: str, value: object) -> None:
        """Put an app into a state that no command leads to."""
        self._write(f"UPDATE apps SET {column} = ? WHERE id = ?", value, app.app_id)

    def alter_document(self, app: ImportedApp, change: Callable[[str], str]) -> None:
        """Damage the stored workflow of an app behind the back of every check."""
        with closing(self._database()) as database:
            ((text,),) = database.execute("SELECT document FROM workflows WHERE id = ?", (app.workflow_id,))
        self._write("UPDATE workflows SET document = ? WHERE id = ?", change(text), app.workflow_id)

    def _database(self) -> sqlite3.Connection:
        return sqlite3.connect(self.folder / "data" / "penstock.sqlite3", timeout=30)

    def _write(self, statement: str, *values: object) -> None:
        with closing(self._database()) as database, database:
            database.execute(statement, values)

    def close(self) -> None:
        if self._process is not None:
            self._process.close()

    def __enter__(self) -> Server:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
        if error is not None:
            print(f"--- {self.process.log}\n{self.process.output[-8000:]}")


@dataclass(frozen=True, slots=True)
class Web:
    """One API instance."""

    url: str
    process: Process


class Deployment(Installation):
    """Separate API and worker processes, as the Procfile names them. Tables are made on entering."""

    def __init__(self, folder: Path, database_url: str, redis_url: str, **settings: str) -> None:
        super().__init__(folder, DATABASE_URL=database_url, REDIS_URL=redis_url, **settings)
        #: Whether to print the ends of all logs on leaving: pytest shows what a fixture prints only beside a test that failed.
        self.shows_logs = True
        self._processes: list[Process] = []

    def add_web(self) -> Web:
        """A new API instance that answers on its own port."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        web = Web(url, self._start("web", "--host", "127.0.0.1", PORT=str(port)))
        wait_for(lambda: is_ready(web.process, url), f"{url} to be ready", timeout_s=60)
        return web

    def add_worker(self, **settings: str) -> Process:
        """A new worker. It takes runs as soon as it is up; nothing has to wait for it."""
        return self._start("worker", **settings)

    def client(self, web: Web, app: ImportedApp, user: str = "tester") -> Client:
        """A client of one instance; the caller closes it."""
        return Client(web.url, app.api_key, user)

    def close(self) -> None:
        for process in self._processes:
            process.close()

    def __enter__(self) -> Deployment:
        done = self.call("migrate")
        if done.returncode:
            raise RuntimeError(f"penstock migrate failed: {done.stdout}{done.stderr}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
        for process in self._processes if self.shows_logs else ():
            print(f"--- {process.log}\n{process.output[-4000:]}")

    def _start(self, command: str, *options: str, **settings: str) -> Process:
        log = self.folder / f"{command}-{len(self._processes)}.log"
        process = Process([PENSTOCK, command, *options], log, {**self.environment, **settings}, self.folder)
        self._processes.append(process)
        return process


def is_ready(process: Process, url: str) -> bool:
    """Whether the API at ``url`` answers. Raises ``RuntimeError`` if the process behind it has ended."""
    process.check_alive()
    try:
        return httpx.get(f"{url}/healthz/ready", timeout=10).status_code == 200
    except httpx.TransportError:
        return False
