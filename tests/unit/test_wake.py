"""Whom a task that ends wakes: a loop that may be waiting for its slot, and no other."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from celery import signals
from celery.worker import state
from kombu.asynchronous import Hub

from worker.wake import MARGIN, SlotWake

SLOTS = 20


class Received:
    """What Celery notes of a message that has a slot."""


@pytest.fixture
def wake() -> Iterator[SlotWake]:
    hub = Hub()
    made = SlotWake(hub, SLOTS)
    made.start()
    yield made
    made.stop()
    hub.close()


def is_woken(wake: SlotWake, taken: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    held: list[Any] = [Received() for _ in range(taken)]
    monkeypatch.setattr(state, "reserved_requests", set(held))
    signals.task_postrun.send(sender=None)
    try:
        return os.read(wake._reader, 10) == b"."
    except BlockingIOError:
        return False


@pytest.mark.parametrize("taken", [SLOTS, SLOTS - MARGIN])
def test_a_loop_that_may_wait_for_a_slot_is_woken(wake: SlotWake, taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_woken(wake, taken, monkeypatch)


def test_a_loop_with_slots_to_spare_is_left_alone(wake: SlotWake, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_woken(wake, SLOTS - MARGIN - 1, monkeypatch)
