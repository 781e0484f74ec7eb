"""Deploys are invisible (reliability.md section 1.8)."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.harness import kinds
from tests.faults.harness.audience import check
from tests.faults.harness.driving import Load
from tests.services.client import RUN

#: Seconds within which a process that is told to leave is gone.
LEAVE_S = 25.0

RUNS = 20

#: Runs a second during the rolling restart, and how long it goes on.
RATE = 6.0
FOR_S = 12.0


@pytest.fixture(scope="module")
def kind(stage):
    return kinds.gated("deployed", stage.counting.url, ["first", "gate", "last"], held="gate")


@pytest.fixture(scope="module")
def app(stage, kind):
    return stage.deployment.import_document(kind.document)


@pytest.mark.parametrize("pool", ["threads", "gevent"])
def test_a_worker_whose_whole_group_is_told_to_leave_hands_its_runs_over(stage, app, kind, audience, pool):
    """As a dyno is ended: every process of it is signalled."""
    stage.staff(webs=1, workers=0)
    leaving = stage.add_worker(PENSTOCK_WORKER_POOL=pool)
    queries = [f"{pool}{number}" for number in range(RUNS)]
    streams = audience.follow(app, *queries)
    for query in queries:
        stage.counting.wait_until_called(f"{query}:gate")
    asked_at = time.monotonic()
    leaving.terminate_all()
    assert leaving.wait(LEAVE_S) == 0
    took_s = time.monotonic() - asked_at
    stage.add_worker(PENSTOCK_WORKER_POOL=pool)
    for query in queries:
        stage.counting.wait_until_called(f"{query}:gate", times=2)
        stage.counting.release(f"{query}:gate")

    check(streams, kind)
    assert took_s < LEAVE_S
    assert stage.counting.calls() == {
        f"{query}:{node}": 2 if node == "gate" else 1 for query in queries for node in ("first", "gate", "last")
    }
    assert {position.attempt for position in stage.positions(stream.result().run_id for stream in streams).values()} == {2}


def test_a_stream_of_an_instance_that_leaves_ends_behind_a_whole_frame(stage, app, audience):
    stage.staff(webs=1, workers=1)
    body = {"inputs": {"query": "leaves"}, "response_mode": "streaming", "user": audience.new_user()}
    headers = {"Authorization": f"Bearer {app.api_key}"}
    url = stage.urls()[0] + RUN
    with audience.http.stream("POST", url, json=body, params={"event_ids": "true"}, headers=headers) as response:
        stage.counting.wait_until_called("leaves:gate")
        stage.webs[0].process.terminate()
        *frames, retry, rest = response.read().decode().split("\n\n")

    assert (retry, rest) == ("retry: 1000", "")
    assert all(frame.startswith("data: {") and frame.splitlines()[-1] == f"id: {number}" for number, frame in enumerate(frames, 1))
    assert stage.webs[0].process.wait(LEAVE_S) == 0


def test_a_rolling_restart_under_load_shows_nowhere(stage, app, kind, audience):
    """First a new process, then the old one is told to leave, one after the other. One stream is open all the while."""
    stage.staff(webs=2, workers=2)
    load = kinds.load(stage.counting.url)[:5]
    apps = stage.deployment.import_documents([kind.document for kind in load])
    with Load(load, apps, stage.urls, rate=RATE, clients=64, patience_s=60) as driven, ThreadPoolExecutor(1) as driver:
        [kept] = audience.follow(app, "kept")
        stage.counting.wait_until_called("kept:gate")
        submitting = driver.submit(driven.submit, for_s=FOR_S)
        for web, worker in zip(list(stage.webs), list(stage.workers), strict=True):
            replace_worker(stage, worker)
            replace_web(stage, web)
        stage.counting.release("kept:gate")
        submitting.result()
        outcomes = driven.outcomes()

    assert len(outcomes) > RATE * FOR_S / 2
    assert [outcome.problems for outcome in outcomes] == [[]] * len(outcomes)
    [seen] = check([kept], kind)
    assert seen.streams > 1, "its first instance is gone"


def replace_worker(stage, worker):
    stage.add_worker()
    stage.wait_until_staffed()
    worker.terminate()
    assert worker.wait(LEAVE_S) == 0
    stage.forget_worker(worker)


def replace_web(stage, web):
    stage.add_web()
    web.process.terminate()
    assert web.process.wait(LEAVE_S) == 0
    stage.forget_web(web)
