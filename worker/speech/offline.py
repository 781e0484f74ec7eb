"""A voice without any account, for demos and tests: ``PENSTOCK_SPEECH_MODEL=offline/en`` with ``penstock[voice]``."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from worker.engine.models import NOT_INITIALIZED, ModelError, Stopper
from worker.speech.offline_main import NOT_INSTALLED

#: Name of the provider in settings.
OFFLINE = "offline"

PROGRAM = Path(__file__).with_name("offline_main.py")

#: What names of voices look like: ``en``, ``de``, ``cmn``, ``en-us+f3``. Others could lead out of the folder of the voices.
VOICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+_-]{0,39}")

PIECE_BYTES = 8192


def speak_offline(text: str, voices: Sequence[str], cancellation: Stopper | None = None) -> Iterator[bytes]:
    """MP3 in pieces; the first of the voices that is known speaks. Raises ``ModelError``."""
    command = [sys.executable, "-I", str(PROGRAM), *filter(VOICE.fullmatch, voices)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}) as process:
        forget = cancellation.on_cancel(process.kill) if cancellation is not None else None
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            _give(process.stdin, text.encode("utf-8", "replace").replace(b"\0", b" "))
            while piece := process.stdout.read(PIECE_BYTES):
                yield piece
            _check(process.wait(), cancellation)
        finally:
            if forget is not None:
                forget()
            process.kill()


def _give(pipe: IO[bytes], text: bytes) -> None:
    try:
        pipe.write(text)
        pipe.close()
    except BrokenPipeError:
        # The program has ended already; its exit status says why.
        return


def _check(status: int, cancellation: Stopper | None) -> None:
    if cancellation is not None:
        cancellation.check()
    if status == NOT_INSTALLED:
        raise ModelError("The offline voice is not installed: pip install 'penstock[voice]'.", code=NOT_INITIALIZED)
    if status != 0:
        raise ModelError(f"The offline voice failed with status {status}.")
