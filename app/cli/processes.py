"""Child processes of one command: started in their own groups, restarted when they die, ended together."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

#: Delay before the nth restart in a row: 0.5, 1, 2 ... up to this.
MAX_RESTART_DELAY_S = 30.0
#: A process that lived this long has started well: its earlier deaths no longer count.
STEADY_S = 60.0

PR_SET_PDEATHSIG = 1
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Program:
    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    #: Descriptors that the process inherits.
    pass_fds: Sequence[int] = ()


@dataclass(slots=True)
class Child:
    program: Program
    process: subprocess.Popen[bytes]
    started_at: float
    #: Deaths in a row.
    deaths: int = 0
    #: Monotonic time of the next start; None while it runs.
    restart_at: float | None = None


@dataclass(slots=True)
class Supervisor:
    """Starts programs and keeps them running until a stop signal arrives. Used from the main thread only."""

    say: Callable[[str], None]
    #: Descriptor that takes what the children print.
    output: int
    children: list[Child] = field(default_factory=list)
    #: A stop signal has arrived.
    is_stopping: bool = False
    #: Becomes readable when a signal arrives.
    _news: socket.socket | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take over the stop signals and the news of dead children, for the rest of the process's life.

        Signals are waited for through a descriptor: one that arrives just before a blocking call would not interrupt it.
        """
        self._news, waker = socket.socketpair()
        with self._news, waker:
            self._news.setblocking(False)
            waker.setblocking(False)
            signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
            for number in STOP_SIGNALS:
                signal.signal(number, self._on_stop)
            signal.signal(signal.SIGCHLD, lambda number, frame: None)
            try:
                yield
            finally:
                signal.set_wakeup_fd(-1)

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        self.is_stopping = True

    def start(self, program: Program) -> Child:
        child = Child(program, spawn(program, self.output), time.monotonic())
        self.children.append(child)
        return child

    def run(self) -> None:
        """Keep the children alive until a stop is asked for."""
        while not self.is_stopping:
            self.wait(self.revive())

    def wait(self, timeout_s: float | None) -> None:
        """Sleep until a signal arrives; only while listening."""
        assert self._news is not None
        select.select([self._news], [], [], timeout_s)
        with contextlib.suppress(BlockingIOError):
            self._news.recv(4096)

    def revive(self) -> float | None:
        """Restart what is due; seconds until the next restart, None if nothing is waiting for one."""
        now = time.monotonic()
        for child in self.children:
            if child.restart_at is None and child.process.poll() is not None:
                self._bury(child, now)
            if child.restart_at is not None and child.restart_at <= now:
                child.process, child.started_at, child.restart_at = spawn(child.program, self.output), now, None
        waiting = [child.restart_at for child in self.children if child.restart_at is not None]
        return max(0.0, min(waiting) - now) if waiting else None

    def _bury(self, child: Child, now: float) -> None:
        kill_group(child.process.pid, signal.SIGKILL)
        child.deaths = 1 if now - child.started_at > STEADY_S else child.deaths + 1
        delay_s = min(MAX_RESTART_DELAY_S, 0.25 * 2**child.deaths)
        child.restart_at = now + delay_s
        self.say(f"{child.program.name} {ending_of(child.process.returncode)}; starting it again in {delay_s:g} s.")

    def end(self, children: Sequence[Child], timeout_s: float) -> None:
        """SIGTERM, and SIGKILL to the groups of those that are still there after ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        for child in children:
            if child.process.poll() is None:
                child.process.terminate()
        for child in children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline - time.monotonic()))
        for child in children:
            kill_group(child.process.pid, signal.SIGKILL)
            child.process.wait()
        self.children = [child for child in self.children if child not in children]


def spawn(program: Program, output: int) -> subprocess.Popen[bytes]:
    """Start a program in its own session, with no standard input; what it prints goes to the descriptor ``output``.

    On Linux it gets SIGTERM when this process dies, however it dies.
    """
    return subprocess.Popen(
        program.argv,
        env=program.env,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=program.pass_fds,
        start_new_session=True,
        preexec_fn=_die_with_parent() if sys.platform == "linux" else None,
    )


def _die_with_parent() -> Callable[[], None]:
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def preexec() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # It died before the line above.
            os.kill(os.getpid(), signal.SIGTERM)

    return preexec


def kill_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def ending_of(code: int) -> str:
    return f"ended with code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"
