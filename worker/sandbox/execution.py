"""One execution, in the process that was forked for it: read the request, confine, run, answer, end."""

from __future__ import annotations

import json
import os
import signal
import socket
import tempfile
from typing import Any, NoReturn

from worker.sandbox import python_code, templates
from worker.sandbox.bounds import Bounds
from worker.sandbox.confinement import Confinement
from worker.sandbox.protocol import FAILURE

# Names of our own: workflow code may replace those of the module.
_exit = os._exit


def perform(work: int, folder: str, confinement: Confinement) -> NoReturn:
    """Never returns: the process ends with status 0 after an answer, 1 without."""
    status = 1
    try:
        _forget_zygote()
        with socket.socket(fileno=work) as channel:
            channel.setblocking(True)
            request = json.loads(_read_all(channel))
            channel.sendall(_confined_answer(request, confinement, work, folder))
        status = 0
    finally:
        _exit(status)


def _forget_zygote() -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _read_all(channel: socket.socket) -> bytes:
    parts = []
    while part := channel.recv(1 << 18):
        parts.append(part)
    return b"".join(parts)


def _confined_answer(request: dict[str, Any], confinement: Confinement, work: int, folder: str) -> bytes:
    try:
        confinement.apply(work, folder, Bounds(**request["bounds"]))
    except OSError as error:
        return FAILURE + f"The sandbox could not be set up: {error}".encode()
    return _answer(request)


def _answer(request: dict[str, Any]) -> bytes:
    # Without an environment, temporary files would be looked for where nothing may be written.
    tempfile.tempdir = os.getcwd()
    if request["kind"] == "template":
        return templates.answer(request["source"], request["inputs"], request["max_characters"])
    return python_code.answer(request["source"], request["inputs"])
