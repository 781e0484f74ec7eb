"""The processes of the yardstick (hello.py), beside those of the product."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import httpx

from app.cli.serve import web_arguments
from tests.bench.generator import Answer, Order, address, http_text, load
from tests.services.ports import free_port
from tests.services.processes import Process, clean_environment
from tests.services.stage import READY
from tests.services.waiting import wait_for
from worker.broker import worker_arguments
from worker.config import Config

ROOT = Path(__file__).resolve().parents[2]

#: Celery's own default pool, and as many processes as this machine has cores: the yardstick that runs no tasks in threads.
PREFORK = ("--pool", "prefork", "--concurrency", "2")


@dataclass(frozen=True, slots=True)
class Bare:
    """Celery without a web server."""

    round_trips_ms: list[float]
    tasks_per_s: float


class Yardstick:
    """gunicorn and Celery as the product starts them, with another app. ``is_prefork``: Celery as it is by default."""

    def __init__(self, folder: Path, redis_url: str, *, is_prefork: bool = False, **settings: str) -> None:
        self._folder = folder
        self._is_prefork = is_prefork
        self._environment = clean_environment(REDIS_URL=redis_url, PYTHONPATH=str(ROOT), **settings)
        self._resources = ExitStack()
        self._port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def pids(self) -> dict[str, list[int]]:
        """By the parts that they play."""
        return {"hello web": [self._web.pid], "hello worker": [self._worker.pid]}

    def load(self, clients: int, seconds: float) -> Answer:
        host, port = address(self.url)
        request = http_text("GET", "/", f"{host}:{port}")
        return load(Order([(host, port)], [request] * clients, seconds, expects="hello"))

    def bare(self, seconds: float, tasks: int) -> Bare:
        command = [sys.executable, "-m", "tests.bench.hello", f"{seconds:g}", str(tasks)]
        done = subprocess.run(command, env=self._environment, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        return Bare(**json.loads(done.stdout))

    def __enter__(self) -> Yardstick:
        with self._resources:
            self._worker = self._start("hello-worker", self._worker_command())
            self._web = self._start("hello-web", [*web_arguments(f"127.0.0.1:{self._port}")[:-1], "tests.bench.hello:flask"])
            self._worker.wait_for_output(READY)
            wait_for(self._answers, "the yardstick to answer")
            self._resources = self._resources.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._resources.__exit__(kind, error, trace)

    def _worker_command(self) -> list[str]:
        command = worker_arguments(Config.from_env(self._environment))
        command[command.index("worker.celery")] = "tests.bench.hello:celery"
        if self._is_prefork:
            at = command.index("--pool")
            command[at : at + len(PREFORK)] = PREFORK
        return command

    def _start(self, name: str, command: list[str]) -> Process:
        process = Process(command, self._folder / f"{name}.log", self._environment, self._folder)
        self._resources.callback(process.close)
        return process

    def _answers(self) -> bool:
        self._web.check_alive()
        try:
            return httpx.get(self.url, timeout=60).status_code == 200
        except httpx.TransportError:
            return False
