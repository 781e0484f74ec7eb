"""No accepted run is ever lost (reliability.md section 1.1)."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.harness import kinds
from tests.faults.harness.audience import check
from tests.faults.harness.driving import Load
from tests.services.waiting import wait_for
from worker.engine.events import RunStatus

#: Runs that the worker executes at a time.
SLOTS = 10

QUEUED = 200

#: Address space that a worker gets beyond what it has: less than a thread takes.
ROOM_BYTES = 4 * 1024 * 1024


@pytest.fixture(scope="module")
def settings():
    return {"PENSTOCK_WORKER_CONCURRENCY": str(SLOTS)}


@pytest.fixture(scope="module")
def kind(stage):
    return kinds.gated("kept", stage.counting.url, ["first", "gate", "last"], held="gate")


@pytest.fixture(scope="module")
def app(stage, kind):
    return stage.deployment.import_document(kind.document)


def test_200_queued_and_10_running_runs_outlive_a_redis_that_loses_everything(stage, app, audience):
    """The worker is busy with the first ones, so the tasks of all others are lost with everything else that Redis held."""
    stage.staff(webs=1, workers=1)
    running, queued = [f"r{number}" for number in range(SLOTS)], [f"q{number}" for number in range(QUEUED)]
    run_ids = [audience.submit(app, query) for query in running]
    for query in running:
        stage.counting.wait_until_called(f"{query}:gate")
    run_ids += [audience.submit(app, query) for query in queued]

    stage.valkey.flush()
    for query in [*running, *queued]:
        stage.counting.release(f"{query}:gate")

    wait_for(lambda: not stage.unfinished(), "all runs to end", timeout_s=60, interval_s=0.2)
    assert {position.status for position in stage.positions(run_ids).values()} == {RunStatus.SUCCEEDED}
    assert stage.counting.calls() == {f"{query}:{node}": 1 for query in [*running, *queued] for node in ("first", "gate", "last")}


def test_runs_of_a_worker_that_runs_out_of_memory_end_on_another(stage, app, kind, audience):
    """It can neither start threads nor hold what its runs bring along: it fails in one place or another, and may well end."""
    stage.staff(webs=1, workers=1)
    taken, queued = [f"m{number}" for number in range(SLOTS // 2)], [f"n{number}" for number in range(SLOTS * 2)]
    streams = audience.follow(app, *taken)
    for query in taken:
        stage.counting.wait_until_called(f"{query}:gate")
    stage.workers[0].limit_memory(ROOM_BYTES)
    streams += audience.follow(app, *queued)
    stage.add_worker()
    for query in [*taken, *queued]:
        stage.counting.release(f"{query}:gate")

    check(streams, kind)


def test_a_run_whose_api_dies_between_commit_and_message_is_executed(stage, app, kind, audience):
    """Redis swallows the message without an answer; it dies with it, so that it cannot read it later."""
    stage.staff(webs=1, workers=1)
    stage.counting.release("cut:gate")
    stage.valkey.pause()
    (stream,) = audience.follow(app, "cut")
    wait_for(stage.unfinished, "the run to be committed")
    stage.kill_web(stage.webs[0])
    stage.valkey.kill()
    stage.valkey.start()
    began = time.monotonic()
    stage.add_web()

    (seen,) = check([stream], kind)
    assert time.monotonic() - began < stage.config.resend_s + stage.config.sweep_s + 5
    assert seen.was_found
    assert stage.counting.calls() == {f"cut:{node}": 1 for node in ("first", "gate", "last")}


def test_submissions_to_a_deployment_without_redis_are_kept_or_refused(stage, audience):
    """Four seconds of an outage under load. What is refused leaves nothing behind; what is kept ends when Redis is back."""
    stage.staff(webs=1, workers=1)
    before = len(stage.tasks())
    load = kinds.load(stage.counting.url)[:3]
    apps = stage.deployment.import_documents([kind.document for kind in load])
    with Load(load, apps, stage.urls, rate=10, clients=64, patience_s=60) as driven, ThreadPoolExecutor(1) as driver:
        submitting = driver.submit(driven.submit, 60)
        wait_for(lambda: driven.submitted > 5, "some submissions")
        stage.valkey.stop()
        wait_for(lambda: driven.submitted > 45, "submissions during the outage")
        stage.valkey.start()
        submitting.result()
        outcomes = driven.outcomes()

    assert [outcome.problems for outcome in outcomes] == [[]] * len(outcomes)
    assert len(stage.tasks()) - before == len(outcomes) == 60
    assert not any(outcome.was_found for outcome in outcomes)
