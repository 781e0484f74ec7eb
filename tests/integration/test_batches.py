"""Batches with real workers, Valkey and both databases: what only processes can show."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from celery import Celery
from sqlalchemy import func, select

from tests.services import documents
from tests.services.counting import CountingServer
from tests.services.penstock import Deployment, ImportedApp
from tests.services.valkey import Valkey
from tests.services.waiting import wait_for
from worker.broker import BATCH_QUEUE, QUEUE, TASK, celery_settings
from worker.config import Config
from worker.store import batches
from worker.store.batch_controls import cancel_batch, retry_batch
from worker.store.batch_facts import BatchFacts, BatchStatus, load_batch
from worker.store.batch_items import ItemResult, read_items
from worker.store.batch_models import BATCH_ITEMS
from worker.store.end_users import ensure_end_user
from worker.store.models import RUNS, Lock, Workflow
from worker.store.runs import NewRun, accept_run
from worker.store.session import Database

FAST = {
    "PENSTOCK_LEASE": "2",
    "PENSTOCK_HEARTBEAT": "0.4",
    "PENSTOCK_SWEEP": "0.4",
    "PENSTOCK_RESEND": "2",
    "PENSTOCK_OUTBOUND_ALLOW": "127.0.0.1",
}


@dataclass(frozen=True, slots=True)
class Place:
    deployment: Deployment
    database: Database
    valkey: Valkey
    counting: CountingServer

    def calling(self, path: str, name: str = "calls") -> ImportedApp:
        """An app whose runs call ``path`` of the counting server, with the value of ``name`` in it."""
        call = documents.http_get("call", f"{self.counting.url}/{path}/{{{{#start.name#}}}}")
        nodes = [documents.start(documents.variable("name")), call, documents.end(answer=["call", "body"])]
        return self.deployment.import_document(documents.chain(name, nodes))

    def submit(self, app: ImportedApp, names: Sequence[str], **options: object) -> str:
        new = batches.NewBatch(*self.origin(app), **options)  # type: ignore[arg-type]
        with self.database.begin() as session:
            batch_id = batches.new_batch(session, new).batch_id
        items = [batches.NewItem(name, line, {"name": name, "sys.files": []}) for line, name in enumerate(names, 1)]
        with self.database.begin() as session:
            batches.add_items(session, batch_id, items)
        with self.database.begin() as session:
            batches.seal_batch(session, batch_id)
        return batch_id

    def origin(self, app: ImportedApp) -> tuple[str, str, str, str]:
        """App, version, its name, and an end user."""
        with self.database.begin() as session:
            version = session.get_one(Workflow, app.workflow_id).version
            return app.app_id, app.workflow_id, version, ensure_end_user(session, app.app_id, "tester")

    def facts(self, batch_id: str) -> BatchFacts:
        with self.database.read() as session:
            found = load_batch(session, batch_id)
        assert found is not None
        return found

    def ended(self, batch_id: str, timeout_s: float = 120.0) -> BatchFacts:
        wait_for(lambda: self.facts(batch_id).status.is_final, f"the end of batch {batch_id}", timeout_s)
        return self.facts(batch_id)

    def items(self, app: ImportedApp, batch_id: str) -> list[ItemResult]:
        with self.database.read() as session:
            return read_items(session, app.app_id, batch_id, limit=10_000)

    def begun(self) -> list[tuple[str, str]]:
        """App and run of every run, in the order in which they were made."""
        with self.database.read() as session:
            return [(row.app_id, row.id) for row in session.execute(select(RUNS.c.app_id, RUNS.c.id).order_by(RUNS.c.created_at))]

    def dispatching_process(self) -> int:
        def owner() -> str | None:
            with self.database.read() as session:
                return session.scalar(select(Lock.owner).where(Lock.name == "batches"))

        return int(wait_for(owner, "a worker to dispatch").partition("-")[0])

    def examine(self) -> None:
        examined = self.deployment.call("doctor")
        assert examined.returncode == 0, examined.stdout + examined.stderr


@pytest.fixture
def counting() -> Iterator[CountingServer]:
    with CountingServer() as server:
        yield server


@pytest.fixture(params=["postgresql", "sqlite"])
def place(request, new_postgres_database, tmp_path: Path, counting: CountingServer) -> Iterator[Place]:
    url = new_postgres_database() if request.param == "postgresql" else f"sqlite:///{tmp_path / 'test.sqlite3'}"
    with Valkey() as valkey, Deployment(tmp_path / "deployment", url, valkey.url, **FAST) as deployment:
        database = Database.connect(Config.from_env(deployment.environment))
        yield Place(deployment, database, valkey, counting)
        database.dispose()


def test_a_batch_outlives_the_worker_that_dispatches_it(place: Place) -> None:
    app = place.calling("count")
    names = [f"item-{number}" for number in range(500)]
    place.deployment.add_worker()
    place.deployment.add_worker()
    batch_id = place.submit(app, names)
    wait_for(lambda: place.facts(batch_id).counts.ended > 100, "a part of the batch to end", 60)

    os.kill(place.dispatching_process(), signal.SIGKILL)

    ended = place.ended(batch_id)
    assert (ended.status, ended.counts.succeeded, ended.counts.total) == (BatchStatus.COMPLETED, 500, 500)
    found = place.items(app, batch_id)
    assert [item.custom_id for item in found] == names
    assert [item.outputs for item in found] == [{"answer": name} for name in names]
    assert Counter(item.attempt for item in found) == {1: 500}
    assert len(place.begun()) == 500
    assert set(place.counting.calls()) == set(names)
    place.examine()


def test_messages_that_redis_lost_are_sent_again(place: Place) -> None:
    app = place.calling("count")
    batch_id = place.submit(app, [f"item-{number}" for number in range(60)])
    place.deployment.add_worker()
    wait_for(lambda: place.facts(batch_id).counts.ended > 5, "a part of the batch to end", 60)

    place.valkey.flush()

    assert place.ended(batch_id).counts.succeeded == 60
    assert len(place.begun()) == 60
    place.examine()


def test_a_small_batch_does_not_wait_behind_a_large_one_of_another_app(place: Place) -> None:
    large, small = place.calling("count", "large"), place.calling("count", "small")
    place.deployment.add_worker(PENSTOCK_WORKER_CONCURRENCY="8")
    behind = place.submit(large, [f"large-{number}" for number in range(500)])
    wait_for(lambda: place.facts(behind).counts.ended > 30, "a part of the large batch to end", 60)
    before = len(place.begun())

    ended = place.ended(place.submit(small, [f"small-{number}" for number in range(10)]))

    assert ended.counts.succeeded == 10
    order = [app_id == small.app_id for app_id, _ in place.begun()]
    first, last = order.index(True), len(order) - 1 - order[::-1].index(True)
    # One of each in turn, or all of the small one's: it has the fewest runs open.
    assert last - first < 2 * 10 + 8
    assert first >= before
    with place.database.begin() as session:
        cancel_batch(session, large.app_id, behind)
    place.ended(behind)


def test_runs_that_somebody_waits_for_go_before_those_of_batches(place: Place) -> None:
    app = place.calling("count")
    celery = Celery("test", set_as_current=False)
    celery.conf.update(celery_settings(Config.from_env(place.deployment.environment)))
    queues = [BATCH_QUEUE] * 10 + [QUEUE] * 10 + [BATCH_QUEUE] * 5 + [QUEUE] * 5
    runs = [accepted(place, app, str(number), queue) for number, queue in enumerate(queues)]
    for run in runs:
        celery.send_task(TASK, args=[run.run_id], task_id=run.task_id, queue=run.queue, ignore_result=True)

    place.deployment.add_worker(PENSTOCK_WORKER_CONCURRENCY="1")

    wait_for(lambda: ended_runs(place) == len(runs), "all runs to end", 60)
    with place.database.read() as session:
        order = session.scalars(select(RUNS.c.queue).order_by(RUNS.c.started_at, RUNS.c.queue.desc())).all()
    assert order == [QUEUE] * 15 + [BATCH_QUEUE] * 15
    celery.close()


def accepted(place: Place, app: ImportedApp, name: str, queue: str) -> NewRun:
    app_id, workflow_id, version, end_user_id = place.origin(app)
    ids = (f"00000000-0000-4000-8000-{int(name):012}", f"00000000-0000-4000-9000-{int(name):012}")
    run = NewRun(*ids, app_id, workflow_id, version, end_user_id, {"name": name, "sys.files": []}, 60.0, queue=queue)
    with place.database.begin() as session:
        accept_run(session, run)
    return run


def ended_runs(place: Place) -> int:
    with place.database.read() as session:
        return session.execute(select(func.count()).select_from(RUNS).where(RUNS.c.finished_at.is_not(None))).scalar_one()


def test_runs_that_wait_for_something_are_many_at_a_time(place: Place) -> None:
    app = place.calling("hold")
    names = [f"item-{number}" for number in range(100)]
    place.deployment.add_worker(PENSTOCK_WORKER_CONCURRENCY="32")
    place.deployment.add_worker(PENSTOCK_WORKER_CONCURRENCY="32")

    batch_id = place.submit(app, names)

    # Two workers with 32 slots each, of which an eighth is for people.
    wait_for(lambda: len(place.counting.calls()) == 56, "the slots to be full", 60)
    assert place.facts(batch_id).counts.running == 56
    place.counting.release_all()
    assert place.ended(batch_id).counts.succeeded == 100


def test_a_batch_has_no_more_runs_open_than_it_wants(place: Place) -> None:
    app = place.calling("hold")
    place.deployment.add_worker()
    batch_id = place.submit(app, [f"item-{number}" for number in range(9)], max_concurrency=3)

    for number in range(9):
        place.counting.wait_until_called(f"item-{number}")
        assert place.facts(batch_id).counts.running <= 3
        place.counting.release(f"item-{number}")

    assert place.ended(batch_id).counts.succeeded == 9


def test_a_cancelled_batch_stops_what_runs_and_is_tried_again(place: Place) -> None:
    app = place.calling("hold")
    names = [f"item-{number}" for number in range(50)]
    place.deployment.add_worker()
    batch_id = place.submit(app, names)
    wait_for(lambda: len(place.counting.calls()) >= 4, "some items to begin", 60)

    with place.database.begin() as session:
        cancel_batch(session, app.app_id, batch_id)

    ended = place.ended(batch_id)
    assert ended.status is BatchStatus.CANCELLED
    assert ended.counts.stopped + ended.counts.cancelled == 50
    assert ended.counts.stopped >= 4
    place.counting.release_all()
    _, number = retry_batch(place.database, app.app_id, batch_id)
    assert (number, place.ended(batch_id).counts.succeeded) == (50, 50)
    with place.database.read() as session:
        attempts = session.scalars(select(BATCH_ITEMS.c.attempt)).all()
    assert sorted(attempts) == [1] * ended.counts.cancelled + [2] * ended.counts.stopped
    place.examine()
