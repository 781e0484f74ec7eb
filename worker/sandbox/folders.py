"""The folders that executions work in: made for each, and removed with whatever was left there, however it is nested."""

from __future__ import annotations

import os
import secrets


def make_folder(base: str, owner: int | None) -> str:
    """A new folder below ``base``, for its owner alone; None: whoever makes it."""
    folder = f"{base}/{secrets.token_hex(8)}"
    os.mkdir(folder, 0o700)
    if owner is not None:
        os.chown(folder, owner, owner)
    return folder


def clean_up(folder: str) -> None:
    """Remove a folder; if there is anything in it, in a process of its own, since that can take long."""
    try:
        os.rmdir(folder)
    except OSError:
        if os.fork() == 0:
            try:
                remove_tree(folder)
            finally:
                os._exit(0)


def remove_tree(folder: str) -> None:
    """Delete a folder with all in it. Raises ``OSError``.

    Subfolders are first moved beside ``folder``, so that neither recursion nor path lengths have a limit that hostile code could exceed.
    """
    waiting, count = [folder], 0
    while waiting:
        current = waiting.pop()
        for entry in list(os.scandir(current)):
            if entry.is_dir(follow_symlinks=False):
                count += 1
                os.chmod(entry.path, 0o700)
                os.rename(entry.path, f"{folder}.{count}")
                waiting.append(f"{folder}.{count}")
            else:
                os.unlink(entry.path)
        os.rmdir(current)
