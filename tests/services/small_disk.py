"""A disk that can be filled without harm: a file system of a few megabytes, seen by the processes that are started on it alone (Linux)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

#: Without privileges of its own a process may mount in a user namespace, where it passes for root.
NAMESPACES = ("--mount",) if os.geteuid() == 0 else ("--mount", "--user")


def why_not() -> str:
    """Why this machine has none; empty if it has."""
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return "unshare and nsenter are Linux's"
    tried = subprocess.run([*launcher(Path("/mnt"), 1), "true"], capture_output=True, text=True)
    return tried.stderr.strip()


def launcher(folder: Path, size_mb: int) -> list[str]:
    """Command that becomes another one, for which ``folder`` is a disk of its own."""
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    mount = f'mount -t tmpfs -o size={size_mb}m penstock "$0" && exec "$@"'
    return ["unshare", *NAMESPACES, *as_root, "sh", "-c", mount, str(folder)]


def entrance(pid: int) -> list[str]:
    """Command that becomes another one, which sees the disk of the process ``pid``."""
    return ["nsenter", f"--target={pid}", *NAMESPACES, *([] if os.geteuid() == 0 else ["--preserve-credentials"])]


def fill(enter: Sequence[str], folder: Path) -> None:
    """Leave no byte of it free."""
    subprocess.run([*enter, "sh", "-c", 'cat /dev/zero > "$0/ballast"', str(folder)], stderr=subprocess.DEVNULL)


def relieve(enter: Sequence[str], folder: Path) -> None:
    subprocess.run([*enter, "rm", str(folder / "ballast")], check=True)
