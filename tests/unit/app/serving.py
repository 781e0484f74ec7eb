"""The application in one process, without Redis and Celery: a database in memory, the memory bus, and a worker made of a script."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import create_app
from app.config import ApiConfig
from app.parts import EXTENSION, Parts
from tests.services import documents
from tests.unit.running import memory_database, success
from worker.bus.memory import MemoryCommands, MemoryEventLog, MemoryListener
from worker.bus.rates import MemoryRates
from worker.config import Config
from worker.engine.events import NodeFinished, NodeStarted, NodeStatus, RunFinished, RunStarted, RunStatus
from worker.engine.memory import SystemClock
from worker.engine.models import Models
from worker.engine.ports import HTTPClient
from worker.engine.variables import remote_address, restore_files
from worker.history import load_history
from worker.journal import RunJournal, envelope_of
from worker.store import apps as store_apps
from worker.store.claims import Claim, claim
from worker.store.keys import create_key
from worker.store.models import App
from worker.store.session import Database

#: The node through which every scripted run goes.
NODE = {
    "execution_id": "3f0a1b9c-52b8-4b7a-9d6e-9b8f5a1c2d3e",
    "node_id": "start",
    "node_type": "start",
    "title": "START",
    "index": 1,
    "predecessor_node_id": None,
}

#: What a worker does with a run that it has: emit events, then finish it.
Script = Callable[[Claim, RunJournal], None]


def echo(held: Claim, journal: RunJournal) -> None:
    """A run whose outputs are its inputs."""
    inputs = {name: value for name, value in restore_files(held.inputs).items() if not name.startswith("sys.")}
    begin(held, journal)
    journal.finish(success(outputs=inputs))


def begin(held: Claim, journal: RunJournal) -> None:
    journal.emit(RunStarted(restore_files(held.inputs), held.created_at))
    journal.emit(NodeStarted(**NODE, created_at=held.created_at))
    outcome = {"status": NodeStatus.SUCCEEDED, "inputs": {}, "process_data": {}, "outputs": {}, "error": None}
    journal.emit(NodeFinished(**NODE, **outcome, elapsed_s=0.001, created_at=held.created_at, finished_at=held.created_at))
    journal.flush()


def fail(held: Claim, journal: RunJournal) -> None:
    begin(held, journal)
    journal.close(RunStatus.FAILED, "the node's own words")


def refuse(held: Claim, journal: RunJournal) -> None:
    journal.refuse("workflow_request_error", "No such node type.", 400)


@dataclass
class Waiting:
    """A script that waits in the middle of a run until it is told how the run ends."""

    ending: RunFinished = field(default_factory=success)
    has_begun: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event = field(default_factory=threading.Event)

    def __call__(self, held: Claim, journal: RunJournal) -> None:
        begin(held, journal)
        self.has_begun.set()
        assert self.may_end.wait(10)
        journal.finish(self.ending)


@dataclass
class ScriptedWorker:
    """A dispatcher whose tasks are executed at once, by threads of this process."""

    database: Database
    log: MemoryEventLog
    script: Script | None = echo
    revoked: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def send(self, run_id: str, task_id: str) -> None:
        if self.script is not None:
            thread = threading.Thread(target=self.execute, args=(run_id, self.script))
            self.threads.append(thread)
            thread.start()

    def revoke(self, task_id: str) -> None:
        self.revoked.append(task_id)

    def execute(self, run_id: str, script: Script) -> None:
        with self.database.begin() as session:
            held = claim(session, run_id, "scripted", 30.0)
        if held is not None:
            history = load_history(self.database, self.log, held)
            envelope = envelope_of(held, remote_address)
            script(held, RunJournal(held, envelope, self.database, self.log, SystemClock(), patience_s=5.0, history=history))

    def reset(self) -> None:
        self.script = echo
        for known in (self.revoked, self.stopped, self.threads):
            known.clear()

    def join(self) -> None:
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive()


@dataclass
class Service:
    app: Flask
    database: Database
    log: MemoryEventLog
    worker: ScriptedWorker

    @property
    def parts(self) -> Parts:
        parts: Parts = self.app.extensions[EXTENSION]
        return parts

    def publish(self, document: dict[str, Any] | None = None, **changes: Any) -> Caller:
        """A new app with a key; ``changes``: columns of its row."""
        with self.database.begin() as session:
            app = store_apps.create_app(session, store_apps.Profile("App", description="About it", icon_type="emoji", icon="X"))
            if document is not None:
                store_apps.publish(session, app.id, document, uuid.uuid4().hex)
            for name, value in changes.items():
                setattr(session.get_one(App, app.id), name, value)
            _, token = create_key(session, app.id)
            return Caller(self, app.id, token)

    def hello(self, **changes: Any) -> Caller:
        """An app with one required text."""
        return self.publish(form(documents.variable("q", required=True, max_length=100)), **changes)


@dataclass
class Caller:
    """A client of one app."""

    service: Service
    app_id: str
    token: str

    @property
    def client(self) -> FlaskClient:
        return self.service.app.test_client()

    def open(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return self.client.open(path, method=method, headers=headers, **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.open("GET", path, **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        return self.open("POST", path, **options)

    def run(self, inputs: dict[str, Any] | None = None, *, path: str = "/v1/workflows/run", **body: Any) -> TestResponse:
        """A run, blocking unless the body says otherwise."""
        given = {"q": "hello"} if inputs is None else inputs
        return self.post(path, json={"inputs": given, "user": "alice", **body})

    def stream(self, inputs: dict[str, Any] | None = None, **body: Any) -> TestResponse:
        """A streaming run; its frames are read as they come."""
        return self.run(inputs, response_mode="streaming", **body)


def form(*variables: dict[str, Any], **features: Any) -> documents.Document:
    nodes = [documents.start(*variables), documents.end(**{item["variable"]: ["start", item["variable"]] for item in variables})]
    return documents.workflow("form", nodes, [("start", "end")], **features)


def frames(response: TestResponse) -> list[bytes]:
    """The frames of a whole stream, without the blank lines behind them."""
    body = b"".join(response.iter_encoded())
    response.close()
    assert body == b"" or body.endswith(b"\n\n")
    return body.split(b"\n\n")[:-1]


def events(response: TestResponse) -> list[dict[str, Any]]:
    """The events of a whole stream, without keep-alives."""
    return [json.loads(frame.split(b"\n")[0].removeprefix(b"data: ")) for frame in frames(response) if frame.startswith(b"data: ")]


@contextmanager
def served(
    api_config: ApiConfig | None = None, config: Config | None = None, http: HTTPClient | None = None, models: Models | None = None
) -> Iterator[Service]:
    database = memory_database()
    listener = MemoryListener()
    log = MemoryEventLog(listener)
    worker = ScriptedWorker(database, log)
    api_config = api_config or ApiConfig()
    app = create_app(
        config or Config(database_url="sqlite://"),
        api_config=api_config,
        database=database,
        log=log,
        listener=listener,
        commands=MemoryCommands(worker.stopped.append),
        dispatcher=worker,
        rates=MemoryRates(),
        http=http,
        models=models,
    )
    try:
        yield Service(app, database, log, worker)
        worker.join()
    finally:
        database.dispose()
