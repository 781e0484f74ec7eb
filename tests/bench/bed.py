"""What a case is measured on: one database, one Redis, the servers that workflows call, and any number of API and worker processes."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import httpx
from sqlalchemy import ColumnElement, func, select

from tests.bench.generator import Request, load, order_runs
from tests.bench.yardstick import ROOT
from tests.services.footprint import cpu_s
from tests.services.models import DevModel
from tests.services.postgres import DURABLE, Postgres
from tests.services.processes import SCRIPTS, Process, clean_environment
from tests.services.stage import Stage
from worker.store.models import RUNS

SQLITE, POSTGRESQL = "sqlite", "postgresql"


def chosen_settings() -> dict[str, str]:
    """Settings of the caller's environment go to the product, so that they can be compared."""
    return {name: value for name, value in os.environ.items() if name.startswith("PENSTOCK_") and name != "PENSTOCK_TEST_MARK"}


class Bed:
    """Everything but API and worker is up on entering; all of it is gone on leaving."""

    def __init__(self, database: str, *, with_model: bool = False, **settings: str) -> None:
        self._database = database
        self._with_model = with_model
        self._settings = {**settings, **chosen_settings()}
        self._resources = ExitStack()
        self._postgres: Postgres | None = None
        self._model: DevModel | None = None

    def __enter__(self) -> Bed:
        with self._resources as resources:
            self.folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="penstock-bench-")))
            url = self._open_database()
            self.backend = Process(
                [str(SCRIPTS / "python"), "-m", "tests.bench.backend"], self.folder / "backend.log", clean_environment(), ROOT
            )
            resources.callback(self.backend.close)
            self.backend_url = self.backend.wait_for_output(r"ready (\S+)")[1]
            self.stage = resources.enter_context(self._open_stage(url))
            self._resources = resources.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stage.deployment.shows_logs = error is not None
        self._resources.__exit__(kind, error, trace)

    def _open_database(self) -> str:
        if self._database == SQLITE:
            return f"sqlite:///{self.folder}/penstock.sqlite3"
        self._postgres = self._resources.enter_context(Postgres(DURABLE))
        return self._postgres.create_database()

    def _open_stage(self, url: str) -> Stage:
        settings = self._settings
        if self._with_model:
            self._model = self._resources.enter_context(DevModel())
            settings = {**self._model.settings, **settings}
        return Stage(self.folder / "product", url, **settings)

    def staff(self, *, webs: int = 1, workers: int = 1) -> None:
        self.stage.staff(webs=webs, workers=workers)

    def call_backend(self, path: str) -> str:
        return httpx.get(f"{self.backend_url}/{path}", timeout=60).text

    def pids(self) -> dict[str, list[int]]:
        """The first process of each part that works for a run."""
        stage = self.stage
        parts = {"web": [web.process.pid for web in stage.webs], "worker": [worker.pid for worker in stage.workers]}
        parts["valkey"] = [stage.valkey.pid]
        if self._postgres is not None:
            parts["postgresql"] = [self._postgres.pid]
        if self._model is not None:
            parts["model"] = [self._model.pid]
        return parts

    def warm_up(self, request: Request, clients: int = 8, runs: int = 40) -> None:
        """What the first runs load is the process's and not the run's. Raises ``RuntimeError`` if they fail."""
        answer = load(order_runs(self.stage.urls(), request, clients, 30, limit=runs))
        if answer.failed or not answer.count:
            raise RuntimeError(f"{request.app.name}: {answer.failures} {answer.sample}")

    def count_runs(self, condition: ColumnElement[bool]) -> int:
        with self.stage.database.read() as session:
            return session.scalar(select(func.count()).select_from(RUNS).where(condition)) or 0


class Meter:
    """Processor time of parts while a block lasts."""

    def __init__(self, parts: dict[str, list[int]]) -> None:
        self._parts = parts
        self.cpu_s: dict[str, float] = {}
        self.took_s = 0.0

    def __enter__(self) -> Meter:
        self._before = self._read()
        self._began = time.monotonic()
        return self

    def __exit__(self, *reason: object) -> None:
        self.took_s = time.monotonic() - self._began
        self.cpu_s = {part: now - self._before[part] for part, now in self._read().items()}

    def _read(self) -> dict[str, float]:
        return {part: cpu_s(pids) for part, pids in self._parts.items()}

    def per_run_us(self, runs: int) -> dict[str, float]:
        return {part: 1e6 * used_s / max(runs, 1) for part, used_s in self.cpu_s.items()}
