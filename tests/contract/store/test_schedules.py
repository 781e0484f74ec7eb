"""Schedules on every database: each due time once, whoever looks at it, and the run with it or not at all."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.contract.store.world import World, race
from tests.services import documents
from worker.bus.rates import MemoryRates
from worker.config import Config
from worker.engine.carrying import Carrying
from worker.engine.events import RunStatus
from worker.outbound.client import GuardedClient
from worker.schedules.firing import OVERLAPS, TOO_LATE, Firer
from worker.schedules.following import follow_version
from worker.schedules.runs import NoRun, run_now
from worker.schedules.timetable import Timetable
from worker.store import apps
from worker.store.errors import NotFound, TooManyRuns
from worker.store.firings import FiringFacts, forget_firings, list_firings
from worker.store.limit_settings import change_limits
from worker.store.locks import acquire_lock
from worker.store.models import APPS, PAYLOADS, RUNS
from worker.store.resumption import Resumption, find_resumable
from worker.store.schedule_models import FIRINGS, SCHEDULES, Schedule
from worker.store.schedules import (
    DueSchedule,
    NewSchedule,
    add_schedule,
    change_schedule,
    database_now,
    due_schedules,
    find_schedule,
    list_schedules,
    remove_schedule,
)
from worker.store.session import Database

ASKING = documents.chain("asking", [documents.start(documents.variable("q", required=True)), documents.end(q=["start", "q"])])


class Timed:
    """An app that asks for one text, its schedules, and those who fire them."""

    def __init__(self, world: World, config: Config | None = None) -> None:
        self.world = world
        self.database: Database = world.database
        self.config = config or Config()
        self.rates = MemoryRates()
        #: ``(run id, task id)`` of the tasks that were sent.
        self.sent: list[tuple[str, str]] = []
        with self.database.read() as session:
            now_s = database_now(session)
        #: A due time half an hour ago, and the timetable that has it and one every hour: none comes while a test is under way.
        self.last = (now_s // 60 - 30) * 60
        self.hourly = Timetable.of(f"{int(self.last // 60 % 60)} * * * *", "UTC")
        self.publish(ASKING)

    def publish(self, document: dict[str, Any]) -> None:
        with self.database.begin() as session:
            apps.publish(session, self.world.app_id, document, uuid.uuid4().hex)
            follow_version(session, self.world.app_id, document)

    def add(self, **changes: Any) -> Schedule:
        facts: dict[str, Any] = {
            "app_id": self.world.app_id,
            "name": "nightly",
            "inputs": {"q": "hello"},
            "missed": "once",
            "overlap": "allow",
        }
        new = NewSchedule(cron=self.hourly.cron, timezone=self.hourly.timezone, **{**facts, **changes})
        with self.database.begin() as session:
            return add_schedule(session, new, self.last + 3600)

    def make_due(self, schedule: Schedule, hours: int = 0) -> float:
        """As if the due times of so many hours before the last one had passed too; answers the last of them."""
        with self.database.begin() as session:
            change_schedule(session, schedule.id, next_at=self.last - hours * 3600)
        return self.last

    def firer(self, owner: str = "one") -> Firer:
        return Firer(self.database, self.rates, lambda *ids: self.sent.append(ids), GuardedClient(()), self.config, owner)

    def look(self) -> None:
        self.firer().look()

    def firings(self, schedule: Schedule) -> list[FiringFacts]:
        with self.database.read() as session:
            return list_firings(session, schedule.id)

    def row(self, schedule: Schedule) -> Schedule:
        with self.database.read() as session:
            return session.get_one(Schedule, schedule.id)

    def runs(self) -> list[Any]:
        columns = (RUNS.c.id, RUNS.c.task_id, RUNS.c.triggered_from, RUNS.c.trigger_id, RUNS.c.workflow_id, PAYLOADS.c.inputs)
        with self.database.read() as session:
            return list(session.execute(select(*columns).join(PAYLOADS, PAYLOADS.c.run_id == RUNS.c.id).order_by(RUNS.c.sequence_number)))

    def end_runs(self) -> None:
        with self.database.begin() as session:
            session.execute(update(RUNS).values(status="succeeded", finished_at=1.0))

    def change_app(self, **columns: Any) -> None:
        with self.database.begin() as session:
            session.execute(update(APPS).where(APPS.c.id == self.world.app_id).values(columns))


@pytest.fixture
def timed(world: World) -> Timed:
    return Timed(world)


def test_a_due_schedule_begins_a_run_of_the_current_version(timed: Timed) -> None:
    schedule = timed.add(user="ada")
    due_at = timed.make_due(schedule)

    timed.look()

    (run,) = timed.runs()
    (firing,) = timed.firings(schedule)
    inputs = json.loads(run.inputs)
    assert timed.sent == [(run.id, run.task_id)]
    assert (run.triggered_from, run.trigger_id) == ("schedule", None)
    assert (inputs["q"], inputs["sys.user_id"], inputs["sys.timestamp"], inputs["sys.files"]) == ("hello", "ada", int(due_at), [])
    assert (firing.due_at, firing.status, firing.run_id, firing.run_status) == (due_at, "started", run.id, "scheduled")
    assert timed.row(schedule).next_at == due_at + 3600


def test_nothing_happens_before_the_time(timed: Timed) -> None:
    schedule = timed.add()

    timed.look()

    assert (timed.runs(), timed.sent, timed.firings(schedule)) == ([], [], [])


def test_a_due_time_fires_once_however_many_look_at_it_together(timed: Timed) -> None:
    schedule = timed.add()
    due_at = timed.make_due(schedule)
    firers = [timed.firer(f"worker {number}") for number in range(8)]
    (due,) = _due(timed)

    # Past the lock, which only saves work.
    race([partial(firer.fire, due) for firer in firers])

    (run,) = timed.runs()
    assert timed.sent == [(run.id, run.task_id)]
    assert [(firing.due_at, firing.run_id) for firing in timed.firings(schedule)] == [(due_at, run.id)]


def _due(timed: Timed) -> list[DueSchedule]:
    with timed.database.read() as session:
        return due_schedules(session)


def fire_all(firer: Firer, due: Sequence[DueSchedule]) -> None:
    for one in due:
        firer.fire(one)


def test_many_schedules_and_workers_make_one_run_for_each_due_time(timed: Timed) -> None:
    schedules = [timed.add(name=str(number), missed="all") for number in range(12)]
    for schedule in schedules:
        timed.make_due(schedule, 2)
    firers = [timed.firer(f"worker {number}") for number in range(8)]
    due = _due(timed)

    race([partial(fire_all, firer, due) for firer in firers])

    assert len(timed.runs()) == len(set(timed.sent)) == len(timed.sent) == 36
    assert all(len(timed.firings(schedule)) == 3 for schedule in schedules)


def test_only_the_elected_worker_fires(timed: Timed) -> None:
    timed.make_due(timed.add())
    with timed.database.begin() as session:
        assert acquire_lock(session, "schedules", "another", 60)

    timed.firer().look()

    assert timed.runs() == []


def test_a_worker_that_leaves_makes_room_for_the_next_one(timed: Timed) -> None:
    first, second = timed.firer("first"), timed.firer("second")
    timed.make_due(timed.add())
    first.look()
    timed.make_due(timed.add(name="another"))

    second.look()
    assert len(timed.runs()) == 1
    first.resign()
    second.look()
    assert len(timed.runs()) == 2


def test_a_due_time_that_was_dealt_with_never_fires_again(timed: Timed) -> None:
    schedule = timed.add()
    timed.make_due(schedule)
    timed.look()

    # A clock jumps back and an operator pauses and resumes, or a backup is restored: the time comes again.
    timed.make_due(schedule)
    timed.look()

    assert len(timed.runs()) == len(timed.sent) == len(timed.firings(schedule)) == 1


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        ("once", [("started", 5, None)]),
        ("skip", [("missed", 5, TOO_LATE)]),
        ("all", [("started", 0, None)] * 6),
    ],
)
def test_what_was_missed_is_made_up_for_as_the_schedule_says(
    timed: Timed, missed: str, expected: list[tuple[str, int, str | None]]
) -> None:
    schedule = timed.add(missed=missed)
    last = timed.make_due(schedule, 5)

    timed.look()

    firings = timed.firings(schedule)
    assert [(firing.status, firing.missed, firing.error) for firing in firings] == expected
    assert [firing.due_at for firing in firings] == [last - hours * 3600 for hours in range(len(expected))]
    assert len(timed.runs()) == sum(status == "started" for status, _, _ in expected)
    assert timed.row(schedule).next_at == last + 3600


def test_skip_begins_no_run_while_the_last_one_has_not_ended(timed: Timed) -> None:
    schedule = timed.add(overlap="skip", missed="all")
    timed.make_due(schedule, 1)

    timed.look()

    assert [(firing.status, firing.error) for firing in timed.firings(schedule)] == [("skipped", OVERLAPS), ("started", None)]
    assert len(timed.runs()) == 1


def test_wait_begins_the_run_when_the_last_one_has_ended(timed: Timed) -> None:
    schedule = timed.add(overlap="wait", missed="all")
    last = timed.make_due(schedule, 2)

    timed.look()
    timed.look()
    assert len(timed.runs()) == 1
    assert timed.row(schedule).next_at == last - 3600

    for number in (2, 3):
        timed.end_runs()
        timed.look()
        assert len(timed.runs()) == number
    assert timed.row(schedule).next_at == last + 3600


def test_what_had_to_wait_too_long_is_dropped_where_late_runs_are(timed: Timed) -> None:
    schedule = timed.add(overlap="wait", missed="skip")
    run_now(timed.database, GuardedClient(()), timed.config, schedule)
    last = timed.make_due(schedule)

    timed.look()
    assert len(timed.firings(schedule)) == 1
    timed.end_runs()
    timed.look()

    assert [(firing.due_at, firing.error) for firing in timed.firings(schedule) if firing.status == "missed"] == [(last, TOO_LATE)]
    assert len(timed.runs()) == 1


def test_a_run_that_waits_for_people_does_not_hold_up_the_next_one(timed: Timed) -> None:
    schedule = timed.add(overlap="skip")
    timed.make_due(schedule)
    run_id = run_now(timed.database, GuardedClient(()), timed.config, schedule).run_id
    with timed.database.begin() as session:
        session.execute(update(RUNS).where(RUNS.c.id == run_id).values(status="paused"))

    timed.look()

    assert len(timed.runs()) == 2


def test_a_firing_that_fails_is_told_and_the_schedule_goes_on(timed: Timed) -> None:
    schedule = timed.add()
    due_at = timed.make_due(schedule)
    more = [documents.start(documents.variable("q", required=True), documents.variable("who", required=True)), documents.end()]
    timed.publish(documents.chain("asking more", more))

    timed.look()

    (firing,) = timed.firings(schedule)
    assert (firing.status, firing.run_id) == ("failed", None)
    assert firing.error == "The inputs do not fit the current version of the app: who is required in input form"
    assert timed.runs() == []
    assert timed.row(schedule).next_at == due_at + 3600


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"workflow_id": None}, "The app has no published version."),
        ({"api_enabled": False}, "The app is disabled."),
        ({"status": "archived"}, "The app is disabled."),
    ],
)
def test_an_app_that_is_not_in_use_begins_no_runs(timed: Timed, columns: dict[str, Any], words: str) -> None:
    schedule = timed.add()
    timed.make_due(schedule)
    timed.change_app(**columns)

    timed.look()

    assert [(firing.status, firing.error) for firing in timed.firings(schedule)] == [("failed", words)]


def test_a_schedule_that_cannot_be_fired_does_not_hold_up_the_others(timed: Timed) -> None:
    broken, sound = timed.add(name="broken"), timed.add(name="sound")
    for schedule in (broken, sound):
        timed.make_due(schedule)
    with timed.database.begin() as session:
        session.execute(update(SCHEDULES).where(SCHEDULES.c.id == broken.id).values(inputs="no json", next_at=SCHEDULES.c.next_at - 3600))

    timed.look()

    assert [firing.status for firing in timed.firings(sound)] == ["started"]


def test_the_limits_of_the_app_hold_for_schedules_too(timed: Timed) -> None:
    schedule = timed.add(missed="all")
    last = timed.make_due(schedule, 1)
    with timed.database.begin() as session:
        change_limits(session, timed.world.app_id, max_concurrency=1)

    timed.look()
    timed.look()
    assert len(timed.runs()) == 1
    assert timed.row(schedule).next_at == last
    timed.end_runs()
    timed.look()
    assert len(timed.runs()) == 2


def test_the_rate_of_the_app_holds_and_counts_only_runs_that_there_are(timed: Timed) -> None:
    first, second = timed.add(name="first"), timed.add(name="second")
    with timed.database.begin() as session:
        change_limits(session, timed.world.app_id, max_rate=1)
    timed.make_due(first)
    timed.look()
    timed.make_due(second)

    timed.look()

    assert len(timed.runs()) == 1
    assert timed.firings(second) == []


def test_a_full_queue_lets_schedules_wait(world: World) -> None:
    timed = Timed(world, Config(max_queued=1))
    schedule = timed.add()
    world.accept()
    timed.make_due(schedule)

    timed.look()
    assert timed.firings(schedule) == []
    timed.end_runs()
    timed.look()
    assert len(timed.firings(schedule)) == 1


def test_a_paused_schedule_rests(timed: Timed) -> None:
    schedule = timed.add()
    with timed.database.begin() as session:
        change_schedule(session, schedule.id, paused_at=database_now(session), next_at=None)

    timed.look()

    assert timed.runs() == []


def test_a_run_now_is_one_more_firing(timed: Timed) -> None:
    schedule = timed.add()

    accepted = run_now(timed.database, GuardedClient(()), timed.config, schedule)

    (firing,) = timed.firings(schedule)
    assert (firing.status, firing.run_id) == ("started", accepted.run_id)
    assert timed.row(schedule).next_at == schedule.next_at


def test_a_run_now_is_refused_where_a_request_would_be(timed: Timed) -> None:
    schedule = timed.add()
    with timed.database.begin() as session:
        change_limits(session, timed.world.app_id, max_concurrency=1)
    run_now(timed.database, GuardedClient(()), timed.config, schedule)

    with pytest.raises(TooManyRuns):
        run_now(timed.database, GuardedClient(()), timed.config, schedule)
    timed.change_app(workflow_id=None)
    with pytest.raises(NoRun, match="no published version"):
        run_now(timed.database, GuardedClient(()), timed.config, schedule)
    assert len(timed.firings(schedule)) == 1


# ---- triggers of documents


def triggered(*triggers: dict[str, Any]) -> dict[str, Any]:
    end = documents.end(at=["sys", "timestamp"])
    return documents.workflow("timed", [*triggers, end], [(trigger["id"], "end") for trigger in triggers])


def trigger(node_id: str, cron: str, timezone: str = "UTC") -> dict[str, Any]:
    return documents.node(node_id, "trigger-schedule", mode="cron", cron_expression=cron, timezone=timezone)


def of_app(timed: Timed) -> dict[str | None, Schedule]:
    with timed.database.read() as session:
        return {schedule.node_id: schedule for schedule in list_schedules(session, timed.world.app_id)}


def test_the_schedules_of_a_document_are_those_of_its_triggers(timed: Timed) -> None:
    mine = timed.add()
    timed.publish(triggered(trigger("a", "0 6 * * *", "Asia/Tokyo"), trigger("b", "0 7 * * *")))

    found = of_app(timed)
    assert set(found) == {None, "a", "b"}
    assert (found["a"].name, found["a"].cron, found["a"].timezone, found["a"].overlap) == ("A", "0 6 * * *", "Asia/Tokyo", "allow")
    assert found["a"].next_at is not None

    timed.publish(triggered(trigger("b", "0 8 * * *")))
    after = of_app(timed)
    assert set(after) == {None, "b"}
    assert (after["b"].id, after["b"].cron) == (found["b"].id, "0 8 * * *")

    timed.publish(ASKING)
    assert [schedule.id for schedule in of_app(timed).values()] == [mine.id]


def test_what_operators_change_stays_until_the_document_says_something_else(timed: Timed) -> None:
    timed.publish(triggered(trigger("a", "0 6 * * *")))
    with timed.database.begin() as session:
        change_schedule(session, of_app(timed)["a"].id, cron="0 5 * * *", overlap="skip", paused_at=1.0, next_at=None)

    timed.publish(triggered(trigger("a", "0 6 * * *")))
    kept = of_app(timed)["a"]
    assert (kept.cron, kept.overlap, kept.paused_at, kept.next_at) == ("0 5 * * *", "skip", 1.0, None)

    timed.publish(triggered(trigger("a", "0 7 * * *")))
    changed = of_app(timed)["a"]
    assert (changed.cron, changed.overlap, changed.paused_at, changed.next_at) == ("0 7 * * *", "skip", 1.0, None)


def test_a_schedule_of_a_document_begins_at_its_trigger(timed: Timed) -> None:
    timed.publish(triggered(trigger("a", timed.hourly.cron)))
    timed.make_due(of_app(timed)["a"])

    timed.look()

    (run,) = timed.runs()
    claim = timed.world.claim(run.id)
    assert (run.triggered_from, run.trigger_id) == ("schedule", "a")
    assert claim is not None
    assert claim.trigger_id == "a"


def test_a_run_that_goes_on_from_one_of_a_trigger_begins_there_too(timed: Timed) -> None:
    timed.publish(triggered(trigger("a", timed.hourly.cron)))
    timed.make_due(of_app(timed)["a"])
    timed.look()
    (run,) = timed.runs()
    claim = timed.world.claim(run.id)
    assert claim is not None
    timed.world.finish(claim, RunStatus.FAILED)
    with timed.database.begin() as session:
        session.execute(update(RUNS).values(last_event=1))

    with timed.database.read() as session:
        old = find_resumable(session, timed.world.app_id, run.id)
    assert old is not None
    going_on = Resumption(old.run_id, Carrying(frozenset(), frozenset()), old.trigger_id)
    resumed = timed.world.claim(timed.world.accept(resumption=going_on).run_id)

    assert resumed is not None
    assert resumed.trigger_id == "a"


def test_a_schedule_whose_app_has_only_triggers_now_fails(timed: Timed) -> None:
    schedule = timed.add()
    timed.make_due(schedule)
    timed.publish(triggered(trigger("a", "0 6 * * *")))

    timed.look()

    assert [firing.error for firing in timed.firings(schedule)] == ["The workflow has no start node: only its triggers can begin a run."]


# ---- looking after them


def test_a_schedule_is_found_by_id_and_by_a_name_that_only_it_has(timed: Timed) -> None:
    schedule, other = timed.add(name="nightly"), timed.add(name="hourly")
    timed.add(name="hourly")
    with timed.database.read() as session:
        assert find_schedule(session, "nightly").id == find_schedule(session, schedule.id.upper()).id == schedule.id
        assert find_schedule(session, other.id, timed.world.app_id).id == other.id
        for name, words in (("hourly", "Several"), ("weekly", "no schedule")):
            with pytest.raises(NotFound, match=words):
                find_schedule(session, name)
        with pytest.raises(NotFound):
            find_schedule(session, "nightly", str(uuid.uuid4()))


@pytest.mark.parametrize("remove", ["schedule", "app"])
def test_what_is_removed_leaves_nothing(timed: Timed, remove: str) -> None:
    schedule = timed.add()
    timed.make_due(schedule)
    timed.look()

    with timed.database.begin() as session:
        remove_schedule(session, schedule.id) if remove == "schedule" else apps.delete_app(session, timed.world.app_id)

    with timed.database.read() as session:
        assert session.execute(select(SCHEDULES.c.id)).all() == session.execute(select(FIRINGS.c.due_at)).all() == []
    with timed.database.begin() as session, pytest.raises(NotFound):
        remove_schedule(session, schedule.id)


def test_old_firings_are_forgotten_oldest_first(timed: Timed) -> None:
    schedule = timed.add(missed="all")
    last = timed.make_due(schedule, 2)
    timed.look()
    with timed.database.begin() as session:
        session.execute(update(FIRINGS).where(FIRINGS.c.due_at < last).values(fired_at=FIRINGS.c.due_at - 100 * 86400))

    def forget(limit: int) -> int:
        with timed.database.begin() as session:
            return forget_firings(session, 30 * 86400, limit)

    assert [forget(1), forget(10), forget(10)] == [1, 1, 0]
    assert [firing.due_at for firing in timed.firings(schedule)] == [last]


def test_publishing_and_firing_do_not_wait_for_each_other_for_ever(timed: Timed) -> None:
    timed.publish(triggered(trigger("a", "0 * * * *")))
    schedule = of_app(timed)["a"]

    def publish(number: int) -> Callable[[], None]:
        return lambda: [timed.publish(triggered(trigger("a", f"{minute} * * * *"))) for minute in range(number, 60, 4)] and None

    def fire() -> None:
        firer = timed.firer()
        for hours in range(20):
            timed.make_due(schedule, hours)
            fire_all(firer, _due(timed))

    race([*(publish(number) for number in range(4)), fire, fire])

    assert of_app(timed)["a"].id == schedule.id
