"""Claims: one winner, fenced writes, renewal, and the ways a claim ends."""

from functools import partial

import pytest

from tests.contract.store.world import World, count, finished, race, record
from worker.engine.errors import RunFenced
from worker.engine.events import RunStatus, Scope
from worker.engine.variables import File
from worker.store import claims, lost_runs
from worker.store.events import EventStretch, read_events
from worker.store.models import NodeExecution, RunEvents
from worker.store.session import Database

FRAMES = [b'{"event":"workflow_started"}', b'{"event":"node_started"}', b'{"event":"node_finished"}']


def save(world: World, claim: claims.Claim, records: list, events: EventStretch | None = None) -> None:
    with world.database.begin() as session:
        claims.save_progress(session, claim.run_id, claim.attempt, records, events)


def release(world: World, claim: claims.Claim) -> bool:
    with world.database.begin() as session:
        return claims.release_run(session, claim.run_id, claim.attempt)


def renew(world: World, *held: claims.Claim, owner: str = "worker") -> claims.Renewal:
    with world.database.begin() as session:
        return claims.renew(session, owner, [(claim.run_id, claim.attempt) for claim in held], 30.0)


def requeue(world: World, claim: claims.Claim) -> bool:
    with world.database.begin() as session:
        return lost_runs.requeue_expired(session, claim.run_id, claim.attempt)


def take_over(world: World, claim: claims.Claim) -> claims.Claim | None:
    with world.database.begin() as session:
        return claims.take_over(session, claim.run_id, claim.attempt)


def history(world: World, claim: claims.Claim) -> tuple[list, list]:
    with world.database.read() as session:
        return claims.load_records(session, claim.run_id), read_events(session, claim.run_id)


def claim_beside_others(world: World, run_id: str) -> claims.Claim | None:
    with world.database.begin() as session:
        return claims.claim(session, run_id, "worker", 30.0, beside_others=True)


def losses(world: World, run_id: str) -> int:
    with world.database.read() as session:
        return claims.count_losses(session, run_id)


def lost_to_another(world: World) -> tuple[claims.Claim, claims.Claim]:
    """The claims of a worker that was thought dead and of the one that has the run now."""
    old = world.start(lease_s=-1)
    assert requeue(world, old)
    new = world.claim(old.run_id, owner="other")
    assert new is not None
    return old, new


def test_a_claim_carries_what_the_runner_needs(world: World) -> None:
    accepted = world.accept(trace_id="t-1")

    claim = world.claim(accepted.run_id)

    assert claim is not None
    assert (claim.run_id, claim.task_id, claim.app_id) == (accepted.run_id, accepted.task_id, world.app_id)
    assert (claim.workflow_id, claim.workflow_version) == (world.workflow_id, world.version)
    assert (claim.end_user_id, claim.user, claim.sequence_number, claim.trace_id) == (world.end_user_id, "ada", 1, "t-1")
    assert claim.inputs == {"name": "Ada", "sys.user_id": "ada"}
    assert (claim.attempt, claim.lost_attempts, claim.last_event, claim.elapsed_s) == (1, 0, 0, 0.0)
    assert claim.created_at == accepted.created_at <= claim.started_at < claim.deadline_at


def test_only_one_of_many_workers_gets_a_run(world: World) -> None:
    for _ in range(5):
        run_id = world.accept().run_id

        answers = race([partial(world.claim, run_id, owner=f"worker-{number}") for number in range(16)])

        assert len([claim for claim in answers if claim]) == 1
        assert world.row(run_id).attempt == 1


def test_a_run_that_does_not_exist_cannot_be_claimed(world: World) -> None:
    assert world.claim("00000000-0000-4000-8000-000000000000") is None


def test_a_finished_run_cannot_be_claimed(world: World) -> None:
    claim = world.start()
    world.finish(claim)

    assert world.claim(claim.run_id) is None


def test_start_and_deadline_are_those_of_the_first_claim(world: World) -> None:
    old, new = lost_to_another(world)

    assert (new.started_at, new.deadline_at, new.attempt) == (old.started_at, old.deadline_at, 2)
    assert new.elapsed_s >= 0.0


def test_progress_is_kept_in_the_order_of_positions(world: World) -> None:
    claim = world.start()
    file = File("image", "local_file", "a.png", ".png", "image/png", 3, related_id="f-1")
    first = record("first", outputs={"file": file, "big": 2**80}, scope=Scope("it", 3, path=(("it", 3),)))
    second = record("second", error="nul \0 here", title="nul \0")

    save(world, claim, [(2, second)], EventStretch.of(1, FRAMES[:2]))
    save(world, claim, [(1, first)], EventStretch.of(3, FRAMES[2:]))

    assert history(world, claim) == ([first, second], list(enumerate(FRAMES, 1)))
    assert world.row(claim.run_id).last_event == 3


def test_progress_without_events_keeps_their_number(world: World) -> None:
    claim = world.start()
    save(world, claim, [], EventStretch.of(1, FRAMES))

    save(world, claim, [(1, record())])

    assert world.row(claim.run_id).last_event == 3


def test_progress_may_be_saved_again_when_the_answer_got_lost(world: World) -> None:
    claim = world.start()
    records = [(1, record("first")), (2, record("second"))]
    save(world, claim, records[:1], EventStretch.of(1, FRAMES[:2]))

    save(world, claim, records, EventStretch.of(1, FRAMES))

    assert history(world, claim) == ([item for _, item in records], list(enumerate(FRAMES, 1)))


def test_a_fenced_worker_stores_nothing(world: World, database: Database) -> None:
    old, _ = lost_to_another(world)

    with pytest.raises(RunFenced):
        save(world, old, [(1, record())], EventStretch.of(1, FRAMES))
    with pytest.raises(RunFenced):
        world.finish(old)
    with pytest.raises(RunFenced):
        release(world, old)

    assert count(database, NodeExecution) == count(database, RunEvents) == 0
    assert world.row(old.run_id).status == "running"


def test_a_worker_whose_run_waits_for_another_one_is_fenced(world: World) -> None:
    claim = world.start(lease_s=-1)
    requeue(world, claim)

    with pytest.raises(RunFenced):
        save(world, claim, [], None)


def test_a_lost_lease_and_a_last_write_at_once_have_one_winner(world: World) -> None:
    for _ in range(20):
        claim = world.start(lease_s=-1)

        def last_write(claim: claims.Claim = claim) -> bool:
            try:
                return world.finish(claim)
            except RunFenced:
                return False

        was_written, was_requeued = race([last_write, partial(requeue, world, claim)])

        assert was_written != was_requeued
        assert world.row(claim.run_id).status == ("succeeded" if was_written else "scheduled")


def test_the_end_of_a_run_is_stored_as_a_whole(world: World, database: Database) -> None:
    claim = world.start()
    last = record("end")

    with database.begin() as session:
        end = finished(RunStatus.FAILED, error="bad \0")
        assert claims.finish_run(session, claim.run_id, 1, end, {"a": [1]}, [(1, last)], EventStretch.of(1, FRAMES))

    row = world.row(claim.run_id)
    assert (row.status, row.error, row.finished_at, row.last_event) == ("failed", "bad \ufffd", 101.5, 3)
    assert (row.lease_owner, row.lease_until) == (None, None)
    assert history(world, claim) == ([last], list(enumerate(FRAMES, 1)))


def test_an_end_may_be_written_again_when_the_answer_got_lost(world: World) -> None:
    claim = world.start()

    assert [world.finish(claim), world.finish(claim)] == [True, True]


def test_the_first_end_stands(world: World) -> None:
    claim = world.start()
    world.finish(claim)

    with pytest.raises(RunFenced):
        world.finish(claim, RunStatus.FAILED)

    assert world.row(claim.run_id).status == "succeeded"


@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.PARTIAL_SUCCEEDED])
def test_a_success_does_not_overrule_a_stop(world: World, status: RunStatus) -> None:
    claim = world.start()
    world.stop(claim.task_id)

    assert world.finish(claim, status) is False
    assert world.row(claim.run_id).finished_at is None
    assert world.finish(claim, RunStatus.STOPPED) is True


def test_a_failure_stands_although_a_stop_was_requested(world: World) -> None:
    claim = world.start()
    world.stop(claim.task_id)

    assert world.finish(claim, RunStatus.FAILED)


def test_a_released_run_goes_to_another_worker_and_counts_no_loss(world: World) -> None:
    claim = world.start()

    assert release(world, claim)
    again = world.claim(claim.run_id, owner="other")

    assert again is not None
    assert (again.attempt, again.lost_attempts) == (2, 0)


def test_a_release_may_be_repeated(world: World) -> None:
    claim = world.start()

    assert [release(world, claim), release(world, claim)] == [True, True]


def test_a_run_that_is_to_be_stopped_is_not_released(world: World) -> None:
    claim = world.start()
    world.stop(claim.task_id)

    assert release(world, claim) is False
    assert world.row(claim.run_id).status == "running"


def test_renewal_extends_leases_and_brings_stops_back(world: World) -> None:
    quiet, stopped = world.start(lease_s=1), world.start(lease_s=1)
    until = world.row(quiet.run_id).lease_until
    world.stop(stopped.task_id)

    renewal = renew(world, quiet, stopped)

    assert renewal == claims.Renewal(lost=set(), stops={stopped.run_id})
    assert world.row(quiet.run_id).lease_until > until


def test_renewal_saves_a_run_that_nobody_has_missed_yet(world: World) -> None:
    claim = world.start(lease_s=-1)

    assert renew(world, claim).lost == set()
    assert requeue(world, claim) is False


def test_renewal_tells_which_runs_are_lost(world: World, database: Database) -> None:
    waiting = world.start(lease_s=-1)
    requeue(world, waiting)
    over = world.start()
    world.finish(over)
    taken, _ = lost_to_another(world)
    mine = world.start()
    foreign = world.start(owner="other")

    assert renew(world, waiting, over, taken, mine, foreign).lost == {waiting.run_id, over.run_id, taken.run_id, foreign.run_id}


def test_renewal_tells_an_attempt_of_the_same_worker_that_a_later_one_exists(world: World) -> None:
    old = world.start(lease_s=-1)
    requeue(world, old)
    new = world.claim(old.run_id)
    assert new is not None

    assert renew(world, old).lost == {old.run_id}
    assert renew(world, new).lost == set()


def test_renewal_of_nothing_is_nothing(world: World) -> None:
    assert renew(world) == claims.Renewal(set(), set())


def test_a_run_in_good_hands_is_not_taken_over(world: World) -> None:
    assert take_over(world, world.start()) is None


def test_a_run_whose_deadline_has_passed_is_taken_over_although_its_worker_renews(world: World) -> None:
    claim = world.start(time_limit_s=-1000.0)
    renew(world, claim)

    closing = take_over(world, claim)

    assert closing is not None
    with pytest.raises(RunFenced):
        world.finish(claim)
    assert world.finish(closing, RunStatus.FAILED)


def test_a_run_is_taken_over_by_one(world: World) -> None:
    claim = world.start(lease_s=-1)

    taken = race([partial(take_over, world, claim)] * 8)

    assert len([one for one in taken if one]) == 1


def test_a_finished_run_is_not_taken_over(world: World) -> None:
    claim = world.start(time_limit_s=-1000.0)
    world.finish(claim)

    assert take_over(world, claim) is None


def test_a_run_that_lost_a_worker_is_not_claimed_beside_others(world: World) -> None:
    innocent, suspect = world.accept(), world.start(lease_s=-1)
    assert requeue(world, suspect)

    assert losses(world, innocent.run_id) == 0
    assert claim_beside_others(world, innocent.run_id) is not None
    assert losses(world, suspect.run_id) == 1
    assert claim_beside_others(world, suspect.run_id) is None
    assert world.claim(suspect.run_id) is not None
    assert not losses(world, suspect.run_id), "it has a worker now"


def test_a_run_that_was_handed_over_is_not_suspect(world: World) -> None:
    held = world.start()
    assert release(world, held)

    assert claim_beside_others(world, held.run_id) is not None


def test_a_suspect_run_that_is_to_be_stopped_is_nobodys(world: World) -> None:
    suspect = world.start(lease_s=-1)
    assert requeue(world, suspect)
    world.stop(suspect.task_id)

    assert losses(world, suspect.run_id) == 0
    assert losses(world, "unknown") == 0
