import threading

import pytest

from tests.services.waiting import wait_for
from worker.dispatcher import MemoryDispatcher
from worker.quarantine import Quarantine


class FakeCell:
    """A process that ends when the test says so."""

    def __init__(self):
        self._ended = threading.Event()
        self._status = 0
        self.is_draining = False

    def end(self, status=0):
        self._status = status
        self._ended.set()

    def wait(self):
        assert self._ended.wait(10), "the test must end its cells"
        return self._status

    def drain(self):
        self.is_draining = True
        self.end()


class Prison:
    """A quarantine of two slots and all that it did."""

    def __init__(self):
        self.cells = {}
        self.owners = {}
        self.dead = []
        self.dispatcher = MemoryDispatcher()
        self.quarantine = Quarantine(2, self.start, self.dispatcher, self.dead.append)

    def start(self, run_id, task_id, owner):
        if run_id == "impossible":
            raise OSError("no more processes")
        assert task_id == f"task-{run_id}"
        self.owners[run_id] = owner
        self.cells[run_id] = FakeCell()
        return self.cells[run_id]

    def put(self, *run_ids):
        for run_id in run_ids:
            self.quarantine.put(run_id, f"task-{run_id}")

    def started(self, *run_ids):
        wait_for(lambda: set(self.cells) == set(run_ids), f"the start of {run_ids}, not {set(self.cells)}", 10)


@pytest.fixture
def prison():
    made = Prison()
    yield made
    made.quarantine.drain()
    assert made.quarantine.wait_empty(10)


def test_runs_are_executed_as_slots_become_free(prison):
    prison.put("a", "b", "c")
    prison.started("a", "b")

    prison.cells["a"].end()

    prison.started("a", "b", "c")


def test_a_run_that_is_here_already_is_not_executed_twice(prison):
    prison.put("a", "b", "c", "a", "c")
    prison.started("a", "b")
    for name in ("a", "b"):
        prison.cells[name].end()
    prison.started("a", "b", "c")
    prison.cells["c"].end()

    assert prison.quarantine.wait_empty(10)
    assert set(prison.owners) == {"a", "b", "c"}


def test_only_a_death_is_reported_with_the_lease_it_leaves_behind(prison):
    prison.put("well", "dying")
    prison.started("well", "dying")

    prison.cells["well"].end()
    prison.cells["dying"].end(-9)

    assert prison.quarantine.wait_empty(10)
    assert prison.dead == [prison.owners["dying"]]
    assert prison.owners["dying"] != prison.owners["well"]


def test_a_process_that_cannot_be_started_holds_no_slot(prison):
    prison.put("impossible", "a", "b")

    prison.started("a", "b")


def test_draining_sends_on_what_waits_and_tells_every_process(prison):
    prison.put("a", "b", "c")
    prison.started("a", "b")

    prison.quarantine.drain()
    prison.put("late")

    assert prison.dispatcher.sent == [("c", "task-c"), ("late", "task-late")]
    assert prison.quarantine.wait_empty(10)
    assert all(cell.is_draining for cell in prison.cells.values())
