"""Acceptance, stop and look-ups of runs."""

from functools import partial

import pytest

from tests.contract.store.world import World, count, race
from worker.engine.events import RunStatus
from worker.store import runs
from worker.store.errors import NotFound
from worker.store.models import Run, RunPayload
from worker.store.session import Database

NOBODY = "00000000-0000-4000-8000-000000000000"


def test_an_accepted_run_waits_as_scheduled_with_its_inputs(world: World) -> None:
    accepted = world.accept(trace_id="t-1")

    row = world.row(accepted.run_id)

    assert (row.status, row.attempt, row.deadline_at, row.trace_id) == ("scheduled", 0, None, "t-1")
    assert row.created_at == accepted.created_at
    assert row.lease_until == accepted.created_at


def test_sequence_numbers_are_unique_and_rising_under_concurrency(world: World) -> None:
    def accept_five() -> list[int]:
        return [world.accept().sequence_number for _ in range(5)]

    given = race([accept_five] * 8)

    assert sorted(number for numbers in given for number in numbers) == list(range(1, 41))
    assert all(numbers == sorted(numbers) for numbers in given)


def test_sequence_numbers_are_counted_for_each_app(world: World, database: Database) -> None:
    other = World(database, "Other")

    assert [world.accept().sequence_number, other.accept().sequence_number] == [1, 1]


def test_a_run_of_a_deleted_app_is_refused(world: World, database: Database) -> None:
    with pytest.raises(NotFound):
        world.accept(app_id=NOBODY)

    assert count(database, Run) == count(database, RunPayload) == 0


def test_an_acceptance_that_fails_stores_nothing(world: World, database: Database) -> None:
    def accept_and_fail() -> None:
        with database.begin() as session:
            runs.accept_run(session, world.new_run())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        accept_and_fail()

    assert count(database, Run) == 0
    assert world.accept().sequence_number == 1


def test_a_stop_of_a_scheduled_run_hands_it_to_the_caller(world: World) -> None:
    accepted = world.accept()

    stop = world.stop(accepted.task_id)

    assert stop is not None
    assert stop.claim is not None
    assert (stop.claim.run_id, stop.claim.user, stop.claim.attempt) == (accepted.run_id, "ada", 1)
    assert world.claim(accepted.run_id) is None
    assert world.finish(stop.claim, RunStatus.STOPPED)
    assert world.row(accepted.run_id).status == "stopped"


def test_a_stop_and_the_end_of_an_unstarted_run_are_one_transaction(world: World, database: Database) -> None:
    accepted = world.accept()

    def stop_and_fail() -> None:
        with database.begin() as session:
            assert runs.request_stop(session, world.app_id, accepted.task_id)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        stop_and_fail()

    assert world.claim(accepted.run_id) is not None


def test_a_stop_of_a_running_run_flags_it_for_its_worker(world: World) -> None:
    claim = world.start()

    stop = world.stop(claim.task_id)

    assert stop == runs.Stop(claim.run_id, claim.task_id, None)
    assert world.row(claim.run_id).status == "running"
    assert world.row(claim.run_id).cancel_requested_at is not None


def test_a_stop_of_a_run_whose_worker_is_lost_hands_it_to_the_caller(world: World) -> None:
    claim = world.start(lease_s=-1)

    stop = world.stop(claim.task_id)

    assert stop is not None
    assert stop.claim is not None
    assert stop.claim.attempt == 2


def test_a_second_stop_changes_nothing(world: World) -> None:
    claim = world.start()
    world.stop(claim.task_id)
    flagged_at = world.row(claim.run_id).cancel_requested_at

    world.stop(claim.task_id)

    assert world.row(claim.run_id).cancel_requested_at == flagged_at


def test_ids_are_found_whatever_their_case(world: World, database: Database) -> None:
    claim = world.start()

    with database.read() as session:
        assert runs.get_run(session, world.app_id, claim.run_id.upper()) is not None
    assert world.stop(claim.task_id.upper()) is not None


@pytest.mark.parametrize("task_id", [NOBODY, "", "no uuid", "nul\0", "\ud800", "%", "9" * 10_000])
def test_a_stop_of_an_unknown_task_finds_nothing(world: World, task_id: str) -> None:
    assert world.stop(task_id) is None


def test_a_stop_does_not_reach_other_apps(world: World, database: Database) -> None:
    claim = world.start()

    assert World(database, "Other").stop(claim.task_id) is None
    assert world.row(claim.run_id).cancel_requested_at is None


def test_a_stop_by_another_user_finds_nothing(world: World) -> None:
    claim = world.start()

    assert world.stop(claim.task_id, "bob") is None
    assert world.row(claim.run_id).cancel_requested_at is None
    assert world.stop(claim.task_id, "ada") is not None


def test_a_stop_of_a_finished_run_finds_nothing(world: World) -> None:
    claim = world.start()
    world.finish(claim)

    assert world.stop(claim.task_id) is None
    assert world.row(claim.run_id).cancel_requested_at is None


def test_a_stop_and_a_claim_at_once_have_one_winner(world: World) -> None:
    for _ in range(20):
        accepted = world.accept()

        claim, stop = race([partial(world.claim, accepted.run_id), partial(world.stop, accepted.task_id)])

        assert stop is not None
        assert (claim is None) != (stop.claim is None)
        assert world.row(accepted.run_id).attempt == 1


def test_a_stop_and_a_success_at_once_agree_on_the_end(world: World) -> None:
    for _ in range(50):
        claim = world.start()

        stop, was_written = race([partial(world.stop, claim.task_id), partial(world.finish, claim)])

        assert was_written == (stop is None)
        if not was_written:
            assert world.finish(claim, RunStatus.STOPPED)
        assert world.row(claim.run_id).status == ("succeeded" if was_written else "stopped")


def test_a_run_is_shown_as_running_until_it_ends(world: World, database: Database) -> None:
    accepted = world.accept()
    with database.read() as session:
        waiting = runs.get_run(session, world.app_id, accepted.run_id)
    claim = world.claim(accepted.run_id)
    assert claim is not None
    world.finish(claim, RunStatus.PARTIAL_SUCCEEDED)
    with database.read() as session:
        ended = runs.get_run(session, world.app_id, accepted.run_id)

    assert waiting is not None
    assert (waiting.status, waiting.outputs, waiting.error, waiting.finished_at) == (RunStatus.RUNNING, {}, None, None)
    assert (waiting.total_steps, waiting.total_tokens, waiting.elapsed_time) == (0, 0, 0.0)
    assert waiting.inputs == '{"name":"Ada","sys.user_id":"ada"}'
    assert ended is not None
    assert (ended.status, ended.outputs, ended.finished_at) == (RunStatus.PARTIAL_SUCCEEDED, {"greeting": "Hi"}, 101.5)
    assert (ended.total_steps, ended.total_tokens, ended.exceptions_count, ended.elapsed_time) == (3, 7, 1, 1.5)


def test_a_run_is_shown_to_its_app_only(world: World, database: Database) -> None:
    accepted = world.accept()
    other = World(database, "Other")

    with database.read() as session:
        assert runs.get_run(session, other.app_id, accepted.run_id) is None
        assert runs.get_run(session, world.app_id, accepted.task_id) is None
        assert runs.get_run(session, world.app_id, "nul\0") is None


def test_an_operator_finds_a_run_without_its_app(world: World, database: Database) -> None:
    accepted = world.accept()

    with database.read() as session:
        assert runs.locate_run(session, accepted.run_id) == (world.app_id, accepted.task_id)
        assert runs.locate_run(session, NOBODY) is None


def test_statuses_of_many_runs_are_read_at_once(world: World, database: Database) -> None:
    waiting, running = world.accept(), world.start()

    with database.read() as session:
        found = runs.active_status(session, [waiting.run_id, running.run_id, NOBODY])
        nothing = runs.active_status(session, [])

    assert found == {waiting.run_id: RunStatus.SCHEDULED, running.run_id: RunStatus.RUNNING}
    assert nothing == {}


def test_inputs_of_every_kind_come_back_unchanged(world: World) -> None:
    inputs = {"text": "Grüße, 世界 🚀 \u2028", "nul": "a\0b", "big": 2**100, "deep": {"list": [1, 2.5, None, True, ""]}}

    assert world.start(inputs=inputs).inputs == inputs
