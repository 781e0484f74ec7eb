"""The text of an error in workflow code: Python's traceback, but only the frames of that code, and a last line as users know it."""

from __future__ import annotations

import traceback
from collections.abc import Collection

#: Last line of every traceback that the reference's sandbox shows (nodes.md section 6.5).
EXIT_LINE = "error: exit status {status}\n"

#: Characters of an error text; of a longer one, the middle is left out.
MAX_TEXT = 20_000


def failure_text(error: BaseException, files: Collection[str]) -> str:
    """The traceback with the frames of ``files`` alone: the rest is ours and would tell users nothing."""
    trace = traceback.TracebackException.from_exception(error)
    _keep_frames(trace, files)
    return shortened("".join(trace.format())) + EXIT_LINE.format(status=1)


def exit_text(error: SystemExit) -> str:
    """What a script that calls ``sys.exit`` leaves behind."""
    if error.code is None or isinstance(error.code, int):
        return EXIT_LINE.format(status=error.code or 0)
    return f"{shortened(str(error.code))}\n{EXIT_LINE.format(status=1)}"


def shortened(text: str) -> str:
    if len(text) <= MAX_TEXT:
        return text
    return f"{text[: MAX_TEXT // 2]}\n[... {len(text) - MAX_TEXT} characters left out ...]\n{text[-MAX_TEXT // 2 :]}"


def _keep_frames(trace: traceback.TracebackException, files: Collection[str]) -> None:
    """In the error and in those that it was raised from."""
    waiting = [trace]
    while waiting:
        current = waiting.pop()
        current.stack = traceback.StackSummary.from_list([frame for frame in current.stack if frame.filename in files])
        if not current.stack:
            current.stack = None  # type: ignore[assignment]  # Without frames, no heading: as for a syntax error.
        waiting += [linked for linked in (current.__cause__, current.__context__, *(current.exceptions or ())) if linked is not None]
