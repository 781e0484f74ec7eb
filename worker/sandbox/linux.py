"""The few Linux calls that Python has no name for. Each raises ``OSError`` where the kernel refuses."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from typing import Any

IS_LINUX = sys.platform == "linux"

PR_SET_PDEATHSIG = 1
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38

CLONE_NEWNS = 0x0002_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWNET = 0x4000_0000

MS_NOSUID = 2
MS_NODEV = 4
MS_REC = 0x4000
MS_PRIVATE = 0x4_0000
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def call(function: str, *arguments: Any) -> int:
    """A function of the C library that answers -1 on failure. Integers are passed as C long, bytes as text."""
    if not IS_LINUX:
        raise OSError(errno.ENOSYS, f"{function}: only on Linux")
    result = int(getattr(_libc, function)(*(ctypes.c_long(item) if isinstance(item, int) else item for item in arguments)))
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")
    return result


def prctl(option: int, argument: Any, further: Any = 0) -> None:
    call("prctl", option, argument, further, 0, 0)


def syscall(number: int, *arguments: Any) -> int:
    return call("syscall", number, *arguments)


def leave_namespaces(*, keep_network: bool) -> None:
    """Own mounts, own (empty) network, own System V IPC for this process and its children. Needs CAP_SYS_ADMIN."""
    call("unshare", CLONE_NEWNS | CLONE_NEWIPC | (0 if keep_network else CLONE_NEWNET))
    call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)


def mount_memory(folder: str, options: str) -> None:
    """A file system in memory at ``folder``."""
    call("mount", b"tmpfs", os.fsencode(folder), b"tmpfs", MS_NOSUID | MS_NODEV, options.encode())


def unmount(folder: str) -> None:
    call("umount2", os.fsencode(folder), MNT_DETACH)
