"""The worker's side of a zygote: starts it, hands it executions, sees it end."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path

from worker.sandbox.folders import remove_tree
from worker.sandbox.protocol import CALL

#: Seconds that a zygote may take to say hello; it takes a few tenths of one.
START_S = 30.0
#: Seconds in which it takes a call. It is never busy for more than milliseconds.
CALL_S = 10.0
#: Seconds that it may take to end by itself.
END_S = 5.0

#: What the zygote imports beside the standard library.
PACKAGES = ("worker", "jinja2", "markupsafe")

#: The interpreter runs isolated and without site-packages; what the zygote imports from there is found by name, and forgotten again.
BOOT = """
import sys
control, temporary, options, *folders = sys.argv[1:]
own = list(sys.path)
sys.path += folders
from worker.sandbox.forking import without_fork_handlers
with without_fork_handlers():
    from worker.sandbox.zygote_main import main
sys.path[:] = own
main(int(control), temporary, options)
"""


@dataclass(frozen=True, slots=True)
class Options:
    #: What code may import beside the standard library: paths by file name (``packages.find_packages``).
    packages: Mapping[str, str] = field(default_factory=dict)
    allow_network: bool = False
    #: Modules that the zygote itself imports, so that no execution has to; they may need the packages.
    modules: tuple[str, ...] = ()
    #: File of the engine for JavaScript; empty: none.
    engine: str = ""


class ZygoteLost(Exception):
    """The zygote died, hangs, or could not be started; says which."""


class Zygote:
    """A running zygote process."""

    def __init__(self, options: Options) -> None:
        """Raises ``ZygoteLost`` if it does not start."""
        self._sending = threading.Lock()
        #: Where executions have their folders.
        self.folder = ""
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = _spawn(self._control, theirs, options)
        try:
            hello = self._receive_hello()
        except ZygoteLost:
            self.close()
            raise
        #: Which defences are active, joined by ``+``.
        self.tier = hello["tier"]
        self.folder = hello["folder"]

    @property
    def process_id(self) -> int:
        return self._process.pid

    def _receive_hello(self) -> dict[str, str]:
        self._control.settimeout(START_S)
        line = b""
        while not line.endswith(b"\n"):
            try:
                part = self._control.recv(4096)
            except OSError as error:
                raise ZygoteLost(f"did not start: {error}") from error
            if not part:
                raise ZygoteLost("ended while it started")
            line += part
        hello: dict[str, str] = json.loads(line)
        if "error" in hello:
            raise ZygoteLost(f"did not start: {hello['error']}")
        self._control.settimeout(CALL_S)
        return hello

    @contextmanager
    def started(self, wall_s: float) -> Iterator[tuple[socket.socket, socket.socket]]:
        """A new execution's ``work`` and ``verdict`` sockets (protocol.py), closed afterwards. Raises ``ZygoteLost``."""
        (work, their_work), (verdict, their_verdict) = socket.socketpair(), socket.socketpair()
        with work, verdict:
            with their_work, their_verdict:
                self._call(wall_s, [their_work.fileno(), their_verdict.fileno()])
            yield work, verdict

    def _call(self, wall_s: float, descriptors: list[int]) -> None:
        try:
            with self._sending:
                socket.send_fds(self._control, [CALL.pack(wall_s)], descriptors)
        except OSError as error:
            raise ZygoteLost(f"takes no calls: {error}") from error

    def close(self) -> None:
        """End it with all its executions. May be called twice."""
        self._control.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self.folder:
            # One that ended by itself has removed it; one that was killed has not.
            with suppress(OSError):
                remove_tree(self.folder)


def _package_folders() -> list[str]:
    """Where ``PACKAGES`` are installed; found without importing them."""
    specs = [find_spec(name) for name in PACKAGES]
    return sorted({str(Path(spec.origin).resolve().parents[1]) for spec in specs if spec is not None and spec.origin})


def _spawn(control: socket.socket, theirs: socket.socket, options: Options) -> subprocess.Popen[bytes]:
    """Start the process with its end of the control socket. Raises ``ZygoteLost``, after closing ours."""
    arguments = [str(theirs.fileno()), tempfile.gettempdir(), json.dumps(asdict(options)), *_package_folders()]
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-X", "utf8", "-c", BOOT, *arguments],
            env={},
            cwd="/",
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Not reached by the signals that a terminal or a process manager sends to the worker's group.
            start_new_session=True,
        )
    except OSError as error:
        control.close()
        raise ZygoteLost(f"did not start: {error}") from error
