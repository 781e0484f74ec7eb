"""Waiting for something that another process does: polls with a deadline, never a bare sleep."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(probe: Callable[[], T], what: str, timeout_s: float = 30.0, interval_s: float = 0.02) -> T:
    """The first truthy answer of ``probe``. Raises ``TimeoutError`` that names ``what`` and the last answer."""
    deadline = time.monotonic() + timeout_s
    while not (answer := probe()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {timeout_s:g} s in vain for {what}; last answer: {answer!r}")
        time.sleep(interval_s)
    return answer
