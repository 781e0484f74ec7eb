"""Forks executions, watches their time, and tells the worker how each ended."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from worker.sandbox.confinement import UNPRIVILEGED
from worker.sandbox.execution import Preparation, perform
from worker.sandbox.folders import clean_up, make_folder
from worker.sandbox.protocol import CALL, VERDICT, End


@dataclass(slots=True)
class Running:
    """An execution that has not yet been seen to end."""

    process_id: int
    verdict: socket.socket
    folder: str
    #: Monotonic seconds.
    deadline: float
    #: Why it was killed, if it was.
    killed_for: End | None = None

    def kill(self, reason: End) -> None:
        if self.killed_for is None:
            self.killed_for = reason
            os.kill(self.process_id, signal.SIGKILL)


class Supervisor:
    """The loop of a zygote."""

    def __init__(self, control: socket.socket, base: str, prepared: Preparation) -> None:
        self._control = control
        self._base = base
        self._prepared = prepared
        self._owner = UNPRIVILEGED if "uid" in prepared.confinement.parts else None
        self._running: dict[int, Running] = {}
        self._selector = selectors.DefaultSelector()
        self._is_open = True

    def serve(self) -> None:
        """Until the worker closes the control socket."""
        self._control.setblocking(False)
        self._selector.register(self._control, selectors.EVENT_READ, self._accept)
        signals = child_signals()
        self._selector.register(signals, selectors.EVENT_READ, partial(self._reap, signals))
        while self._is_open:
            for key, _ in self._selector.select(self._patience()):
                key.data()
            self._end_overdue()
        for process_id, running in self._running.items():
            running.kill(End.CANCELLED)
            os.waitpid(process_id, 0)

    # ---- starting

    def _accept(self) -> None:
        """One call; the selector reports again if there are more."""
        message, descriptors = self._receive()
        if len(message) != CALL.size:
            self._is_open = False
        elif len(descriptors) == 2:
            self._start(CALL.unpack(message)[0], *descriptors)
        else:
            # Too many files were open for the descriptors to arrive. The worker sees its streams end.
            for descriptor in descriptors:
                os.close(descriptor)

    def _receive(self) -> tuple[bytes, list[int]]:
        try:
            message, descriptors, _, _ = socket.recv_fds(self._control, CALL.size, 2)
        except ConnectionError:
            return b"", []
        return message, descriptors

    def _start(self, wall_s: float, work: int, verdict_descriptor: int) -> None:
        verdict = socket.socket(fileno=verdict_descriptor)
        try:
            folder = make_folder(self._base, self._owner)
            process_id = os.fork()
        except OSError as error:
            os.close(work)
            report(verdict, End.NOT_STARTED, error.errno or 0)
            return
        if process_id == 0:
            perform(work, folder, self._prepared)
        os.close(work)
        running = self._running[process_id] = Running(process_id, verdict, folder, time.monotonic() + wall_s)
        self._selector.register(verdict, selectors.EVENT_READ, partial(self._cancel, running))

    # ---- ending

    def _patience(self) -> float | None:
        """Seconds until the next execution is due to be ended."""
        deadlines = [running.deadline for running in self._running.values() if running.killed_for is None]
        return max(min(deadlines) - time.monotonic(), 0.0) if deadlines else None

    def _end_overdue(self) -> None:
        now = time.monotonic()
        for running in self._running.values():
            if running.deadline <= now:
                running.kill(End.TIMED_OUT)

    def _cancel(self, running: Running) -> None:
        """The worker closed its end: it wants no answer any more."""
        # It may have been reaped since the selector reported this.
        if self._running.get(running.process_id) is running:
            self._selector.unregister(running.verdict)
            running.kill(End.CANCELLED)

    def _reap(self, signals: socket.socket) -> None:
        signals.recv(4096)
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                running = self._running.pop(ended[0], None)
                if running is not None:
                    self._finish(running, os.waitstatus_to_exitcode(ended[1]))

    def _finish(self, running: Running, exit_code: int) -> None:
        with suppress(KeyError):
            self._selector.unregister(running.verdict)
        if running.killed_for is not None:
            report(running.verdict, running.killed_for, 0)
        elif exit_code < 0:
            report(running.verdict, End.SIGNALLED, -exit_code)
        else:
            report(running.verdict, End.EXITED, exit_code)
        # Without memory for a process that does it, the folder stays until the zygote ends.
        with suppress(OSError):
            clean_up(running.folder)


def child_signals() -> socket.socket:
    """Readable after a child has ended."""
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.detach())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return reader


def report(verdict: socket.socket, end: End, detail: int) -> None:
    with verdict, suppress(OSError):
        verdict.send(VERDICT.pack(end, detail))
