"""What goes on beside a load, on threads of its own: faults again and again, and a line now and then that says how it goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tests.faults.harness.faults import Fault, Trouble


@contextmanager
def harmed(trouble: Trouble, plan: Sequence[Fault], expected_s: float) -> Iterator[None]:
    """Every fault of the plan, from a thread of its own, until the end of the block; then everything is whole again."""
    is_over = threading.Event()
    threads = [threading.Thread(target=repeat, args=(fault, trouble, expected_s, is_over), name=fault.inject.__name__) for fault in plan]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def repeat(fault: Fault, trouble: Trouble, expected_s: float, is_over: threading.Event) -> None:
    # Every fault happens, however short the whole is.
    interval_s = min(fault.every_s, expected_s / 2)
    due_at = time.monotonic()
    while True:
        due_at = max(due_at + interval_s, time.monotonic())
        if is_over.wait(due_at - time.monotonic()):
            return
        try:
            fault.inject(trouble)
        except Exception as error:  # The others go on; the report says it, and the whole has failed.
            trouble.problems.append(f"{fault.inject.__name__} itself failed: {error!r}")


@contextmanager
def told(line: Callable[[], str], every_s: float) -> Iterator[None]:
    """What ``line`` says, every so many seconds, until the end of the block."""
    began = time.monotonic()
    with repeated(lambda: say(f"{time.monotonic() - began:5.0f} s: {line()}"), every_s):
        yield


@contextmanager
def repeated(work: Callable[[], None], every_s: float) -> Iterator[None]:
    """``work`` on a thread of its own, every so many seconds, until the end of the block."""
    is_over = threading.Event()

    def go_on() -> None:
        while not is_over.wait(every_s):
            work()

    thread = threading.Thread(target=go_on, name="repeated")
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def say(line: str) -> None:
    print(line, flush=True)
