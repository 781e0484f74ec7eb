import threading

import pytest

from worker.engine.errors import RunFenced, RunStopped
from worker.engine.inbox import Command, Inbox


def test_a_stop_reaches_the_loop_and_the_nodes():
    inbox, called = Inbox(), []
    inbox.on_cancel(lambda: called.append("closed"))

    inbox.stop()

    assert inbox.get(0) == (Command.STOP, 0.0)
    assert called == ["closed"]
    with pytest.raises(RunStopped):
        inbox.check()


def test_a_callback_that_comes_late_is_called_at_once():
    inbox, called = Inbox(), []
    inbox.stop()

    inbox.on_cancel(lambda: called.append("closed"))

    assert called == ["closed"]


def test_a_removed_callback_is_not_called():
    inbox, called = Inbox(), []
    remove = inbox.on_cancel(lambda: called.append("closed"))
    remove()

    inbox.stop()

    assert called == []


def test_a_drain_lets_the_nodes_go_on():
    inbox = Inbox()

    inbox.drain(5.0)

    assert inbox.get(0) == (Command.DRAIN, 5.0)
    inbox.check()
    assert not inbox.is_cancelled


def test_a_fenced_run_tells_its_nodes_so():
    inbox = Inbox()
    inbox.fence()

    with pytest.raises(RunFenced):
        inbox.check()


def test_waiting_ends_as_soon_as_the_run_is_cancelled():
    inbox = Inbox()
    threading.Timer(0.05, inbox.stop).start()

    assert inbox.wait(30)


def test_no_mail_within_the_time_is_none():
    assert Inbox().get(0.01) is None
