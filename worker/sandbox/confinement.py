"""What the process of an execution gives up before it runs anything: resources, privileges, files, system calls.

Which parts the machine offers is found out once, by trying (``probe``). Each execution then takes all of them or does not run: there
is no silent falling back.
"""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from worker.sandbox import landlock, linux, seccomp
from worker.sandbox.bounds import Bounds

#: "nobody": owns nothing, and exists everywhere.
UNPRIVILEGED = 65534

#: Read by the interpreter and the libraries it loads: shared objects, time zones, devices.
SYSTEM_PLACES = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/dev/null",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
)

#: Read, where code may use the network, to find names and to check certificates.
NETWORK_PLACES = (
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
)

#: No descriptor has a higher number: zygotes keep few open.
LAST_DESCRIPTOR = 1 << 16


@dataclass(frozen=True, slots=True)
class Confinement:
    #: Names of ``STEPS`` that this machine offers, in their order.
    parts: tuple[str, ...] = ()
    #: Descriptors of what may be read; closed when Landlock knows them.
    readable: tuple[int, ...] = ()
    #: Descriptors that stay open: folders of the library that only root could reach by name.
    kept: tuple[int, ...] = ()
    allow_network: bool = False
    #: What the parts need, in the kernel's form: made before the fork, so that it costs no execution anything.
    rules: landlock.Rules | None = None
    filter: bytes = b""

    @classmethod
    def of(
        cls, parts: Sequence[str], readable: Sequence[int] = (), kept: Sequence[int] = (), *, allow_network: bool = False
    ) -> Confinement:
        rules = landlock.Rules.of(readable, allow_network=allow_network)
        steps = seccomp.prepare(allow_network=allow_network, owns_files="uid" not in parts)
        return cls(tuple(parts), tuple(readable), tuple(kept), allow_network, rules, steps)

    def apply(self, work: int, folder: str, bounds: Bounds) -> None:
        """Confine this process to ``folder`` and the descriptor ``work``. Raises ``OSError`` if any part fails."""
        # A group, so that signals to one reach no other, and no session: the kernel's scheduler would count each execution as much as the
        # whole worker, and making one took 2 ms of a busy machine's time.
        os.setpgid(0, 0)
        os.umask(0o077)
        os.chdir(folder)
        close_all_but({work, *self.kept, *self.readable})
        for part in self.parts:
            STEPS[part](self)
        # Last, since what may be read takes more descriptors than code may have.
        limit(bounds, may_start_threads="seccomp" in self.parts)


def limit(bounds: Bounds, *, may_start_threads: bool) -> None:
    """Resource limits. Without a system call filter no threads either: the limit on them is the only one on processes."""
    amounts = {
        "RLIMIT_AS": bounds.memory_bytes,
        "RLIMIT_CPU": bounds.cpu_s,
        "RLIMIT_FSIZE": bounds.file_bytes,
        "RLIMIT_NOFILE": bounds.open_files,
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
    }
    if not may_start_threads:
        amounts["RLIMIT_NPROC"] = 0
    for name, amount in amounts.items():
        if hasattr(resource, name):
            # At the first limit of processor time comes a signal that says so, a second later one that cannot be ignored.
            _set_limit(getattr(resource, name), amount, amount + 1 if name == "RLIMIT_CPU" else amount)


def _set_limit(which: int, soft: int, hard: int) -> None:
    _, highest = resource.getrlimit(which)
    if highest != resource.RLIM_INFINITY:
        soft, hard = min(soft, highest), min(hard, highest)
    try:
        resource.setrlimit(which, (soft, hard))
    except (ValueError, OSError):
        # macOS knows RLIMIT_AS but refuses to set it.
        if linux.IS_LINUX:
            raise


def drop_identity(_: Confinement) -> None:
    """From root to nobody, with nobody's rights on files and processes."""
    os.setgroups([])
    os.setgid(UNPRIVILEGED)
    os.setuid(UNPRIVILEGED)


def drop_privileges(_: Confinement) -> None:
    """No program run from here gains rights, and the process does not outlive its zygote.

    After the change of identity, which would undo the second.
    """
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    linux.prctl(linux.PR_SET_PDEATHSIG, int(signal.SIGKILL))


def enter_landlock(confinement: Confinement) -> None:
    """See what is readable, and write in the current folder."""
    assert confinement.rules is not None, "probed"
    here = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    landlock.restrict(confinement.rules, here)
    for descriptor in (here, *confinement.readable):
        os.close(descriptor)


def filter_calls(confinement: Confinement) -> None:
    seccomp.install(confinement.filter, os.getpid())


#: Parts of a confinement, beside the resource limits, in the order in which they must be taken.
STEPS: dict[str, Callable[[Confinement], None]] = {
    "uid": drop_identity,
    "no-new-privs": drop_privileges,
    "landlock": enter_landlock,
    "seccomp": filter_calls,
}


def close_all_but(kept: set[int]) -> None:
    """Every descriptor but standard input, output and error, which are /dev/null, and these."""
    first = 3
    for descriptor in sorted(kept):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, LAST_DESCRIPTOR)


def open_places(places: Iterable[str]) -> tuple[int, ...]:
    """Descriptors for Landlock, which only name the places; what does not exist is left out."""
    if not landlock.version():
        return ()
    found = dict.fromkeys(os.path.realpath(place) for place in places)
    return tuple(os.open(place, os.O_PATH) for place in found if os.path.exists(place))


def probe(readable: tuple[int, ...], folder: str, paths: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Try the parts in a process of its own, with its folder. Answers those that work, and which ``paths`` it then cannot read."""
    reader, writer = os.pipe()
    process_id = os.fork()
    if process_id == 0:
        _report_parts(Confinement.of((), readable), writer, folder, paths)
    os.close(writer)
    with open(reader, "rb") as report:
        parts, unreadable = json.load(report)
    os.waitpid(process_id, 0)
    return tuple(parts), unreadable


def _report_parts(confinement: Confinement, writer: int, folder: str, paths: Sequence[str]) -> None:
    """In the trial process; does not return."""
    try:
        os.chdir(folder)
        working = [part for part in STEPS if _works(part, confinement)]
        unreadable = [path for path in paths if not os.access(path, os.R_OK)]
        os.write(writer, json.dumps([working, unreadable]).encode())
    finally:
        os._exit(0)


def _works(part: str, confinement: Confinement) -> bool:
    if (part == "landlock" and confinement.rules is None) or (part == "seccomp" and not confinement.filter):
        return False
    try:
        STEPS[part](confinement)
    except OSError:
        return False
    return True
