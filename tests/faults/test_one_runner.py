"""At most one live execution of a run (reliability.md section 1.2)."""

from __future__ import annotations

import random
import textwrap
from pathlib import Path

import pytest

from tests.faults.harness import kinds
from tests.faults.harness.audience import check
from tests.services.stage import Position
from tests.services.waiting import wait_for
from worker.broker import QUEUE

NODES = ["first", "gate", "last"]

#: Deliveries of each message.
COPIES = 50

#: What a worker says of a message that comes too late.
REFUSAL = "has a worker or an end already"

HOUR_S = 3600


@pytest.fixture(scope="module")
def kind(stage):
    return kinds.gated("single", stage.counting.url, NODES, held="gate")


@pytest.fixture(scope="module")
def app(stage, kind):
    return stage.deployment.import_document(kind.document)


def test_a_message_delivered_50_times_in_any_order_is_one_execution(stage, app, kind, audience):
    stage.staff(webs=1, workers=0)
    queries = [f"copied{number}" for number in range(4)]
    streams = audience.follow(app, *queries)
    queue = stage.config.redis_prefix + QUEUE
    messages = [stage.redis.brpop([queue], timeout=10)[1] for _ in queries]
    copies = messages * COPIES
    random.Random(1).shuffle(copies)
    stage.redis.lpush(queue, *copies)

    workers = [stage.add_worker() for _ in range(3)]
    for query in queries:
        stage.counting.release(f"{query}:gate")
    check(streams, kind)

    refused = len(copies) - len(queries)
    wait_for(lambda: sum(worker.output.count(REFUSAL) for worker in workers) == refused, "every other message to be refused")
    assert stage.counting.calls() == {f"{query}:{node}": 1 for query in queries for node in NODES}


def test_a_frozen_worker_that_wakes_up_changes_nothing(stage, app, kind, audience):
    """Its lease ran out and another worker finished the run: whatever it still writes is refused."""
    stage.staff(webs=1, workers=1)
    (frozen,) = stage.workers
    streams = audience.follow(app, "frozen")
    stage.counting.wait_until_called("frozen:gate")
    frozen.pause()
    stage.add_worker()
    stage.counting.wait_until_called("frozen:gate", times=2)
    stage.counting.release("frozen:gate")
    (seen,) = check(streams, kind)
    frozen.resume()
    # The worker says that it gives the run up: by then it has tried to write.
    frozen.wait_for_output(f"{seen.run_id} (belongs to another worker|is lost to this worker)", timeout_s=30)

    assert audience.read_again(app, seen) == seen.messages
    assert stage.counting.calls() == {"frozen:first": 1, "frozen:gate": 2, "frozen:last": 1}


def test_wrong_clocks_of_workers_decide_nothing(stage, app, kind, audience, tmp_path):
    """One worker an hour ahead, one an hour behind: nobody takes a run from the other while both live, and all of them when one is dead."""
    stage.staff(webs=1, workers=0)
    clocks = [shifted_clock(tmp_path / name, by_s) for name, by_s in (("ahead", HOUR_S), ("behind", -HOUR_S))]
    ahead, _ = [stage.add_worker(PYTHONPATH=clock, PENSTOCK_WORKER_CONCURRENCY="4") for clock in clocks]
    stage.wait_until_staffed()
    queries = [f"clock{number}" for number in range(8)]
    streams = audience.follow(app, *queries)
    for query in queries:
        stage.counting.wait_until_called(f"{query}:gate")
    before = stage.under_way()
    wait_for(lambda: are_renewed(stage.under_way(), before, stage.config.lease_s), "leases to be renewed for longer than they last")
    lost = {run_id for run_id, position in stage.under_way().items() if position.is_held_by(ahead)}
    stage.kill_worker(ahead)
    for query in queries:
        stage.counting.release(f"{query}:gate")
    seen = check(streams, kind)

    assert len(lost) == 4
    assert stage.counting.calls() == {
        f"{followed.query}:{node}": 2 if node == "gate" and followed.run_id in lost else 1 for followed in seen for node in NODES
    }
    assert all(0 < followed.result["elapsed_time"] < 60 for followed in seen)


def are_renewed(now: dict[str, Position], before: dict[str, Position], lease_s: float) -> bool:
    """In the hands of the same attempts. Raises ``AssertionError`` if one has lost its run."""
    assert {run_id: position.attempt for run_id, position in now.items()} == dict.fromkeys(before, 1)
    return all(position.lease_until > before[run_id].lease_until + lease_s for run_id, position in now.items())


def shifted_clock(folder: Path, by_s: float) -> str:
    """A folder that makes the clock of a Python process wrong when it stands on its path."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        textwrap.dedent(f"""
        import time

        right, right_ns = time.time, time.time_ns
        time.time = lambda: right() + {by_s}
        time.time_ns = lambda: right_ns() + {int(by_s * 1e9)}
        """)
    )
    return str(folder)
