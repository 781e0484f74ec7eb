"""Forms and the runs that wait for them, on every database."""

import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from sqlalchemy import update

from tests.contract.store.world import World, race, record
from worker.engine.errors import RunFenced
from worker.engine.events import RunStatus
from worker.engine.human_form import FormAction, HumanForm
from worker.engine.pausing import FormAnswer, HeldForm, RunPause
from worker.engine.spending import Spending
from worker.engine.variables import File
from worker.store import claims, forms, lost_runs
from worker.store.errors import FormExpired, FormSubmitted
from worker.store.events import EventStretch
from worker.store.forms import FormStatus, Wake
from worker.store.models import FORMS, RUNS
from worker.store.pauses import pause_run
from worker.store.session import Database

SHOWN = HumanForm("Hi \0 \ud800", [{"type": "paragraph", "output_variable_name": "note"}], [FormAction("yes", "Yes")], True, {})
PAUSE = RunPause((), 2.5, Spending(7), 3, 1, 100.0)
FILE = File("document", "remote_url", "a.txt", ".txt", "text/plain", -1, remote_url="https://example.com/a.txt")


def held(node_id: str = "ask", in_s: float = 3600.0, **changes: Any) -> HeldForm:
    """A form that expires in so many seconds."""
    token = uuid.uuid4().hex
    facts = {"form_id": str(uuid.uuid4()), "node_id": node_id, "node_title": node_id.upper(), "token": token, "form": SHOWN}
    return HeldForm(**{**facts, "expires_at": CLOCK + in_s, **changes})


#: Later than any clock of a test.
CLOCK = 4_000_000_000.0


def pause(world: World, claim: claims.Claim, asked: Sequence[HeldForm], events: int = 2) -> RunStatus:
    stretch = EventStretch.of(claim.last_event + 1, [b"{}"] * events)
    with world.database.begin() as session:
        return pause_run(session, claim, PAUSE, asked, [(claim.attempt, record())], stretch)


def paused(world: World, *asked: HeldForm) -> claims.Claim:
    claim = world.start()
    assert pause(world, claim, asked) is RunStatus.PAUSED
    return claim


def submit(world: World, form: HeldForm, action: str = "yes", values: dict[str, Any] | None = None) -> Wake | None:
    with world.database.begin() as session:
        return forms.submit_form(session, form.form_id, action, values or {}, world.end_user_id)


def expire(world: World, form: HeldForm) -> Wake | None:
    with world.database.begin() as session:
        return forms.expire_form(session, form.form_id)


def make_due(world: World, form: HeldForm) -> None:
    with world.database.begin() as session:
        session.execute(update(FORMS).where(FORMS.c.id == form.form_id).values(expires_at=1.0))


def find(world: World, form: HeldForm) -> forms.StoredForm:
    with world.database.read() as session:
        found = forms.find_form(session, world.app_id, form.token)
    assert found is not None
    return found


def waiting(world: World, claim: claims.Claim) -> list[str]:
    with world.database.read() as session:
        return [form.held.node_id for form in forms.waiting_forms(session, world.app_id, claim.run_id)]


def test_a_pause_stores_everything_and_gives_the_run_up(world: World) -> None:
    first, second = held("b"), held("a")
    claim = paused(world, first, second)

    row = world.row(claim.run_id)
    assert (row.status, row.lease_owner, row.lease_until, row.finished_at, row.last_event) == ("paused", None, None, None, 2)
    assert (row.total_tokens, row.total_steps, row.exceptions_count, row.elapsed_time) == (7, 3, 1, 2.5)
    assert waiting(world, claim) == ["b", "a"]
    assert find(world, first).held.expires_at == first.expires_at
    with world.database.read() as session:
        assert len(claims.load_records(session, claim.run_id)) == 1


def test_a_form_comes_back_as_it_was_shown(world: World) -> None:
    form = held()
    claim = paused(world, form)

    found = find(world, form)

    assert (found.run_id, found.status, found.held.answer) == (claim.run_id, FormStatus.WAITING, None)
    assert found.held.form.content == "Hi \0 \ufffd"
    assert found.held.form.actions == [FormAction("yes", "Yes")]


def test_a_pause_may_be_repeated(world: World) -> None:
    form = held()
    claim = paused(world, form)

    assert pause(world, claim, [form]) is RunStatus.PAUSED
    submit(world, form)
    assert pause(world, claim, [form]) is RunStatus.SCHEDULED
    world.claim(claim.run_id)
    with pytest.raises(RunFenced):
        pause(world, claim, [form])


def test_an_answer_wakes_its_run_and_is_handed_to_the_next_attempt(world: World) -> None:
    form = held()
    claim = paused(world, form)

    wake = submit(world, form, values={"note": "fine", "paper": FILE})

    assert wake == Wake(claim.run_id, claim.task_id)
    assert world.row(claim.run_id).status == "scheduled"
    again = world.claim(claim.run_id)
    assert again is not None
    assert (again.attempt, again.lost_attempts) == (2, 0)
    with world.database.read() as session:
        known = forms.held_forms(session, claim.run_id)
    assert known[form.form_id].answer == FormAnswer("yes", {"note": "fine", "paper": FILE})


def test_a_woken_run_whose_message_was_lost_is_found(world: World) -> None:
    form = held()
    claim = paused(world, form)
    submit(world, form)

    with world.database.begin() as session:
        assert lost_runs.find_unclaimed(session, older_than_s=-1) == [(claim.run_id, claim.task_id)]


def test_one_of_many_answers_counts(world: World) -> None:
    form = held()
    claim = paused(world, form)

    def answer(action: str) -> Wake | str | None:
        try:
            return submit(world, form, action)
        except FormSubmitted:
            return "late"

    answers = race([partial(answer, f"a{number}") for number in range(8)])

    assert answers.count("late") == 7
    assert Wake(claim.run_id, claim.task_id) in answers
    assert find(world, form).status is FormStatus.SUBMITTED


def test_an_answer_while_its_run_is_busy_elsewhere_waits_for_the_next_pause(world: World) -> None:
    """Two forms; after the first answer the run goes on, and the second one is answered before it pauses again."""
    first, second = held("first"), held("second")
    claim = paused(world, first, second)
    submit(world, first)
    again = world.claim(claim.run_id)
    assert again is not None

    assert submit(world, second) is None
    assert pause(world, again, [second]) is RunStatus.SCHEDULED
    assert world.row(claim.run_id).status == "scheduled"


@pytest.mark.parametrize("round_", range(5))
def test_no_answer_is_lost_between_a_pause_and_a_submit(world: World, round_: int) -> None:
    first, second = held("first"), held("second")
    claim = paused(world, first, second)
    submit(world, first)
    again = world.claim(claim.run_id)
    assert again is not None

    contest: list[Callable[[], Any]] = [partial(pause, world, again, [second]), partial(submit, world, second)]
    status, wake = race(contest)

    # Exactly one of the two sends the task of the run, which waits for a worker in either case.
    assert (status is RunStatus.SCHEDULED) != (wake is not None)
    assert world.row(claim.run_id).status == "scheduled"


def test_an_answer_waits_for_a_pause_that_is_being_written(world: World, database: Database) -> None:
    first, second = held("first"), held("second")
    claim = paused(world, first, second)
    submit(world, first)
    again = world.claim(claim.run_id)
    assert again is not None

    with ThreadPoolExecutor(1) as apart:
        with database.begin() as session:
            stretch = EventStretch.of(3, [b"{}"])
            assert pause_run(session, again, PAUSE, [second], [], stretch) is RunStatus.PAUSED
            answering = apart.submit(submit, world, second)
            with pytest.raises(TimeoutError):
                answering.result(0.2)
        assert answering.result(10) == Wake(claim.run_id, claim.task_id)


def test_a_pause_waits_for_an_answer_that_is_being_written(world: World, database: Database) -> None:
    first, second = held("first"), held("second")
    claim = paused(world, first, second)
    submit(world, first)
    again = world.claim(claim.run_id)
    assert again is not None

    with ThreadPoolExecutor(1) as apart:
        with database.begin() as session:
            assert forms.submit_form(session, second.form_id, "yes", {}, world.end_user_id) is None
            pausing = apart.submit(pause, world, again, [second])
            with pytest.raises(TimeoutError):
                pausing.result(0.2)
        assert pausing.result(10) is RunStatus.SCHEDULED


def test_an_expired_form_wakes_its_run_without_an_answer(world: World) -> None:
    form = held()
    claim = paused(world, form)
    assert expire(world, form) is None
    make_due(world, form)
    assert find(world, form).status is FormStatus.EXPIRED

    with pytest.raises(FormExpired):
        submit(world, form)
    with world.database.read() as session:
        (due,) = forms.find_due_forms(session)

    assert (due.form_id, due.run_id, due.ends_run, due.attempt) == (form.form_id, claim.run_id, False, 1)
    assert expire(world, form) == Wake(claim.run_id, claim.task_id)
    assert expire(world, form) is None
    with world.database.read() as session:
        assert forms.held_forms(session, claim.run_id)[form.form_id].answer == FormAnswer()


@pytest.mark.parametrize("round_", range(5))
def test_an_answer_and_the_expiry_do_not_both_count(world: World, round_: int) -> None:
    form = held()
    claim = paused(world, form)

    def answer() -> Wake | None:
        try:
            return submit(world, form)
        except FormExpired:
            return None

    def give_up() -> Wake | None:
        make_due(world, form)
        return expire(world, form)

    assert sorted(race([answer, give_up]), key=bool) == [None, Wake(claim.run_id, claim.task_id)]


def test_a_stopped_run_takes_no_answers(world: World) -> None:
    form = held(ends_run=True)
    claim = paused(world, form)

    stop = world.stop(claim.task_id)
    assert stop is not None
    assert stop.claim is not None
    with pytest.raises(FormExpired):
        submit(world, form)
    assert world.finish(stop.claim, RunStatus.STOPPED)

    assert find(world, form).status is FormStatus.EXPIRED
    assert waiting(world, claim) == []
    make_due(world, form)
    with world.database.read() as session:
        (due,) = forms.find_due_forms(session)
    assert not due.ends_run
    assert expire(world, form) is None


def test_a_stop_beats_the_pause(world: World) -> None:
    claim, form = world.start(), held()
    world.stop(claim.task_id)

    assert pause(world, claim, [form]) is RunStatus.STOPPED

    assert world.row(claim.run_id).status == "running"
    with world.database.read() as session:
        assert forms.find_form(session, world.app_id, form.token) is None


def test_forms_are_shown_to_their_app_alone(world: World, database: Database) -> None:
    form = held()
    claim = paused(world, form)
    other = World(database, "Other")

    with database.read() as session:
        assert forms.find_form(session, other.app_id, form.token) is None
        assert forms.find_form(session, world.app_id, "none\0") is None
        assert forms.waiting_forms(session, other.app_id, claim.run_id) == []


def test_a_form_that_its_run_waits_for_no_more_is_closed(world: World) -> None:
    kept, dropped = held("kept"), held("dropped")
    claim = paused(world, kept, dropped)
    submit(world, kept)
    again = world.claim(claim.run_id)
    assert again is not None

    later = held("later")
    assert pause(world, again, [later]) is RunStatus.PAUSED

    assert waiting(world, claim) == ["later"]
    assert [find(world, form).status for form in (kept, dropped)] == [FormStatus.SUBMITTED, FormStatus.EXPIRED]


def test_a_pause_does_not_count_against_the_time_limit(world: World, database: Database) -> None:
    form = held()
    claim = paused(world, form)
    with database.begin() as session:
        session.execute(update(RUNS).values({name: RUNS.c[name] - 5000 for name in ("started_at", "deadline_at", "paused_at")}))
    with database.read() as session:
        assert lost_runs.find_overdue(session) == []
    submit(world, form)
    with database.read() as session:
        assert lost_runs.find_overdue(session) == []

    again = world.claim(claim.run_id)

    assert again is not None
    assert again.paused_s == pytest.approx(5000, abs=60)
    assert again.elapsed_s == pytest.approx(5000, abs=60)
    assert again.deadline_at == pytest.approx(claim.deadline_at, abs=60)
    assert world.row(claim.run_id).paused_at is None
