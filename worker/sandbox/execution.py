"""One execution, in the process that was forked for it: read the request, confine, run, answer, end."""

from __future__ import annotations

import json
import os
import signal
import socket
import tempfile
from typing import Any, NoReturn

from worker.sandbox import document_text, javascript_code, python_code, templates
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
            head, _, content = _read_all(channel).partition(b"\n")
            request = json.loads(head)
            _load_engine(request)
            channel.sendall(_confined_answer(request, content, confinement, work, folder))
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


def _load_engine(request: dict[str, Any]) -> None:
    if request["kind"] == "javascript":
        javascript_code.load(request["engine"])


def _confined_answer(request: dict[str, Any], content: bytes, confinement: Confinement, work: int, folder: str) -> bytes:
    try:
        confinement.apply(work, folder, Bounds(**request["bounds"]))
    except OSError as error:
        return FAILURE + f"The sandbox could not be set up: {error}".encode()
    return _answer(request, content)


def _answer(request: dict[str, Any], content: bytes) -> bytes:
    # Without an environment, temporary files would be looked for where nothing may be written.
    tempfile.tempdir = os.getcwd()
    if request["kind"] == "template":
        return templates.answer(request["source"], request["inputs"], request["max_characters"])
    if request["kind"] == "document":
        return document_text.answer(request["reader"], content, request["bounds"]["answer_bytes"])
    if request["kind"] == "javascript":
        return javascript_code.answer(request["source"], request["inputs"], request["bounds"]["memory_bytes"])
    return python_code.answer(request["source"], request["inputs"])
