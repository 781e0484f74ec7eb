"""What the sweeper finds, and what it may do about it."""

from functools import partial

from tests.contract.store.world import World, race
from worker.engine.events import RunStatus
from worker.store import claims, lost_runs
from worker.store.session import Database


def unclaimed(database: Database, older_than_s: float, limit: int = 100) -> set[tuple[str, str]]:
    with database.begin() as session:
        return set(lost_runs.find_unclaimed(session, older_than_s, limit))


def requeue(database: Database, lost: lost_runs.LostRun | claims.Claim) -> bool:
    with database.begin() as session:
        return lost_runs.requeue_expired(session, lost.run_id, lost.attempt)


def test_runs_that_nobody_claimed_are_found_once(world: World, database: Database) -> None:
    accepted = [world.accept() for _ in range(3)]
    world.start()

    found = unclaimed(database, older_than_s=-1)

    assert found == {(run.run_id, run.task_id) for run in accepted}
    assert unclaimed(database, older_than_s=30) == set()


def test_a_young_run_is_left_to_its_first_task(world: World, database: Database) -> None:
    world.accept()

    assert unclaimed(database, older_than_s=30) == set()


def test_no_more_unclaimed_runs_are_found_than_asked_for(world: World, database: Database) -> None:
    for _ in range(3):
        world.accept()

    assert len(unclaimed(database, older_than_s=-1, limit=2)) == 2


def test_two_sweepers_do_not_send_the_same_run(world: World, database: Database) -> None:
    accepted = {world.accept().run_id for _ in range(10)}
    with database.begin() as session:
        session.connection().exec_driver_sql("UPDATE runs SET lease_until = lease_until - 60")

    found = race([partial(unclaimed, database, 30)] * 2)

    assert sorted(run_id for runs_found in found for run_id, _ in runs_found) == sorted(accepted)


def test_runs_whose_lease_expired_are_found(world: World, database: Database) -> None:
    world.start()
    world.accept()
    over = world.start(lease_s=-1)
    world.finish(over)
    lost = world.start(lease_s=-1)
    world_stop = world.start(lease_s=30)
    world.stop(world_stop.task_id)

    with database.read() as session:
        found = lost_runs.find_expired(session)

    assert found == [lost_runs.LostRun(lost.run_id, lost.task_id, attempt=1, losses=1, is_stopping=False)]


def test_each_loss_is_counted(world: World, database: Database) -> None:
    run_id = world.accept().run_id
    for losses in (1, 2, 3):
        world.claim(run_id, lease_s=-1)
        with database.read() as session:
            (lost,) = lost_runs.find_expired(session)
        assert (lost.attempt, lost.losses) == (losses, losses)
        assert requeue(database, lost)

    assert world.row(run_id).lost_attempts == 3


def test_a_lost_run_is_requeued_once(world: World, database: Database) -> None:
    lost = world.start(lease_s=-1)

    assert race([partial(requeue, database, lost)] * 8).count(True) == 1
    assert world.row(lost.run_id).lost_attempts == 1


def test_a_lost_run_that_is_to_be_stopped_is_closed_instead(world: World, database: Database) -> None:
    claim = world.start(lease_s=30)
    world.stop(claim.task_id)
    with database.begin() as session:
        session.connection().exec_driver_sql("UPDATE runs SET lease_until = lease_until - 60")

    with database.read() as session:
        (lost,) = lost_runs.find_expired(session)
    with database.begin() as session:
        closing = claims.take_over(session, lost.run_id, lost.attempt)

    assert lost.is_stopping
    assert requeue(database, lost) is False
    assert closing is not None
    assert world.finish(closing, RunStatus.STOPPED)


def test_a_caller_that_dies_over_a_stop_leaves_the_run_to_the_sweeper(world: World, database: Database) -> None:
    stop = world.stop(world.accept().task_id)
    assert stop is not None
    with database.begin() as session:
        session.connection().exec_driver_sql("UPDATE runs SET lease_until = lease_until - 60")

    with database.read() as session:
        (lost,) = lost_runs.find_expired(session)

    assert (lost.run_id, lost.is_stopping) == (stop.run_id, True)


def test_overdue_runs_are_found_whatever_their_worker_does(world: World, database: Database) -> None:
    world.start()
    world.accept(time_limit_s=-1000.0)
    over = world.start(time_limit_s=-1000.0)
    world.finish(over)
    overdue = world.start(time_limit_s=-1000.0)

    with database.read() as session:
        found = lost_runs.find_overdue(session)

    assert [run.run_id for run in found] == [overdue.run_id]


def test_the_runs_of_a_dead_process_are_lost_at_once(world: World, database: Database) -> None:
    dead, alive = world.start(owner="dead"), world.start(owner="alive")

    with database.begin() as session:
        lost_runs.forsake(session, "dead")

    with database.read() as session:
        assert [run.run_id for run in lost_runs.find_expired(session)] == [dead.run_id]
    assert world.row(alive.run_id).lease_owner == "alive"
