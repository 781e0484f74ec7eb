"""`penstock up`: Valkey, migrations, API and workers of one machine under one command."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import click

from app.cli.failures import say
from app.cli.processes import Child, Program, Supervisor
from app.cli.serve import DEFAULT_PORT, bracketed, web_arguments
from app.cli.settings import STATE_FILE, UpState, child_environment, pass_config, read_state, remove_state, write_state
from app.cli.valkey import find_server, lock_folder, server_arguments, socket_path, socket_url, wait_until_answering
from app.config import ApiConfig
from worker.broker import worker_arguments
from worker.config import Config, ConfigError

READY_WITHIN_S = 60.0
#: Together below the 10 s within which everything must have ended.
STOP_RUNS_S = 7.5
STOP_VALKEY_S = 1.5
#: What a killed predecessor's processes may take to leave.
PREDECESSOR_S = 10.0
#: A process that dies this often before the first answer will not get better.
MAX_EARLY_DEATHS = 3


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0: any free one.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Worker processes.")
@pass_config
def up(config: Config, host: str, port: int, workers: int) -> None:
    """Start everything on this machine and serve until Ctrl-C."""
    with running(config, host, port, workers, sys.stderr.fileno()) as stack:
        if not stack.supervisor.is_stopping:
            click.echo(f"ready {stack.url}")
        stack.supervisor.run()


@dataclass(slots=True)
class Stack:
    """The processes of one `penstock up`."""

    config: Config
    host: str
    listener: socket.socket
    supervisor: Supervisor
    valkey: list[Child] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{bracketed(self.host)}:{self.listener.getsockname()[1]}"

    def start(self, workers: int) -> None:
        """Start API and workers; they answer some seconds later."""
        env = child_environment(self.config)
        descriptor = self.listener.fileno()
        self.supervisor.start(Program("web", web_arguments(f"fd://{descriptor}"), env, (descriptor,)))
        # The API sees under which address it was asked; workers only know what they are told.
        env = {**env, "PENSTOCK_FILES_URL": self.config.files_url or self.url}
        for number in range(1, workers + 1):
            self.supervisor.start(Program(f"worker-{number}", worker_arguments(self.config), env))

    def wait_until_ready(self) -> None:
        """Return when the API says it is ready or a stop was asked for. Raises ``ConfigError``."""
        deadline = time.monotonic() + READY_WITHIN_S
        while not self.supervisor.is_stopping and not is_ready(self.host, self.listener.getsockname()[1]):
            self.supervisor.revive()
            if broken := next((child for child in self.supervisor.children if child.deaths >= MAX_EARLY_DEATHS), None):
                raise ConfigError(f"{broken.program.name} cannot start; its output says why.")
            if time.monotonic() > deadline:
                raise ConfigError(f"The API did not become ready within {READY_WITHIN_S:g} s.")
            self.supervisor.wait(0.05)

    def stop(self) -> None:
        """End API and workers, then the Valkey they need."""
        children = self.supervisor.children
        self.supervisor.end([child for child in children if child not in self.valkey], STOP_RUNS_S)
        self.supervisor.end(self.valkey, STOP_VALKEY_S)


@contextlib.contextmanager
def running(config: Config, host: str, port: int, workers: int, output: int) -> Iterator[Stack]:
    """Everything of `penstock up`, ready; ended on leaving. What its processes print goes to the descriptor ``output``.

    Raises ``ConfigError`` if something cannot start.
    """
    config = replace(config, redis_url=os.environ.get("REDIS_URL", ""))
    # What the children would refuse is refused here, in a sentence.
    ApiConfig.from_env(os.environ)
    worker_arguments(config)
    with contextlib.ExitStack() as cleanup:
        is_successor = cleanup.enter_context(_owned(config.data_dir))
        listener = cleanup.enter_context(listen(host, port, PREDECESSOR_S if is_successor else 0.0))
        place = cleanup.enter_context(_valkey_place(config.data_dir)) if not config.redis_url else None
        stack = Stack(config, host, listener, Supervisor(say, output))
        cleanup.enter_context(stack.supervisor.listening())
        cleanup.callback(stack.stop)
        if place is not None:
            _start_valkey(stack, place)
        _migrate(stack.config)
        stack.start(workers)
        write_state(config.data_dir, UpState(os.getpid(), stack.url, stack.config.redis_url))
        cleanup.callback(remove_state, config.data_dir)
        stack.wait_until_ready()
        yield stack


@contextlib.contextmanager
def _owned(data_dir: Path) -> Iterator[bool]:
    """Hold the data folder; True if its last owner was killed. Raises ``ConfigError`` if there is another one."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (data_dir / "up.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            state = read_state(data_dir)
            where = f" at {state.url}" if state else ""
            raise ConfigError(f"Another `penstock up` already runs with the data folder {data_dir}{where}.") from None
        yield (data_dir / STATE_FILE).exists()


def listen(host: str, port: int, patience_s: float) -> socket.socket:
    """The socket of the API, which gunicorn inherits: a request during its restart waits instead of failing.

    Raises ``ConfigError`` if the address is taken, after ``patience_s``.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            return socket.create_server(address[:2], family=family, backlog=2048)
        except OSError as error:
            if time.monotonic() >= deadline:
                raise ConfigError(f"{bracketed(host)}:{port} cannot be used: {_reason(error)}.") from error
            time.sleep(0.1)


def _reason(error: OSError) -> str:
    """Without what the standard library adds; a name that is not known has a negative number of its own kind."""
    if error.errno is None or error.errno < 0:
        return str(error.strerror)
    return os.strerror(error.errno)


@dataclass(frozen=True, slots=True)
class ValkeyPlace:
    folder: Path
    #: Descriptor that the server inherits, see ``lock_folder``.
    lock: int
    socket: Path


@contextlib.contextmanager
def _valkey_place(data_dir: Path) -> Iterator[ValkeyPlace]:
    """Where the embedded server keeps its file and listens; given up when the server has ended. Raises ``ConfigError``."""
    folder = data_dir / "valkey"
    lock = lock_folder(folder, PREDECESSOR_S)
    path = socket_path(data_dir)
    try:
        yield ValkeyPlace(folder, lock, path)
    finally:
        os.close(lock)
        if path.parent != folder:
            shutil.rmtree(path.parent, ignore_errors=True)


def _start_valkey(stack: Stack, place: ValkeyPlace) -> None:
    """Start the embedded server and point the configuration at it. Raises ``ConfigError``."""
    binary = find_server()
    argv = server_arguments(binary, place.folder, place.socket)
    child = stack.supervisor.start(Program("valkey", argv, dict(os.environ), (place.lock,)))
    stack.valkey.append(child)
    if not wait_until_answering(place.socket, READY_WITHIN_S, lambda: child.process.poll() is None):
        raise ConfigError(f"The embedded Valkey ({binary}) did not start.")
    stack.config = replace(stack.config, redis_url=socket_url(place.socket))


def _migrate(config: Config) -> None:
    from worker.store.migrate import upgrade

    upgrade(config)


def is_ready(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(_reachable(host), port, timeout=2.0)
    try:
        connection.request("GET", "/healthz/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _reachable(host: str) -> str:
    """The address under which this machine finds a server that listens on ``host``."""
    return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)
