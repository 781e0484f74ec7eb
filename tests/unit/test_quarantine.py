import threading

import pytest

from tests.services.waiting import wait_for
from worker.dispatcher import MemoryDispatcher
from worker.quarantine import Quarantine, Suspect


class FakeCell:
    """A process whose runs end when the test says so."""

    def __init__(self, prison, number):
        self.owner = f"cell-{number}"
        self.runs = []
        self.is_draining = False
        self.is_closed = False
        self._prison = prison
        self._changed = threading.Condition()
        self._over = set()
        self._status = None

    def end(self, run_id):
        with self._changed:
            self._over.add(run_id)
            self._changed.notify_all()

    def die(self, status=-9):
        with self._changed:
            self._status = status
            self._changed.notify_all()

    def execute(self, suspect):
        assert suspect.task_id == f"task-{suspect.run_id}"
        assert self._status is None
        self.runs.append(suspect.run_id)
        self._prison.cells[suspect.run_id] = self
        with self._changed:
            is_over = self._changed.wait_for(lambda: suspect.run_id in self._over or self._status is not None, 10)
        assert is_over, "the test must end its runs"
        return suspect.run_id in self._over

    def drain(self):
        self.is_draining = True
        with self._changed:
            self._over.update(self.runs)
            self._changed.notify_all()

    def close(self):
        self.is_closed = True
        return self._status or 0


class Prison:
    """A quarantine of two slots and three shared seats, and all that it did."""

    def __init__(self, idle_s=0.0):
        #: By the run that they execute.
        self.cells = {}
        self.opened = []
        self.dead = []
        self.is_full = False
        self.dispatcher = MemoryDispatcher()
        self.quarantine = Quarantine(2, self.start, self.dispatcher, self.dead.append, shared_seats=3, idle_s=idle_s)

    def start(self):
        if self.is_full:
            raise OSError("no more processes")
        cell = FakeCell(self, len(self.opened))
        self.opened.append(cell)
        return cell

    def put(self, *run_ids, shares=False):
        for run_id in run_ids:
            self.quarantine.put(Suspect(run_id, f"task-{run_id}", shares=shares))

    def end(self, *run_ids):
        for run_id in run_ids:
            self.cells[run_id].end(run_id)

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

    prison.end("a")

    prison.started("a", "b", "c")


def test_a_process_that_has_outlived_a_run_takes_the_next_one(patient):
    patient.put("a", "b")
    patient.started("a", "b")
    patient.end("a")

    patient.put("c")
    patient.started("a", "b", "c")

    assert patient.cells["c"] is patient.cells["a"]
    assert len(patient.opened) == 2


def test_a_process_that_nothing_comes_for_ends(prison):
    prison.put("a")
    prison.started("a")
    prison.end("a")

    assert prison.quarantine.wait_empty(10)
    assert prison.opened[0].is_closed
    prison.put("b")
    prison.started("a", "b")


def test_a_run_that_is_here_already_is_not_executed_twice(prison):
    prison.put("a", "b", "c", "a", "c")
    prison.started("a", "b")
    # By now it is being executed.
    prison.put("a")
    prison.end("a", "b")
    prison.started("a", "b", "c")
    prison.end("c")

    assert prison.quarantine.wait_empty(10)
    assert sorted(run for cell in prison.opened for run in cell.runs) == ["a", "b", "c"]


def test_only_a_death_is_reported_with_the_lease_it_leaves_behind(patient):
    patient.put("well", "dying")
    patient.started("well", "dying")

    patient.end("well")
    patient.cells["dying"].die()

    wait_for(lambda: patient.dead, "the report of a death", 10)
    assert patient.dead == [patient.cells["dying"].owner]
    assert not patient.cells["well"].is_closed


def test_after_a_death_the_next_run_gets_another_process(prison):
    prison.put("a", "b", "c")
    prison.started("a", "b")
    prison.cells["a"].die()

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


def test_runs_that_may_share_are_together(prison):
    prison.put("a", "b")
    prison.put("c", "d", shares=True)

    prison.started(*"abcd")
    assert prison.cells["c"] is prison.cells["d"]
    assert len(prison.opened) == 3


def test_the_shared_process_has_so_many_seats(patient):
    patient.put(*"abcd", shares=True)
    wait_for(lambda: len(patient.cells) == 3, "three runs in the shared process", 10)
    assert len(patient.opened) == 1

    patient.end(*(set("ab") & set(patient.cells)))

    patient.started(*"abcd")
    assert len(patient.opened) == 1


def test_a_run_that_must_be_alone_never_takes_a_shared_seat(patient):
    patient.put("a", "b")
    patient.started(*"ab")
    patient.put("c", shares=True)
    patient.started(*"abc")
    patient.put("loner")
    # Its seat is idle from here on, and others free.
    patient.end("c")
    patient.put("d", shares=True)
    patient.started(*"abcd")

    patient.end("a")

    patient.started(*"abcd", "loner")
    assert patient.cells["loner"] is patient.cells["a"]


def test_a_run_that_must_be_alone_takes_a_free_slot_while_shared_seats_are_idle(patient):
    patient.put("a", "b", shares=True)
    patient.started(*"ab")
    patient.end("a", "b")

    patient.put("loner")

    patient.started(*"ab", "loner")
    assert patient.cells["loner"] is not patient.cells["a"]


def test_the_death_of_a_shared_process_is_reported_once_and_its_runs_are_sent_again(patient):
    patient.put("alone")
    patient.put(*"abc", shares=True)
    patient.started(*"abc", "alone")
    shared = patient.cells["a"]

    shared.die()

    wait_for(lambda: len(patient.dispatcher.sent) == 3, "the messages of its runs", 10)
    assert sorted(patient.dispatcher.sent) == [(name, f"task-{name}") for name in "abc"]
    assert patient.dead == [shared.owner]
    patient.put("d", shares=True)
    patient.started(*"abcd", "alone")
    assert patient.cells["d"] is not shared


def test_a_shared_process_that_nothing_comes_for_ends(prison):
    prison.put("a", "b", shares=True)
    prison.started(*"ab")
    prison.end("a")
    prison.end("b")

    assert prison.quarantine.wait_empty(10)
    assert prison.opened[0].is_closed


def test_a_process_that_comes_too_late_for_a_drain_gets_no_run():
    prison = Prison(idle_s=60.0)
    opening, opened = threading.Event(), threading.Event()
    start = prison.start

    def start_slowly():
        opening.set()
        assert opened.wait(10)
        return start()

    prison.quarantine = Quarantine(1, start_slowly, prison.dispatcher, prison.dead.append, shared_seats=1)
    prison.put("a")
    assert opening.wait(10)

    prison.quarantine.drain()
    opened.set()

    assert prison.quarantine.wait_empty(10)
    assert prison.dispatcher.sent == [("a", "task-a")]
    assert [cell.is_closed for cell in prison.opened] == [True]
    assert not prison.cells


class Returning(MemoryDispatcher):
    """Its messages come to the worker that sent them, at once."""

    def __init__(self, prison):
        super().__init__()
        self._prison = prison

    def send(self, run_id, task_id, queue=None):
        self._prison.put(run_id)
        return super().send(run_id, task_id, queue)


def test_a_run_whose_process_died_may_come_back_at_once(prison):
    prison.quarantine = Quarantine(2, prison.start, Returning(prison), prison.dead.append, shared_seats=3, idle_s=0.0)
    prison.put("a")
    prison.started("a")
    first = prison.cells["a"]

    first.die()

    wait_for(lambda: prison.cells["a"] is not first, "another process for the run", 10)
    prison.end("a")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_start_that_fails_in_an_unforeseen_way_leaves_nobody_waiting(prison):
    refusals = [RuntimeError("can't start new thread"), RuntimeError("can't start new thread")]

    def start():
        if refusals:
            raise refusals.pop()
        return Prison.start(prison)

    prison.quarantine = Quarantine(1, start, prison.dispatcher, prison.dead.append, shared_seats=1, idle_s=0.0)

    prison.put("a", "b", "c")

    prison.started("c")
    prison.end("c")
    assert prison.quarantine.wait_empty(10)
