"""Tells Celery's event loop that a slot became free.

With ``worker_disable_prefetch`` the loop asks Redis for a task only while a slot is free, and a task that ends in a thread does not wake
it: it would notice a second later. Measured with 32 slots and 32 clients: 57 to 113 runs/s without, 200 with slots to spare.
"""

from __future__ import annotations

import os
from typing import Any

from celery import signals
from celery.worker import state

#: Seconds from the end of a task to its slot being counted as free: Celery does that just behind the signal.
SETTLE_S = 0.002


#: Slots that may be free before a task that ends has nobody to wake. The loop may fill that many while the task is ending.
MARGIN = 8


class SlotWake:
    """A pipe into the loop; ``task_postrun`` writes to it from the thread that ran the task, if the loop may be waiting for a slot."""

    def __init__(self, hub: Any, slots: int) -> None:
        self._hub = hub
        self._slots = slots
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def start(self) -> None:
        self._hub.add_reader(self._reader, self._on_slot)
        signals.task_postrun.connect(self._on_task, weak=False)

    def stop(self) -> None:
        signals.task_postrun.disconnect(self._on_task)
        self._hub.remove_reader(self._reader)
        os.close(self._reader)
        os.close(self._writer)

    def _on_task(self, **details: Any) -> None:
        if len(state.reserved_requests) < self._slots - MARGIN:
            return
        try:
            os.write(self._writer, b".")
        except OSError:
            # A full pipe wakes the loop just as well; a closed one has no loop behind it any more.
            return

    def _on_slot(self) -> None:
        os.read(self._reader, 4096)
        # The loop looks for free slots before it waits again; this makes it come round once more.
        self._hub.call_later(SETTLE_S, _nothing)


def _nothing() -> None:
    """What a timer is for whose only purpose is to end a wait."""
