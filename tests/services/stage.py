"""A deployment of which every part can be harmed and replaced, and the servers that its workflows call."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import redis
from sqlalchemy import ColumnElement, select

from tests.services.client import Client
from tests.services.counting import CountingServer
from tests.services.penstock import Deployment, ImportedApp, Web
from tests.services.processes import Process
from tests.services.valkey import Valkey
from tests.services.waiting import wait_for
from worker.bus.connection import connect
from worker.config import Config
from worker.doctor import examine
from worker.engine.events import RunStatus
from worker.store.models import RUNS
from worker.store.session import Database

#: Settings with which lost workers and tasks are noticed within seconds instead of a quarter of a minute.
FAST = {
    "PENSTOCK_LEASE": "3",
    "PENSTOCK_HEARTBEAT": "0.5",
    "PENSTOCK_SWEEP": "0.4",
    "PENSTOCK_RESEND": "2",
    "PENSTOCK_DRAIN": "1",
}

#: What a worker says once it takes runs.
READY = r"celery@\S+ ready"


@dataclass(frozen=True, slots=True)
class Position:
    """How far a run has come."""

    status: str
    attempt: int
    #: Last event that SQL has.
    last_event: int
    lease_owner: str | None
    #: By the clock of the database.
    lease_until: float | None

    @property
    def is_final(self) -> bool:
        return RunStatus(self.status).is_final

    def is_beyond(self, other: Position) -> bool:
        """Somebody has claimed, written or ended the run since."""
        return (self.status, self.attempt, self.last_event) != (other.status, other.attempt, other.last_event) and (
            self.status != RunStatus.SCHEDULED
        )

    def is_held_by(self, worker: Process) -> bool:
        """Leases carry the process id of their owner (worker/config.py ``process_name``)."""
        return (self.lease_owner or "").startswith(f"{worker.pid}-")


class Stage:
    """Any number of API instances and workers over one database and one Redis; all of them end with the block.

    ``webs`` and ``workers`` are those that live, as far as this object had to do with their ends.
    """

    def __init__(self, folder: Path, database_url: str, **settings: str) -> None:
        self._folder = folder
        self._database_url = database_url
        self._settings = {"PENSTOCK_OUTBOUND_ALLOW": "127.0.0.1", **settings}
        self._resources = ExitStack()
        self._changing = threading.Lock()
        self.webs: list[Web] = []
        self.workers: list[Process] = []

    def __enter__(self) -> Stage:
        with self._resources:
            self.valkey = self._resources.enter_context(Valkey())
            self.counting = self._resources.enter_context(CountingServer())
            self.deployment = self._resources.enter_context(Deployment(self._folder, self._database_url, self.valkey.url, **self._settings))
            self.config = Config.from_env(self.deployment.environment)
            self.database = Database.connect(self.config)
            self._resources.callback(self.database.dispose)
            self.redis: redis.Redis = self._resources.enter_context(connect(self.config))
            self._resources = self._resources.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._resources.__exit__(kind, error, trace)

    # ---- processes

    def add_web(self) -> Web:
        """A new API instance, ready."""
        web = self.deployment.add_web()
        with self._changing:
            self.webs.append(web)
        return web

    def add_worker(self, **settings: str) -> Process:
        """A new worker; it takes runs some seconds later."""
        worker = self.deployment.add_worker(**settings)
        with self._changing:
            self.workers.append(worker)
        return worker

    def forget_web(self, web: Web) -> None:
        """It is dead, or as good as that: clients go elsewhere."""
        with self._changing:
            self.webs.remove(web)

    def forget_worker(self, worker: Process) -> None:
        with self._changing:
            self.workers.remove(worker)

    def kill_worker(self, worker: Process) -> None:
        """`kill -9`, its children too."""
        worker.kill()
        self.forget_worker(worker)

    def kill_web(self, web: Web) -> None:
        web.process.kill()
        self.forget_web(web)

    def staff(self, *, webs: int = 1, workers: int = 1) -> None:
        """Exactly so many of each, whatever a test has left behind, and all of them ready."""
        for web in [*self.webs[webs:], *(web for web in self.webs[:webs] if not web.process.is_alive)]:
            self.kill_web(web)
        for worker in [*self.workers[workers:], *(worker for worker in self.workers[:workers] if not worker.is_alive)]:
            self.kill_worker(worker)
        while len(self.workers) < workers:
            self.add_worker()
        while len(self.webs) < webs:
            self.add_web()
        self.wait_until_staffed()

    def wait_until_staffed(self) -> None:
        """Until every worker takes runs."""
        for worker in self.workers:
            worker.wait_for_output(READY)

    # ---- clients

    def urls(self) -> Sequence[str]:
        with self._changing:
            return [web.url for web in self.webs]

    def client(self, app: ImportedApp, instance: int = 0, user: str = "tester") -> Client:
        """The caller closes it."""
        return self.deployment.client(self.webs[instance], app, user)

    # ---- what SQL says

    def under_way(self) -> dict[str, Position]:
        """The runs that workers have, by their ids."""
        return self._positions(RUNS.c.status == RunStatus.RUNNING)

    def unfinished(self) -> dict[str, Position]:
        return self._positions(RUNS.c.finished_at.is_(None))

    def findings(self) -> list[str]:
        """What the doctor finds once every run has ended; empty: all is well."""
        wait_for(lambda: not self.unfinished(), "every run to end")
        return [str(finding) for finding in examine(self.config, self.database, self.redis)]

    def wait_until_ended(self, run_ids: Sequence[str], timeout_s: float = 60.0) -> None:
        """Until these runs have succeeded. Raises ``AssertionError`` if one ended in another way."""
        wait_for(lambda: all(position.is_final for position in self.positions(run_ids).values()), "the runs to end", timeout_s)
        assert {position.status for position in self.positions(run_ids).values()} == {RunStatus.SUCCEEDED}

    def tasks(self) -> list[tuple[str, str]]:
        """``(run id, task id)`` of every run there ever was."""
        with self.database.read() as session:
            return [(row.id, row.task_id) for row in session.execute(select(RUNS.c.id, RUNS.c.task_id))]

    def positions(self, run_ids: Iterable[str]) -> dict[str, Position]:
        return self._positions(RUNS.c.id.in_(run_ids))

    def _positions(self, condition: ColumnElement[bool]) -> dict[str, Position]:
        columns = (RUNS.c.id, RUNS.c.status, RUNS.c.attempt, RUNS.c.last_event, RUNS.c.lease_owner, RUNS.c.lease_until)
        with self.database.read() as session:
            return {run_id: Position(*rest) for run_id, *rest in session.execute(select(*columns).where(condition))}
