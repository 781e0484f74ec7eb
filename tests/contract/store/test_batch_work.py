"""Batches under way: every item is counted once, whatever happens to it."""

from decimal import Decimal

import pytest
from sqlalchemy import delete, select, update

from tests.contract.store.batching import (
    QUEUE,
    add,
    begin,
    change,
    check_counts,
    close,
    collect,
    dispatch,
    execute,
    facts,
    items,
    look,
    make,
    nowhere,
    queues,
    statuses,
)
from tests.contract.store.world import World, count, race, record
from worker.engine.events import RunStatus
from worker.store import (
    batch_closing,
    batch_collecting,
    batch_controls,
    batch_facts,
    batch_items,
    batch_work,
    batches,
    claims,
    lost_runs,
    retention,
    runs,
)
from worker.store.batch_claims import claim_delays
from worker.store.batch_facts import BatchStatus, ItemStatus
from worker.store.batch_models import BatchItem
from worker.store.batch_retention import count_old_batches, delete_batches
from worker.store.errors import BatchConflict, NotFound
from worker.store.limit_settings import change_limits
from worker.store.models import APPS, RUNS, WEBHOOK_DELIVERIES
from worker.store.webhooks import put_endpoint


def results(world: World, batch_id: str, **options: object) -> list[batch_items.ItemResult]:
    with world.database.read() as session:
        return batch_items.read_items(session, world.app_id, batch_id, **options)  # type: ignore[arg-type]


def test_items_become_runs_in_their_order(world: World) -> None:
    batch_id = make(world, 3)

    done = dispatch(world, batch_id, wanted=2)

    assert statuses(world, batch_id) == ["running", "running", "waiting"]
    assert queues(world) == {run_id: QUEUE for run_id, _ in done.runs}
    with world.database.read() as session:
        stored = [runs.get_run(session, world.app_id, run_id) for run_id, _ in done.runs]
    assert [run.sequence_number for run in stored if run] == [1, 2]
    first = stored[0]
    assert first is not None
    claim = world.claim(first.run_id)
    assert claim is not None
    assert (claim.queue, claim.inputs["name"], claim.inputs["sys.user_id"]) == (QUEUE, "Ada 1", "ada")
    assert (claim.inputs["sys.workflow_run_id"], claim.inputs["sys.workflow_id"]) == (first.run_id, world.workflow_id)
    check_counts(world, batch_id)


def test_a_run_that_nobody_claimed_is_sent_into_its_queue_again(world: World) -> None:
    batch_id = make(world, 1)
    (sent,) = dispatch(world, batch_id).runs

    with world.database.begin() as session:
        assert lost_runs.find_unclaimed(session, older_than_s=-1) == []
        assert lost_runs.find_unclaimed(session, older_than_s=-1, queue=QUEUE) == [sent]


def test_what_becomes_of_runs_becomes_of_their_items(world: World) -> None:
    batch_id = make(world, 4)
    ids = [run_id for run_id, _ in dispatch(world, batch_id, wanted=4).runs]
    ends = (RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.PARTIAL_SUCCEEDED)
    for run_id, status in zip(ids, ends, strict=False):
        execute(world, run_id, status, error="Broken." if status is RunStatus.FAILED else None)

    ended = collect(world, batch_id)

    assert {run.run_id for run in ended} == set(ids[:3])
    assert statuses(world, batch_id) == ["succeeded", "failed", "partial-succeeded", "running"]
    found = {item.position: item for item in results(world, batch_id)}
    assert (found[1].outputs, found[1].error) == ({"greeting": "Hi"}, None)
    assert (found[2].error_code, found[2].error) == ("run_failed", "Broken.")
    assert facts(world, batch_id).total_tokens == 21
    check_counts(world, batch_id)
    assert collect(world, batch_id) == []


def test_results_are_read_as_they_end(world: World) -> None:
    batch_id = make(world, 3)
    ids = [run_id for run_id, _ in dispatch(world, batch_id).runs]
    for run_id in reversed(ids):
        execute(world, run_id)
        collect(world, batch_id)

    first = results(world, batch_id, as_ended=True, limit=2)
    rest = results(world, batch_id, as_ended=True, after=first[-1].ended_order)

    assert [item.position for item in [*first, *rest]] == [3, 2, 1]


def test_a_batch_ends_with_its_last_item_and_says_so_once(world: World) -> None:
    with world.database.begin() as session:
        put_endpoint(session, world.app_id, "https://receiver.example", (), b"sealed")
    batch_id = make(world, 2)
    one, other = (run_id for run_id, _ in dispatch(world, batch_id).runs)
    execute(world, one)
    collect(world, batch_id)
    assert facts(world, batch_id).status is BatchStatus.IN_PROGRESS

    execute(world, other)
    collect(world, batch_id)

    ended = facts(world, batch_id)
    assert (ended.status, ended.counts.succeeded) == (BatchStatus.COMPLETED, 2)
    assert ended.ended_at is not None
    assert told(world, batch_id) == ["batch.completed"]
    with world.database.read() as session:
        assert not batch_work.has_open_batches(session)


def told(world: World, batch_id: str) -> list[str]:
    with world.database.read() as session:
        return list(session.scalars(select(WEBHOOK_DELIVERIES.c.event).where(WEBHOOK_DELIVERIES.c.batch_id == batch_id)))


def test_a_run_that_was_removed_is_an_error_of_its_item(world: World) -> None:
    batch_id = make(world, 1)
    ((run_id, _),) = dispatch(world, batch_id).runs
    with world.database.begin() as session:
        session.execute(delete(RUNS).where(RUNS.c.id == run_id))

    collect(world, batch_id)

    (item,) = results(world, batch_id)
    assert (item.status, item.error_code, item.outputs) == (ItemStatus.FAILED, "run_removed", None)
    assert facts(world, batch_id).status is BatchStatus.COMPLETED


def test_many_dispatchers_make_one_run_of_each_item_and_count_each_end_once(world: World) -> None:
    batch_id = make(world, 40)

    made = [run for done in race([lambda: dispatch(world, batch_id, wanted=10)] * 6) for run in done.runs]

    assert len(made) == len(set(made)) == 40
    for run_id, _ in made:
        execute(world, run_id)
    race([lambda: collect_again(world, batch_id)] * 4)
    assert facts(world, batch_id).counts.succeeded == 40
    assert facts(world, batch_id).total_tokens == 280
    check_counts(world, batch_id)
    orders = [item.ended_order for item in results(world, batch_id, as_ended=True)]
    assert orders == sorted(set(orders))


def collect_again(world: World, batch_id: str) -> None:
    with world.database.begin() as session:
        batch_collecting.collect(session, batch_id, limit=7)
    collect(world, batch_id)


def test_a_look_tells_open_runs_from_ended_ones(world: World) -> None:
    batch_id = make(world, 4)
    ids = [run_id for run_id, _ in dispatch(world, batch_id, wanted=3).runs]
    execute(world, ids[0])
    with world.database.begin() as session:
        session.execute(update(RUNS).where(RUNS.c.id == ids[1]).values(status=RunStatus.PAUSED))

    seen = look(world, batch_id)

    assert (seen.open_runs, seen.uncollected, seen.waiting) == (1, 1, 1)


def test_a_limit_of_the_app_holds_for_batches(world: World) -> None:
    with world.database.begin() as session:
        change_limits(session, world.app_id, max_concurrency=3)
    world.accept()
    batch_id = make(world, 5)

    assert len(dispatch(world, batch_id).runs) == 2
    assert dispatch(world, batch_id).runs == ()


def test_a_paused_batch_begins_nothing_until_it_is_resumed(world: World) -> None:
    batch_id = make(world, 2)
    with world.database.begin() as session:
        paused = batch_controls.pause_batch(session, world.app_id, batch_id)
    assert (paused.status, dispatch(world, batch_id).runs) == (BatchStatus.PAUSED, ())

    with world.database.begin() as session:
        batch_controls.resume_batch(session, world.app_id, batch_id)

    assert len(dispatch(world, batch_id).runs) == 2


def test_a_batch_that_is_paused_ends_with_its_last_item(world: World) -> None:
    batch_id = make(world, 1)
    ((run_id, _),) = dispatch(world, batch_id).runs
    with world.database.begin() as session:
        batch_controls.pause_batch(session, world.app_id, batch_id)
    execute(world, run_id)

    collect(world, batch_id)

    assert facts(world, batch_id).status is BatchStatus.COMPLETED


def cancel(world: World, batch_id: str) -> batch_facts.BatchFacts:
    with world.database.begin() as session:
        return batch_controls.cancel_batch(session, world.app_id, batch_id)


def test_a_cancelled_batch_begins_nothing_and_ends_with_what_runs(world: World) -> None:
    batch_id = make(world, 4)
    ((_, task_id),) = dispatch(world, batch_id, wanted=1).runs

    assert cancel(world, batch_id).status is BatchStatus.CANCELLING
    assert dispatch(world, batch_id).runs == ()
    assert close(world, batch_id)
    assert not close(world, batch_id)

    assert statuses(world, batch_id) == ["running", "cancelled", "cancelled", "cancelled"]
    assert facts(world, batch_id).status is BatchStatus.CANCELLING
    with world.database.read() as session:
        assert batch_closing.runs_to_stop(session, batch_id) == [task_id]
    stop = world.stop(task_id)
    assert stop is not None
    assert stop.claim is not None
    with world.database.read() as session:
        assert batch_closing.runs_to_stop(session, batch_id) == []
    world.finish(stop.claim, RunStatus.STOPPED, error="Stopped by user.")
    collect(world, batch_id)
    assert facts(world, batch_id).status is BatchStatus.CANCELLED
    assert [item.error_code for item in results(world, batch_id)] == ["run_stopped", *["batch_cancelled"] * 3]
    check_counts(world, batch_id)


def test_a_batch_of_which_nothing_runs_is_cancelled_at_once(world: World) -> None:
    batch_id = make(world, 2)
    cancel(world, batch_id)

    close(world, batch_id)

    assert facts(world, batch_id).status is BatchStatus.CANCELLED
    assert cancel(world, batch_id).status is BatchStatus.CANCELLED


def test_many_items_end_in_steps_and_keep_their_order(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_closing, "CLOSED_AT_A_TIME", 3)
    batch_id = make(world, 8)
    ((run_id, _),) = dispatch(world, batch_id, wanted=1).runs
    execute(world, run_id)
    collect(world, batch_id)
    cancel(world, batch_id)

    while close(world, batch_id):
        pass

    assert [item.position for item in results(world, batch_id, as_ended=True)] == list(range(1, 9))
    check_counts(world, batch_id)
    assert facts(world, batch_id).status is BatchStatus.CANCELLED


def test_a_batch_whose_window_is_over_expires(world: World) -> None:
    batch_id = make(world, 3, completion_window_s=3600.0)
    ((run_id, _),) = dispatch(world, batch_id, wanted=1).runs
    assert not look(world, batch_id).is_late
    change(world, batch_id, expires_at=1.0)
    assert look(world, batch_id).is_late

    close(world, batch_id)

    assert statuses(world, batch_id) == ["running", "expired", "expired"]
    execute(world, run_id)
    collect(world, batch_id)
    ended = facts(world, batch_id)
    assert ended.status is BatchStatus.EXPIRED
    assert "window" in (ended.error or "")
    check_counts(world, batch_id)


def test_a_batch_of_which_too_many_fail_is_stopped(world: World) -> None:
    batch_id = make(world, 40, stop_on_error_rate=0.5)
    ids = [run_id for run_id, _ in dispatch(world, batch_id, wanted=25).runs]
    for number, run_id in enumerate(ids[:20]):
        execute(world, run_id, RunStatus.SUCCEEDED if number < 9 else RunStatus.FAILED)

    collect(world, batch_id)

    assert facts(world, batch_id).status is BatchStatus.CANCELLING
    close(world, batch_id)
    for run_id in ids[20:]:
        execute(world, run_id)
    collect(world, batch_id)
    ended = facts(world, batch_id)
    assert ended.status is BatchStatus.FAILED
    assert ended.error == "55% of the items that had ended had failed, more than stop_on_error_rate allows (50%)."
    assert (ended.counts.cancelled, ended.counts.failed, ended.counts.succeeded) == (15, 11, 14)
    check_counts(world, batch_id)


def test_items_whose_app_is_disabled_fail_with_a_reason(world: World) -> None:
    batch_id = make(world, 2)
    with world.database.begin() as session:
        session.execute(update(APPS).values(api_enabled=False))

    assert dispatch(world, batch_id).refused == 2

    assert [item.error_code for item in results(world, batch_id)] == ["app_unavailable"] * 2
    assert facts(world, batch_id).status is BatchStatus.COMPLETED
    check_counts(world, batch_id)


@pytest.mark.parametrize(("column", "code"), [("apps", "workflow_not_published"), ("batches", "workflow_not_found")])
def test_items_whose_workflow_is_gone_fail_with_a_reason(world: World, column: str, code: str) -> None:
    batch_id = make(world, 1)
    if column == "apps":
        with world.database.begin() as session:
            session.execute(update(APPS).values(workflow_id=None))
    else:
        change(world, batch_id, workflow_id=batch_id)

    dispatch(world, batch_id)

    assert [item.error_code for item in results(world, batch_id)] == [code]


def test_what_failed_is_tried_again(world: World) -> None:
    batch_id = make(world, 4, completion_window_s=60.0)
    ids = [run_id for run_id, _ in dispatch(world, batch_id, wanted=2).runs]
    execute(world, ids[0])
    execute(world, ids[1], RunStatus.FAILED, error="Broken.")
    collect(world, batch_id)
    cancel(world, batch_id)
    close(world, batch_id)
    first = facts(world, batch_id)
    assert first.status is BatchStatus.CANCELLED

    again, number = batch_controls.retry_batch(world.database, world.app_id, batch_id)

    assert (again.status, number, again.ended_at, again.error) == (BatchStatus.IN_PROGRESS, 3, None, None)
    assert statuses(world, batch_id) == ["succeeded", "waiting", "waiting", "waiting"]
    assert again.expires_at is not None
    assert first.expires_at is not None
    assert again.expires_at >= first.expires_at
    check_counts(world, batch_id)
    for run_id, _ in dispatch(world, batch_id).runs:
        execute(world, run_id)
    collect(world, batch_id)
    ended = facts(world, batch_id)
    assert (ended.status, ended.counts.succeeded, ended.total_tokens) == (BatchStatus.COMPLETED, 4, 35)
    assert [item.attempt for item in results(world, batch_id)] == [1, 2, 1, 1]
    assert told(world, batch_id) == []


def test_many_items_are_tried_again_in_steps(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_controls, "RETRIED_AT_A_TIME", 2)
    batch_id = make(world, 5)
    cancel(world, batch_id)
    close(world, batch_id)

    _, number = batch_controls.retry_batch(world.database, world.app_id, batch_id)

    assert (number, statuses(world, batch_id)) == (5, ["waiting"] * 5)
    check_counts(world, batch_id)


def test_a_batch_with_nothing_to_try_again_stays_as_it_is(world: World) -> None:
    batch_id = make(world, 1)
    ((run_id, _),) = dispatch(world, batch_id).runs
    execute(world, run_id)
    collect(world, batch_id)

    again, number = batch_controls.retry_batch(world.database, world.app_id, batch_id)

    assert (again.status, number) == (BatchStatus.COMPLETED, 0)


def test_what_the_status_does_not_allow_is_refused(world: World) -> None:
    ended, open_ = make(world, 1), make(world, 1)
    cancel(world, ended)
    with pytest.raises(BatchConflict, match="cancelling and cannot be tried again"):
        batch_controls.retry_batch(world.database, world.app_id, ended)
    close(world, ended)

    for control in (batch_controls.pause_batch, batch_controls.resume_batch):
        with world.database.begin() as session, pytest.raises(BatchConflict, match="cancelled"):
            control(session, world.app_id, ended)
    for control in (batch_controls.pause_batch, batch_controls.resume_batch, batch_controls.cancel_batch):
        with world.database.begin() as session, pytest.raises(NotFound):
            control(session, nowhere(), open_)


def test_what_the_models_cost_is_added_up(world: World) -> None:
    batch_id = make(world, 1)
    ((run_id, _),) = dispatch(world, batch_id).runs
    claim = world.claim(run_id)
    assert claim is not None
    llm = record("llm", total_tokens=7, total_price=Decimal("0.00021"), currency="USD")
    with world.database.begin() as session:
        claims.save_progress(session, run_id, claim.attempt, [(1, llm), (2, record())], None)
    world.finish(claim)

    collect(world, batch_id)

    found = facts(world, batch_id)
    assert (found.total_tokens, found.total_price, found.currency) == (7, Decimal("0.00021"), "USD")


def test_claims_of_runs_are_found_with_their_delays(world: World) -> None:
    batch_id = make(world, 3)
    ids = [run_id for run_id, _ in dispatch(world, batch_id).runs]
    world.claim(ids[0])
    stop = world.stop(dict(queues_tasks(world))[ids[1]])
    assert stop is not None

    with world.database.read() as session:
        found = claim_delays(session, ids)

    assert set(found) == {ids[0], ids[1]}
    assert found[ids[0]] is not None
    assert found[ids[0]] >= 0


def queues_tasks(world: World) -> dict[str, str]:
    with world.database.read() as session:
        return {run_id: task_id for run_id, task_id in session.execute(select(RUNS.c.id, RUNS.c.task_id))}


def test_how_fast_a_batch_goes_is_told_from_its_last_ends(world: World) -> None:
    batch_id = begin(world)
    add(world, batch_id, [*items(4), batches.NewItem("bad", 9, error_code="x", error="y")])
    with world.database.begin() as session:
        fresh = batches.seal_batch(session, batch_id)
        assert batch_facts.pace_of(session, fresh) == batch_facts.BatchPace(0.0, None)
    for run_id, _ in dispatch(world, batch_id, wanted=2).runs:
        with world.database.read() as session:
            (now,) = session.execute(select(batch_work.now_s())).one()
        execute(world, run_id, finished_at=now)
    collect(world, batch_id)

    with world.database.read() as session:
        pace = batch_facts.pace_of(session, facts(world, batch_id))

    assert 0.1 < pace.items_per_s <= 2
    assert pace.remaining_s == pytest.approx(2 / pace.items_per_s)


# ---- age


def delete_old(world: World, age_s: float = 100.0) -> int:
    removed = 0
    while True:
        with world.database.begin() as session:
            step = delete_batches(session, age_s)
        if step is None:
            return removed
        removed += step


def ended_batch(world: World, **changes: object) -> str:
    batch_id = make(world, 5)
    cancel(world, batch_id)
    close(world, batch_id)
    change(world, batch_id, **{"ended_at": 1.0, **changes})
    return batch_id


def test_batches_go_because_of_their_age(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_closing, "PURGED_AT_A_TIME", 2)
    ended_batch(world)
    young, open_ = ended_batch(world, ended_at=1e12), make(world, 1)
    with world.database.read() as session:
        assert count_old_batches(session, 100.0) == 1

    assert delete_old(world) == 1

    with world.database.read() as session:
        assert {batch.id for batch in batch_facts.list_batches(session, world.app_id)} == {young, open_}
    assert count(world.database, BatchItem) == 6


def test_a_batch_that_is_awaited_stays(world: World) -> None:
    keyed = ended_batch(world, idempotency_key="k")
    with world.database.begin() as session:
        put_endpoint(session, world.app_id, "https://receiver.example", (), b"sealed")
    ended_batch(world)

    assert delete_old(world) == 0

    change(world, keyed, created_at=1.0)
    with world.database.begin() as session:
        session.execute(update(WEBHOOK_DELIVERIES).values(due_at=None))
    assert delete_old(world) == 2


def test_a_run_stays_until_its_batch_knows_its_end(world: World) -> None:
    batch_id = make(world, 1)
    ((run_id, _),) = dispatch(world, batch_id).runs
    execute(world, run_id)
    change_run(world, run_id, last_event=0, finished_at=1.0)

    assert delete_runs(world) == 0
    collect(world, batch_id)
    assert delete_runs(world) == 1


def change_run(world: World, run_id: str, **values: object) -> None:
    with world.database.begin() as session:
        session.execute(update(RUNS).where(RUNS.c.id == run_id).values(**values))


def delete_runs(world: World) -> int:
    with world.database.begin() as session:
        return retention.delete_runs(session, 100.0)


def test_files_of_items_that_wait_are_in_use(world: World) -> None:
    file_id = nowhere()
    file = {"dify_model_identity": "__dify__file__", "related_id": file_id}
    batch_id = begin(world)
    add(world, batch_id, [batches.NewItem("a", 1, {"document": file}), batches.NewItem("b", 2, {"text": nowhere()})])

    with world.database.snapshot() as session:
        assert retention.files_in_use(session) == {file_id}
