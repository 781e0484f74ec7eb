"""What a batch costs those who wait for a run: latency of blocking runs on an idle system and beside a batch, in one go.

    .venv/bin/python -m tests.bench.beside_batch --database postgresql --seconds 20

Two workers and one API instance on this machine, with which they share its processors. Runs of both kinds are cheap: they compute. The
requests come at random moments, ``--rate`` a second on average, whatever became of those before.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from tests.services import documents
from tests.services.client import Client
from tests.services.penstock import Deployment, ImportedApp
from tests.services.postgres import Postgres
from tests.services.valkey import Valkey
from tests.services.waiting import wait_for
from worker.config import Config
from worker.store import batches
from worker.store.batch_controls import cancel_batch
from worker.store.batch_facts import load_batch
from worker.store.end_users import ensure_end_user
from worker.store.models import Workflow
from worker.store.session import Database


def cheap(name: str) -> documents.Document:
    """Some nodes that only compute."""
    nodes = [documents.start(documents.variable("name"))]
    nodes += [documents.aggregator("pick", best=[["start", "name"]]), documents.end(answer=["start", "name"])]
    return documents.chain(name, nodes)


def slow(name: str, url: str) -> documents.Document:
    """One node that waits."""
    nodes = [documents.start(documents.variable("name")), documents.http_get("call", url), documents.end(answer=["call", "body"])]
    return documents.chain(name, nodes)


def submit(database: Database, app: ImportedApp, number: int) -> str:
    with database.begin() as session:
        version = session.get_one(Workflow, app.workflow_id).version
        user = ensure_end_user(session, app.app_id, "tester")
        batch_id = batches.new_batch(session, batches.NewBatch(app.app_id, app.workflow_id, version, user)).batch_id
    for first in range(0, number, 1000):
        items = [batches.NewItem(f"{n}", n, {"name": f"Ada {n}", "sys.files": []}) for n in range(first, min(first + 1000, number))]
        with database.begin() as session:
            batches.add_items(session, batch_id, items)
    with database.begin() as session:
        batches.seal_batch(session, batch_id)
    return batch_id


def ended(database: Database, batch_id: str) -> int:
    with database.read() as session:
        found = load_batch(session, batch_id)
    assert found is not None
    return found.counts.ended


def arrivals(rate: float, seconds: float) -> Iterator[None]:
    """At random moments."""
    end = time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        yield
        time.sleep(max(0.0, random.expovariate(rate) - (time.monotonic() - now)))


def latencies(client: Client, pool: ThreadPoolExecutor, rate: float, seconds: float) -> list[float]:
    def ask() -> float:
        began = time.monotonic()
        client.run({"name": "Grace"})
        return time.monotonic() - began

    asked: list[Future[float]] = [pool.submit(ask) for _ in arrivals(rate, seconds)]
    return [future.result() for future in asked]


def figures(seconds: list[float]) -> str:
    cuts = quantiles(seconds, n=100)
    return f"n={len(seconds)} p50={median(seconds) * 1000:.1f} p95={cuts[94] * 1000:.1f} p99={cuts[98] * 1000:.1f} ms"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--rate", type=float, default=10.0)
    options.add_argument("--items", type=int, default=20_000)
    options.add_argument("--log", default="INFO")
    given = options.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        is_file = given.database == "sqlite"
        url = f"sqlite:///{folder / 'test.sqlite3'}" if is_file else stack.enter_context(Postgres()).create_database()
        valkey = stack.enter_context(Valkey())
        deployment = stack.enter_context(Deployment(folder / "deployment", url, valkey.url))
        deployment.shows_logs = given.log == "DEBUG"
        measure(deployment, given, stack)


def measure(deployment: Deployment, given: Any, stack: ExitStack) -> None:
    interactive, batched = (deployment.import_document(cheap(name)) for name in ("interactive", "batched"))
    web, _, _ = deployment.add_web(), deployment.add_worker(), deployment.add_worker()
    client = deployment.client(web, interactive)
    stack.callback(client.http.close)
    database = Database.connect(Config.from_env(deployment.environment))
    stack.callback(database.dispose)
    pool = stack.enter_context(ThreadPoolExecutor(64))
    latencies(client, pool, given.rate, 5.0)
    idle = latencies(client, pool, given.rate, given.seconds)
    print(f"idle           {figures(idle)}")
    batch_id = submit(database, batched, given.items)
    wait_for(lambda: ended(database, batch_id) > 0, "the batch to begin")
    time.sleep(5.0)
    alone = rate_of(database, batch_id, 5.0)
    print(f"batch alone    {alone:.0f} runs/s")
    before, began = ended(database, batch_id), time.monotonic()
    beside = latencies(client, pool, given.rate, given.seconds)
    rate = (ended(database, batch_id) - before) / (time.monotonic() - began)
    print(f"beside a batch {figures(beside)}, batch {rate:.0f} runs/s")
    print(f"p95 is {quantiles(beside, n=100)[94] / quantiles(idle, n=100)[94]:.2f} times that of the idle system")
    with database.begin() as session:
        cancel_batch(session, batched.app_id, batch_id)


def rate_of(database: Database, batch_id: str, seconds: float) -> float:
    before = ended(database, batch_id)
    time.sleep(seconds)
    return (ended(database, batch_id) - before) / seconds


if __name__ == "__main__":
    main()
