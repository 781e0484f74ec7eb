"""One execution, in the process that was forked for it: read the request, confine, run, answer, end."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import tempfile
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NoReturn

from worker.sandbox import document_text, javascript_code, python_code, templates
from worker.sandbox.bounds import Bounds
from worker.sandbox.confinement import Confinement
from worker.sandbox.protocol import FAILURE

# Names of our own: workflow code may replace those of the module.
_exit = os._exit


@dataclass(frozen=True, slots=True)
class Preparation:
    """What a zygote has ready for its executions."""

    confinement: Confinement
    #: The engine for JavaScript, if there is one.
    engine: ModuleType | None = None


def perform(work: int, folder: str, prepared: Preparation) -> NoReturn:
    """Never returns: the process ends with status 0 after an answer, 1 without."""
    status = 1
    try:
        _forget_zygote()
        with socket.socket(fileno=work) as channel:
            channel.setblocking(True)
            head, _, content = _read_all(channel).partition(b"\n")
            channel.sendall(_confined_answer(json.loads(head), content, prepared, work, folder))
        status = 0
    finally:
        _exit(status)


def _forget_zygote() -> None:
    """What is left of the zygote's own business, and what no two executions may share (forking.py)."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    random.seed()


def _read_all(channel: socket.socket) -> bytes:
    parts = []
    while part := channel.recv(1 << 18):
        parts.append(part)
    return b"".join(parts)


def _confined_answer(request: dict[str, Any], content: bytes, prepared: Preparation, work: int, folder: str) -> bytes:
    try:
        prepared.confinement.apply(work, folder, Bounds(**request["bounds"]))
    except OSError as error:
        return FAILURE + f"The sandbox could not be set up: {error}".encode()
    return _answer(request, content, prepared.engine)


def _answer(request: dict[str, Any], content: bytes, engine: ModuleType | None) -> bytes:
    # Without an environment, temporary files would be looked for where nothing may be written.
    tempfile.tempdir = os.getcwd()
    if request["kind"] == "template":
        return templates.answer(request["source"], request["inputs"], request["max_characters"])
    if request["kind"] == "document":
        return document_text.answer(request["reader"], content, request["bounds"]["answer_bytes"])
    if request["kind"] == "javascript":
        return javascript_code.answer(engine, request["source"], request["inputs"], request["bounds"]["memory_bytes"])
    return python_code.answer(request["source"], request["inputs"])
