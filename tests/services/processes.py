"""Processes of the product under test: started with a clean environment, their output in a file, and gone at the end whatever happens."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.services.waiting import wait_for

#: Environment variable by which a process is recognised as a descendant, wherever it was re-parented to.
MARK = "PENSTOCK_TEST_MARK"

SCRIPTS = Path(sys.executable).parent


def clean_environment(**settings: str) -> dict[str, str]:
    """What a server process needs of ours, with the scripts of this virtual environment on PATH; nothing of PENSTOCK_*."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "LC_ALL", "TMPDIR", "TZ") if name in os.environ}
    path = os.pathsep.join([str(SCRIPTS), os.environ.get("PATH", "")])
    return {**kept, "PATH": path, "PYTHONUNBUFFERED": "1", **settings}


class Process:
    """One command in a session of its own, so that it and its children can be reached together."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str], folder: Path) -> None:
        self.log = log
        self.mark = uuid.uuid4().hex
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env={**environment, MARK: self.mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def output(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def wait_for_output(self, pattern: str, timeout_s: float = 60.0) -> re.Match[str]:
        """First match of ``pattern`` in the output. Raises ``RuntimeError`` with the output if the process ends before."""

        def look() -> re.Match[str] | None:
            found = re.search(pattern, self.output)
            if not found:
                self.check_alive()
            return found

        found = wait_for(look, f"{pattern!r} in {self.log}", timeout_s)
        if found is None:
            raise RuntimeError(f"{pattern!r} did not appear:\n{self.output[-4000:]}")
        return found

    def check_alive(self) -> None:
        if (status := self._process.poll()) is not None:
            raise RuntimeError(f"Process ended with status {status}:\n{self.output[-4000:]}")

    def wait(self, timeout_s: float = 30.0) -> int:
        """Exit status."""
        return self._process.wait(timeout_s)

    def terminate(self) -> None:
        """SIGTERM to the process itself, as an init system or a container runtime sends it."""
        self._process.send_signal(signal.SIGTERM)

    def terminate_all(self) -> None:
        """SIGTERM to every process of the session, as a dyno is ended."""
        self._signal_all(signal.SIGTERM)

    def interrupt(self) -> None:
        """Ctrl-C: SIGINT to every process of the terminal's foreground group."""
        os.killpg(self.pid, signal.SIGINT)

    def kill(self) -> None:
        """`kill -9` of the process and its children: the machine is gone."""
        self._signal_all(signal.SIGKILL)
        self._process.wait(timeout=20)

    def kill_alone(self) -> None:
        """`kill -9` of the process, not of its children: what a kernel does that runs out of memory."""
        self._process.kill()
        self._process.wait(timeout=20)

    def limit_memory(self, room_bytes: int) -> None:
        """Let the process itself have so much more address space than it has now, and no more (Linux)."""
        limit = int(Path(f"/proc/{self.pid}/statm").read_text().split()[0]) * resource.getpagesize() + room_bytes
        resource.prlimit(self.pid, resource.RLIMIT_AS, (limit, limit))

    def pause(self) -> None:
        """Freeze the process and its children; its connections stay open."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal_all(signal.SIGCONT)

    def members(self) -> set[int]:
        """Living processes of the session or descended from it, the process itself included."""
        return set(living_members(self.pid, self.mark))

    def close(self) -> None:
        """Kill whatever is left. May be called twice."""
        for _ in range(3):
            self._signal_all(signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=20)
            if not self.members():
                return

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self.members():
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def living_members(session: int, mark: str) -> Iterator[int]:
    """From /proc where there is one, else (macOS) only the process group of the session's leader, by `ps`."""
    if not Path("/proc/self/stat").exists():
        listed = subprocess.run(["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True).stdout
        rows = (line.split() for line in listed.splitlines())
        yield from (int(pid) for pid, group, state in rows if int(group) == session and not state.startswith("Z"))
        return
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and is_member(entry, session, mark):
            yield int(entry.name)


def is_member(process: Path, session: int, mark: str) -> bool:
    try:
        # The command's name stands in parentheses and may hold anything; state, parent, group and session follow it.
        state, _parent, _group, its_session = (process / "stat").read_text().rpartition(")")[2].split()[:4]
        if state == "Z":
            return False
        return int(its_session) == session or f"{MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return False
