"""Rules that every event log keeps."""

import uuid

import pytest

from tests.contract.bus.conftest import Bus
from worker.bus.ports import LogEntry
from worker.engine.errors import RunFenced


@pytest.fixture
def run_id() -> str:
    return str(uuid.uuid4())


def frames(first: int, last: int) -> list[bytes]:
    return [b'{"n":%d}' % number for number in range(first, last + 1)]


def numbers(entries: list[LogEntry]) -> list[int]:
    return [entry.number for entry in entries]


def test_appended_events_are_read_back_in_order(bus: Bus, run_id: str) -> None:
    assert bus.log.append(run_id, 1, 1, frames(1, 2)) == 2
    assert bus.log.append(run_id, 1, 3, frames(3, 3), is_terminal=True) == 3

    assert bus.log.read(run_id, 0, 10) == [LogEntry(1, b'{"n":1}'), LogEntry(2, b'{"n":2}'), LogEntry(3, b'{"n":3}', is_terminal=True)]


def test_reading_goes_on_after_a_number(bus: Bus, run_id: str) -> None:
    bus.log.append(run_id, 1, 1, frames(1, 12))

    assert numbers(bus.log.read(run_id, 9, 2)) == [10, 11]
    assert bus.log.read(run_id, 12, 2) == []


def test_an_unknown_run_has_no_entries(bus: Bus, run_id: str) -> None:
    assert bus.log.read(run_id, 0, 10) == []


def test_repeating_an_append_changes_nothing(bus: Bus, run_id: str) -> None:
    bus.log.append(run_id, 1, 1, frames(1, 3))

    assert bus.log.append(run_id, 1, 2, frames(2, 4)) == 4
    assert bus.log.append(run_id, 1, 2, frames(2, 3)) == 4

    assert numbers(bus.log.read(run_id, 0, 10)) == [1, 2, 3, 4]


def test_opening_shuts_out_earlier_attempts(bus: Bus, run_id: str) -> None:
    bus.log.append(run_id, 1, 1, frames(1, 3))

    assert numbers(bus.log.open(run_id, 2, after=1)) == [2, 3]

    with pytest.raises(RunFenced):
        bus.log.append(run_id, 1, 4, frames(4, 4))
    with pytest.raises(RunFenced):
        bus.log.open(run_id, 1)
    assert bus.log.append(run_id, 2, 4, frames(4, 4)) == 4


def test_a_lost_log_is_noticed_and_filled_again_from_what_sql_lacks(bus: Bus, run_id: str) -> None:
    bus.log.append(run_id, 1, 1, frames(1, 4))
    bus.lose()

    assert bus.log.append(run_id, 1, 5, frames(5, 5), stored=2) < 5
    assert bus.log.read(run_id, 0, 10) == []

    assert bus.log.append(run_id, 1, 3, frames(3, 5), stored=2) == 5
    assert numbers(bus.log.read(run_id, 0, 10)) == [3, 4, 5]


def test_a_log_that_nobody_opened_is_not_trusted(bus: Bus, run_id: str) -> None:
    bus.log.append(run_id, 1, 1, frames(1, 4))

    bus.log.append(run_id, 2, 3, [b"{}"], stored=2)

    assert bus.log.read(run_id, 0, 10) == [LogEntry(3, b"{}")]


def test_a_long_backlog_is_appended_whole(bus: Bus, run_id: str) -> None:
    assert bus.log.append(run_id, 1, 1, frames(1, 1200), is_terminal=True) == 1200

    entries = bus.log.open(run_id, 2)
    assert numbers(entries) == list(range(1, 1201))
    assert [entry.number for entry in entries if entry.is_terminal] == [1200]


def test_large_frames_survive(bus: Bus, run_id: str) -> None:
    large = [b"x" * 700_000, b"y" * 700_000, b"z" * 1_500_000]

    bus.log.append(run_id, 1, 1, large)

    assert [entry.frame for entry in bus.log.read(run_id, 0, 10)] == large
