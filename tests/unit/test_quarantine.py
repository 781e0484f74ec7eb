import threading

import pytest

from tests.services.waiting import wait_for
from worker.dispatcher import MemoryDispatcher
from worker.quarantine import Quarantine


class FakeCell:
    """A process whose runs end when the test says so."""

    def __init__(self, prison, number):
        self.owner = f"cell-{number}"
        self.runs = []
        self.is_draining = False
        self.is_closed = False
        self._prison = prison
        self._over = threading.Event()
        self._status = 0

    def end(self, status=0):
        """The run, or with a status the process."""
        self._status = status
        self._over.set()

    def execute(self, run_id, task_id, queue):
        assert task_id == f"task-{run_id}"
        assert not self._over.is_set()
        self.runs.append(run_id)
        self._prison.cells[run_id] = self
        assert self._over.wait(10), "the test must end its runs"
        self._over.clear()
        return self._status == 0

    def drain(self):
        self.is_draining = True
        self.end()

    def close(self):
        self.is_closed = True
        return self._status


class Prison:
    """A quarantine of two slots and all that it did."""

    def __init__(self, idle_s=0.0):
        #: By the run that they execute.
        self.cells = {}
        self.opened = []
        self.dead = []
        self.is_full = False
        self.dispatcher = MemoryDispatcher()
        self.quarantine = Quarantine(2, self.start, self.dispatcher, self.dead.append, idle_s)

    def start(self):
        if self.is_full:
            raise OSError("no more processes")
        cell = FakeCell(self, len(self.opened))
        self.opened.append(cell)
        return cell

    def put(self, *run_ids):
        for run_id in run_ids:
            self.quarantine.put(run_id, f"task-{run_id}")

    def started(self, *run_ids):
        wait_for(lambda: set(self.cells) == set(run_ids), f"the start of {run_ids}, not {set(self.cells)}", 10)

    def leave(self):
        self.quarantine.drain()
        assert self.quarantine.wait_empty(10)


@pytest.fixture
def prison():
    made = Prison()
    yield made
    made.leave()


@pytest.fixture
def patient():
    """Its processes wait for more runs."""
    made = Prison(idle_s=60.0)
    yield made
    made.leave()


def test_runs_are_executed_as_slots_become_free(prison):
    prison.put("a", "b", "c")
    prison.started("a", "b")

    prison.cells["a"].end()

    prison.started("a", "b", "c")


def test_a_process_that_has_outlived_a_run_takes_the_next_one(patient):
    patient.put("a", "b")
    patient.started("a", "b")
    patient.cells["a"].end()

    patient.put("c")
    patient.started("a", "b", "c")

    assert patient.cells["c"] is patient.cells["a"]
    assert len(patient.opened) == 2


def test_a_process_that_nothing_comes_for_ends(prison):
    prison.put("a")
    prison.started("a")
    prison.cells["a"].end()

    assert prison.quarantine.wait_empty(10)
    assert prison.opened[0].is_closed
    prison.put("b")
    prison.started("a", "b")


def test_a_run_that_is_here_already_is_not_executed_twice(prison):
    prison.put("a", "b", "c", "a", "c")
    prison.started("a", "b")
    # By now it is being executed.
    prison.put("a")
    for name in ("a", "b"):
        prison.cells[name].end()
    prison.started("a", "b", "c")
    prison.cells["c"].end()

    assert prison.quarantine.wait_empty(10)
    assert sorted(run for cell in prison.opened for run in cell.runs) == ["a", "b", "c"]


def test_only_a_death_is_reported_with_the_lease_it_leaves_behind(patient):
    patient.put("well", "dying")
    patient.started("well", "dying")

    patient.cells["well"].end()
    patient.cells["dying"].end(-9)

    wait_for(lambda: patient.dead, "the report of a death", 10)
    assert patient.dead == [patient.cells["dying"].owner]
    assert not patient.cells["well"].is_closed


def test_after_a_death_the_next_run_gets_another_process(prison):
    prison.put("a", "b", "c")
    prison.started("a", "b")
    prison.cells["a"].end(-9)

    prison.started("a", "b", "c")

    assert prison.cells["c"] is not prison.cells["a"]


def test_a_process_that_cannot_be_started_holds_no_slot(prison):
    prison.is_full = True
    prison.put("impossible")
    assert prison.quarantine.wait_empty(10)
    prison.is_full = False

    prison.put("a", "b")

    prison.started("a", "b")


def test_draining_sends_on_what_waits_and_tells_every_process(patient):
    patient.put("a", "b", "c")
    patient.started("a", "b")

    patient.quarantine.drain()
    patient.put("late")

    assert patient.dispatcher.sent == [("c", "task-c"), ("late", "task-late")]
    assert patient.quarantine.wait_empty(10)
    assert all(cell.is_draining and cell.is_closed for cell in patient.cells.values())
