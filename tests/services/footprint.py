"""How much memory and time a process takes, by /proc."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Footprint:
    resident_kb: int
    threads: int
    #: Seconds of processor time since the process began.
    cpu_s: float
    #: The same of its children that have ended and were waited for.
    children_cpu_s: float

    @classmethod
    def of(cls, pid: int) -> Footprint:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
        # Behind the command's name, which may hold anything: fields 12 to 15 are user and system time, the process's and its children's.
        times = [int(time) / TICKS_PER_S for time in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]]
        return cls(int(status["VmRSS"].split()[0]), int(status["Threads"]), sum(times[:2]), sum(times[2:]))


def family(pid: int) -> list[int]:
    """The process and its living descendants."""
    children = defaultdict(list)
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            children[int((entry / "stat").read_text().rpartition(")")[2].split()[1])].append(int(entry.name))
    found = [pid]
    for member in found:
        found += children[member]
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """Processor time of these processes and of all their descendants, dead ones included."""
    total = 0.0
    for pid in pids:
        for member in family(pid):
            with suppress(OSError):
                seen = Footprint.of(member)
                total += seen.cpu_s + seen.children_cpu_s
    return total


def resident_kb(pids: Iterable[int]) -> int:
    """Memory of these processes and their descendants; pages that several share count in each."""
    total = 0
    for member in (member for pid in pids for member in family(pid)):
        with suppress(OSError):
            total += Footprint.of(member).resident_kb
    return total


def proportional_kb(pids: Iterable[int]) -> int:
    """The same, but of a page that n processes share each has one nth: what the machine would have back."""
    total = 0
    for member in (member for pid in pids for member in family(pid)):
        with suppress(OSError):
            lines = Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total
