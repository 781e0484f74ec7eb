"""Dependencies may fail (reliability.md section 1.13): Redis is a wire and PostgreSQL comes back; runs wait, and readers miss nothing."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.harness import kinds
from tests.faults.harness.audience import check
from tests.faults.harness.driving import Load
from tests.services.postgres import Postgres
from tests.services.processes import Process
from tests.services.stage import READY
from tests.services.waiting import wait_for
from worker.broker import worker_arguments

NODES = ["gate", "first", "second"]

#: Runs of the load, and how many a second.
RUNS = 60
RATE = 10.0


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with Postgres() as postgres:
        yield postgres


@pytest.fixture(scope="module")
def database_url(postgres):
    return postgres.create_database()


@pytest.fixture(scope="module")
def kind(stage):
    return kinds.gated("dependent", stage.counting.url, NODES, held="gate")


@pytest.fixture(scope="module")
def app(stage, kind):
    return stage.deployment.import_document(kind.document)


@pytest.fixture
def run(stage, app, audience):
    """Starts a run that waits in its first node, ``<query>:gate``, and answers what its reader will have seen."""
    stage.staff(webs=1, workers=1)

    def start(query: str):
        (stream,) = audience.follow(app, query)
        stage.counting.wait_until_called(f"{query}:gate")
        return stream

    return start


def test_a_redis_that_comes_back_empty_costs_nobody_an_event(stage, kind, run):
    stream = run("emptied")
    stage.valkey.kill()
    stage.valkey.start()
    stage.counting.release("emptied:gate")

    check([stream], kind)
    assert stage.counting.calls() == {f"emptied:{node}": 1 for node in NODES}


def test_a_run_ends_while_redis_is_away_and_its_reader_learns_of_it(stage, kind, run):
    stream = run("away")
    stage.valkey.kill()
    try:
        stage.counting.release("away:gate")
        check([stream], kind)
    finally:
        stage.valkey.start()
    assert stage.counting.calls() == {f"away:{node}": 1 for node in NODES}


def test_a_frozen_redis_only_delays(stage, kind, run):
    stream = run("delayed")
    stage.valkey.pause()
    try:
        stage.counting.release("delayed:gate")
        stage.counting.wait_until_called("delayed:second", timeout_s=90)
    finally:
        stage.valkey.resume()

    check([stream], kind)
    assert stage.counting.calls() == {f"delayed:{node}": 1 for node in NODES}


def test_a_redis_without_memory_refuses_work_and_ends_none(stage, app, kind, run, audience):
    """Runs go on, their events wait in SQL; what is submitted is kept or refused, and ends when there is memory again."""
    stream = run("full")
    stage.valkey.limit_memory(1)
    stage.counting.release("full:gate")
    (later,) = audience.follow(app, "later")
    stage.counting.release("later:gate")
    try:
        check([stream], kind)
    finally:
        stage.valkey.limit_memory(0)

    check([later], kind)
    assert stage.counting.calls() == {f"{query}:{node}": 1 for query in ("full", "later") for node in NODES}


def test_a_worker_that_starts_while_the_database_is_away_waits_for_it(stage, postgres, run, kind):
    stream = run("patient")
    stage.kill_worker(*stage.workers)
    postgres.stop()
    try:
        # As `penstock worker` becomes it, once it has seen the database.
        worker = Process(
            worker_arguments(stage.config), stage.deployment.folder / "early.log", stage.deployment.environment, stage.deployment.folder
        )
        worker.wait_for_output("Waiting for the database", timeout_s=30)
    finally:
        postgres.start()
    try:
        worker.wait_for_output(READY, timeout_s=30)
        stage.counting.release("patient:gate")
        check([stream], kind)
    finally:
        worker.terminate()
        assert worker.wait(30) == 0


def test_restarts_of_the_database_under_load_fail_no_run(stage, postgres):
    """In good order, and as after a power cut."""
    stage.staff(webs=2, workers=2)
    load = kinds.load(stage.counting.url)[:5]
    apps = stage.deployment.import_documents([kind.document for kind in load])
    with Load(load, apps, stage.urls, rate=RATE, clients=RUNS, patience_s=60) as driven, ThreadPoolExecutor(1) as driver:
        submitting = driver.submit(driven.submit, RUNS)
        for number, end in enumerate([postgres.stop, postgres.crash, postgres.stop], 1):
            wait_until_submitted(driven, number * RUNS // 4)
            end()
            postgres.start()
        submitting.result()
        outcomes = driven.outcomes()

    assert [outcome.problems for outcome in outcomes] == [[]] * RUNS


def wait_until_submitted(load: Load, runs: int) -> None:
    wait_for(lambda: load.submitted >= runs, f"{runs} submissions", timeout_s=60)
