"""How a call that waits for the end of its run reads the relay; tests/unit/app/test_runs.py has the answers themselves."""

from app.stream.answers import wait_for_end
from tests.unit.app.stream.test_relay import World, entry, news, pause, relay


def test_the_last_event_is_what_a_call_waits_for():
    world = World(script=[news(1, 2), news(3, 4, ends=True)])

    assert wait_for_end(relay(world, is_new=True), gives_up=False) == entry(4, last=4)


def test_an_end_that_sql_tells_only_behind_its_event_is_not_missed():
    """The run ended between the question whether it is over and the question for its events."""
    world = World(stored=[entry(1), entry(2)], redis_is_down=True)

    def ended():
        world.is_complete = True

    world.script = [ended]

    assert wait_for_end(relay(world), gives_up=False) == entry(2)


def test_a_pause_ends_the_wait():
    world = World(log=[entry(1), pause(2)], paused_at=2)

    assert wait_for_end(relay(world), gives_up=False) == pause(2)


def test_a_call_that_gives_up_does_so_at_the_first_keep_alive():
    assert wait_for_end(relay(World(), is_new=True, ping_interval_s=3.0), gives_up=True) is None


def test_a_released_call_has_no_end():
    world = World()
    waiting = relay(world, is_new=True)
    world.script = [news(1, 1), waiting.release]

    assert wait_for_end(waiting, gives_up=False) is None
