"""The relay against scripted news, log and SQL, with a clock of its own: no Redis, no database, no waiting."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from redis import ConnectionError as RedisConnectionError

from app.stream.relay import FIRST_LOOK_S, LONGEST_LOOK_S, LOOK_WITHOUT_REDIS_S, PAGE, PAGE_BYTES, Past, Relay
from worker.bus.ports import LAGGING, LogEntry, News
from worker.store.errors import StorageUnavailable


def entry(number: int, last: int = 0) -> LogEntry:
    return LogEntry(number, b'{"n":%d}' % number, is_terminal=number == last)


def pause(number: int) -> LogEntry:
    return LogEntry(number, b'{"event":"workflow_paused","n":%d}' % number)


def news(first: int, last: int, *, ends: bool = False, with_frames: bool = True) -> News:
    frames = tuple(entry(number).frame for number in range(first, last + 1)) if with_frames else None
    return News(first, last, ends, frames)


@dataclass
class World:
    """Everything that a relay reads. ``script``: what the subscription hears next; None is silence for as long as one waits."""

    script: list[News | Callable[[], News | None] | None] = field(default_factory=list)
    log: list[LogEntry] = field(default_factory=list)
    stored: list[LogEntry] = field(default_factory=list)
    is_complete: bool = False
    #: Number of the event that says so, while the run waits for people.
    paused_at: int = 0
    redis_is_down: bool = False
    sql_is_down: bool = False
    now: float = 0.0
    log_reads: list[float] = field(default_factory=list)
    largest_page: int = 0
    sql_reads: list[float] = field(default_factory=list)
    closed: bool = False

    # The subscription.
    def get(self, timeout_s: float) -> News | None:
        heard = self.script.pop(0) if self.script else None
        if callable(heard):
            heard = heard()
        if heard is None:
            self.now += timeout_s
        return heard

    def lag(self) -> None:
        self.script.insert(0, LAGGING)

    def close(self) -> None:
        self.closed = True


class Log:
    def __init__(self, world: World) -> None:
        self.world = world

    def read(self, run_id: str, after: int, count: int) -> list[LogEntry]:
        self.world.log_reads.append(self.world.now)
        if self.world.redis_is_down:
            raise RedisConnectionError("gone")
        page = [item for item in self.world.log if item.number > after][:count]
        self.world.largest_page = max(self.world.largest_page, sum(len(item.frame) for item in page))
        return page


class SQL:
    def __init__(self, world: World) -> None:
        self.world = world

    def read(self, after: int, count: int) -> Past:
        self.world.sql_reads.append(self.world.now)
        return Past([item for item in self.world.stored if item.number > after][: min(count, 3)], self.world.is_complete)

    def is_paused_at(self, number: int) -> bool:
        if self.world.sql_is_down:
            raise StorageUnavailable("gone")
        return number == self.world.paused_at


def relay(world: World, **options) -> Relay:
    return Relay("run", world, Log(world), SQL(world), clock=lambda: world.now, **options)


def numbers(read: Relay) -> list[int | None]:
    return [None if item is None else item.number for item in read]


def test_news_alone_carry_a_run_that_goes_well():
    world = World(script=[news(1, 2), news(3, 3), news(4, 5, ends=True)])

    assert numbers(relay(world, is_new=True)) == [1, 2, 3, 4, 5]
    assert world.log_reads == []
    assert world.sql_reads == []


def test_who_joins_late_reads_the_log_and_drops_what_the_news_repeat():
    world = World(log=[entry(n) for n in range(1, 5)], script=[news(3, 5), news(4, 6, ends=True)])

    assert numbers(relay(world)) == [1, 2, 3, 4, 5, 6]


def test_reading_goes_on_after_the_number_that_the_reader_has():
    world = World(log=[entry(n) for n in range(1, 5)], script=[news(5, 5, ends=True)])

    assert numbers(relay(world, after=3)) == [4, 5]


def test_a_gap_in_the_news_is_read_from_the_log():
    world = World(log=[entry(n) for n in range(1, 6)], script=[news(1, 1), news(5, 6, ends=True)])
    world.log.append(entry(6, last=6))

    assert numbers(relay(world, is_new=True)) == [1, 2, 3, 4, 5, 6]


def test_news_without_frames_are_read_from_the_log():
    world = World(log=[entry(1), entry(2, last=2)], script=[news(1, 2, ends=True, with_frames=False)])

    assert numbers(relay(world, is_new=True)) == [1, 2]


def test_a_lagging_reader_is_served_from_the_log():
    world = World(log=[entry(n, last=700) for n in range(1, 701)], script=[news(1, 1), LAGGING])

    assert numbers(relay(world, is_new=True)) == list(range(1, 701))
    assert len(world.log_reads) > 700 // PAGE


def test_what_fell_off_the_log_comes_from_sql():
    world = World(log=[entry(9), entry(10, last=10)], stored=[entry(n) for n in range(1, 9)])

    assert numbers(relay(world)) == list(range(1, 11))


def test_a_run_without_a_log_is_served_from_sql():
    world = World(stored=[entry(n, last=8) for n in range(1, 9)], is_complete=True)

    assert numbers(relay(world)) == list(range(1, 9))


def test_who_has_everything_of_a_finished_run_gets_nothing_more():
    world = World(stored=[entry(n, last=8) for n in range(1, 9)], is_complete=True)

    assert numbers(relay(world, after=8)) == []
    assert numbers(relay(world, after=99)) == []


def test_events_behind_a_gap_that_nobody_can_fill_yet_wait():
    world = World(log=[entry(5, last=5)], script=[None, lambda: world.stored.extend(entry(n) for n in range(1, 5))])

    assert [number for number in numbers(relay(world)) if number] == [1, 2, 3, 4, 5]


def test_pings_come_at_fixed_ages_whatever_else_is_sent():
    world = World()

    def at(age: float, heard: News) -> Callable[[], News]:
        def hear() -> News:
            world.now = age
            return heard

        return hear

    world.script = [at(4, news(1, 1)), at(9.9, news(2, 2)), None, at(10.5, news(3, 3)), at(35, news(4, 4)), at(36, news(5, 5, ends=True))]

    assert numbers(relay(world, is_new=True)) == [1, 2, None, 3, 4, None, 5]


def test_no_ping_follows_the_last_event():
    world = World(script=[lambda: setattr(world, "now", 11.0) or news(1, 1, ends=True)])

    assert numbers(relay(world, is_new=True)) == [1]


def test_silence_is_checked_ever_less_often_against_the_log_and_from_the_second_time_on_against_sql():
    world = World()
    world.script = [news(1, 1), *[None] * 20, lambda: world.log.append(entry(2, last=2))]

    found = numbers(relay(world, is_new=True))

    assert [number for number in found if number] == [1, 2]
    looks = sorted(set(world.log_reads))
    assert looks[0] == FIRST_LOOK_S
    assert gaps(looks)[:3] == [2 * FIRST_LOOK_S, 4 * FIRST_LOOK_S, 8 * FIRST_LOOK_S]
    assert set(gaps(looks)[3:]) == {LONGEST_LOOK_S}
    assert sorted(set(world.sql_reads)) == looks[1 : 1 + len(set(world.sql_reads))]


def test_news_make_the_next_look_come_soon_again():
    world = World()
    world.script = [news(1, 1), *[None] * 10, news(2, 2), None, None, news(3, 3, ends=True)]
    heard_at: list[float] = []
    world.script[11] = lambda: heard_at.append(world.now) or news(2, 2)

    numbers(relay(world, is_new=True, ping_interval_s=1000.0))

    assert next(at for at in world.log_reads if at > heard_at[0]) == heard_at[0] + FIRST_LOOK_S


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


def test_large_events_are_read_one_by_one():
    world = World(log=[LogEntry(number, b"x" * PAGE_BYTES, number == 9) for number in range(1, 10)])

    assert numbers(relay(world)) == list(range(1, 10))
    assert world.largest_page == PAGE_BYTES


def test_without_redis_sql_is_asked_more_often():
    world = World(redis_is_down=True)

    def finish() -> None:
        world.stored.append(entry(1, last=1))
        world.is_complete = True

    world.script = [*[None] * 9, finish]

    found = numbers(relay(world))

    assert [number for number in found if number] == [1]
    assert min(gaps(world.sql_reads)) >= LOOK_WITHOUT_REDIS_S
    assert max(gaps(world.sql_reads)) <= 2 * LOOK_WITHOUT_REDIS_S


def test_a_released_relay_ends_between_two_events():
    world = World()
    read = relay(world, is_new=True)
    world.script = [news(1, 2), lambda: read.release() or news(3, 3)]

    assert numbers(read) == [1, 2]
    assert read.is_released


# ---- runs that wait for people


def test_a_new_run_is_read_up_to_its_first_pause_however_soon_it_is_answered():
    world = World(script=[news(1, 2), News(3, 4, False, (pause(3).frame, entry(4).frame))])
    read = relay(world, is_new=True)

    assert numbers(read) == [1, 2, 3]
    assert read.has_ended


@pytest.mark.parametrize("place", ["log", "stored"])
def test_a_pause_that_still_holds_ends_a_replay(place):
    world = World(paused_at=3, **{place: [entry(1), entry(2), pause(3)]})

    assert numbers(relay(world)) == [1, 2, 3]


@pytest.mark.parametrize("place", ["log", "stored"])
def test_a_replay_goes_through_the_pauses_that_are_over(place):
    events = [entry(1), pause(2), entry(3), pause(4)]
    world = World(paused_at=4, **{place: events})

    assert numbers(relay(world)) == [1, 2, 3, 4]


def test_a_replay_waits_behind_a_pause_whose_form_was_just_answered():
    world = World(log=[entry(1), pause(2)], script=[None, news(3, 4, ends=True)])

    assert numbers(relay(world)) == [1, 2, 3, 4]


def test_who_begins_behind_a_pause_waits_until_the_run_goes_on():
    world = World(log=[entry(1), pause(2)], paused_at=2, script=[None, news(3, 4, ends=True)])

    assert numbers(relay(world, after=2)) == [3, 4]


def test_who_asks_for_it_is_kept_through_a_pause_with_pings():
    world = World(log=[entry(1), pause(2)], paused_at=2, script=[None, None, None, news(3, 4, ends=True)])

    assert numbers(relay(world, ends_on_pause=False)) == [1, 2, None, 3, 4]


def test_a_pause_ends_the_reading_while_sql_cannot_say_whether_it_holds():
    world = World(log=[entry(1), pause(2), entry(3)], sql_is_down=True)

    assert numbers(relay(world)) == [1, 2]


def test_closing_a_relay_closes_its_subscription():
    world = World()

    relay(world).close()

    assert world.closed


@pytest.mark.parametrize("seed", range(30))
def test_any_mixture_of_losses_gives_every_event_once_and_in_order(seed):
    """News lost, repeated, oversized; the log trimmed, away, and back; SQL behind the log by some events."""
    chance = random.Random(seed)
    total = chance.randint(1, 40)
    world = World()

    def publish(first: int, last: int) -> Callable[[], News | None]:
        def happen() -> News | None:
            world.log += [entry(n, last=total) for n in range(first, last + 1)]
            ended = last == total
            world.is_complete = ended
            world.stored = [entry(n, last=total) for n in range(1, (last if ended else max(last - 5, 0)) + 1)]
            kept = world.stored[-1].number if world.stored and chance.random() < 0.3 else 0
            world.log = [item for item in world.log if item.number > kept]
            world.redis_is_down = chance.random() < 0.3
            overlap = max(first - chance.randint(0, 2), 1)
            heard = [news(overlap, last, ends=ended), news(overlap, last, ends=ended, with_frames=False), LAGGING, None]
            return chance.choice(heard)

        return happen

    first = 1
    while first <= total:
        last = min(first + chance.randint(0, 4), total)
        world.script.append(publish(first, last))
        first = last + 1

    found = numbers(relay(world, is_new=bool(seed % 2)))

    assert [number for number in found if number] == list(range(1, total + 1))
