"""Which files a process may touch, decided by the kernel's Landlock: no privilege needed, nothing is lifted again.

https://docs.kernel.org/userspace-api/landlock.html; structures and numbers are those of ``linux/landlock.h``.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from worker.sandbox import linux

# The numbers are the same on every machine.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
ASK_VERSION = 1
RULE_PATH_BENEATH = 1

# Rights on files.
WRITE_FILE, READ_FILE, READ_DIR = 1 << 1, 1 << 2, 1 << 3
#: Number of rights on files that a version knows.
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
NEWEST_FILE_RIGHTS = 16

#: Binding and connecting TCP sockets, since version 4.
TCP = 0b11
#: Abstract Unix sockets and signals to processes outside, since version 6.
SCOPES = 0b11

READABLE = READ_FILE | READ_DIR
#: What a device such as /dev/null needs.
DEVICE = READ_FILE | WRITE_FILE


def version() -> int:
    """Version of Landlock in the running kernel; 0 if it has none or it is switched off."""
    if not linux.IS_LINUX:
        return 0
    try:
        return linux.syscall(CREATE_RULESET, None, 0, ASK_VERSION)
    except OSError:
        return 0


@dataclass(frozen=True, slots=True)
class Rules:
    """What processes may read, in the kernel's form: made once, and given to a ruleset for each."""

    #: ``struct landlock_ruleset_attr``
    attributes: bytes
    #: All rights on files that the kernel knows.
    everything: int
    #: ``struct landlock_path_beneath_attr`` each
    readable: tuple[bytes, ...]

    @classmethod
    def of(cls, readable: Sequence[int], *, allow_network: bool = False) -> Rules | None:
        """``readable``: descriptors of folders or of devices (which may also be written). None: this kernel has no Landlock."""
        known = version()
        if not known:
            return None
        everything = (1 << FILE_RIGHTS.get(known, NEWEST_FILE_RIGHTS)) - 1
        rules = tuple(_rule(place, _rights_to_read(place) & everything) for place in readable)
        return cls(_attributes(known, everything, 0 if allow_network else TCP), everything, rules)


def restrict(rules: Rules, writable: int) -> None:
    """From now on this thread reads what the rules say, and does what it likes beneath ``writable``, a descriptor.

    Needs PR_SET_NO_NEW_PRIVS. Raises ``OSError``.
    """
    ruleset = linux.syscall(CREATE_RULESET, rules.attributes, len(rules.attributes), 0)
    try:
        for rule in (*rules.readable, _rule(writable, rules.everything)):
            linux.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, 0)
        linux.syscall(RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _attributes(known: int, everything: int, connections: int) -> bytes:
    attributes = struct.pack("=Q", everything)
    if known >= 4:
        attributes += struct.pack("=Q", connections)
    if known >= 6:
        attributes += struct.pack("=Q", SCOPES)
    return attributes


def _rule(place: int, rights: int) -> bytes:
    return struct.pack("=Qi", rights, place)


def _rights_to_read(place: int) -> int:
    mode = os.fstat(place).st_mode
    if stat.S_ISDIR(mode):
        return READABLE
    return DEVICE if stat.S_ISCHR(mode) else READ_FILE
