"""How much memory and time a process takes while it is loaded, by /proc."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Footprint:
    resident_kb: int
    threads: int
    #: Seconds of processor time since the process began.
    cpu_s: float

    @classmethod
    def of(cls, pid: int) -> Footprint:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
        # Behind the command's name, which may hold anything: the 12th and 13th field are user and system time.
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return cls(int(status["VmRSS"].split()[0]), int(status["Threads"]), sum(map(int, times)) / TICKS_PER_S)


class Peak:
    """The largest footprint of a process while the block lasts, looked at from a thread every ``interval_s``."""

    def __init__(self, pid: int, interval_s: float = 0.25) -> None:
        self._pid = pid
        self._interval_s = interval_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.resident_kb = 0
        self.threads = 0

    def _watch(self) -> None:
        while not self._is_over.wait(self._interval_s):
            seen = Footprint.of(self._pid)
            self.resident_kb = max(self.resident_kb, seen.resident_kb)
            self.threads = max(self.threads, seen.threads)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._is_over.set()
        self._thread.join()


def processes_with(word: str, pids: Iterable[int]) -> list[int]:
    """Those of ``pids`` whose command line contains ``word``, oldest first: the others are its forks."""
    return sorted(pid for pid in pids if word in Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace"))
