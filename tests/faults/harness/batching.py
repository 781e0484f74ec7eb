"""A batch on a stage: accepted and measured, alone and beside another one, and examined at its end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from tests.faults.harness.beside import repeated
from tests.faults.harness.items import Item, count_problems, effect_problems, jsonl, one_sentence, result_problems, ringing_runs
from tests.faults.harness.kinds import Kind
from tests.faults.harness.verdict import Calls
from tests.services.batches import lines, look, upload
from tests.services.client import Client
from tests.services.footprint import proportional_kb
from tests.services.stage import Stage
from tests.services.waiting import wait_for
from worker.store.batch_facts import BatchFacts, BatchStatus, load_batch
from worker.store.batch_models import BATCH_ITEMS
from worker.store.models import RUNS

#: Seconds between two looks at the memory of the API, and at a batch.
MEMORY_LOOK_S = 0.25
LOOK_S = 0.1


@dataclass(slots=True)
class Memory:
    """Of the API: proportional, that of all its processes together."""

    before_kb: int
    most_kb: int
    after_kb: int = 0

    @property
    def growth_mb(self) -> float:
        return (max(self.most_kb, self.after_kb) - self.before_kb) / 1024


@contextmanager
def watched(stage: Stage) -> Iterator[Memory]:
    """The memory of every API instance during the block."""
    pids = [web.process.pid for web in stage.webs]
    now_kb = proportional_kb(pids)
    memory = Memory(now_kb, now_kb)

    def look() -> None:
        memory.most_kb = max(memory.most_kb, proportional_kb(pids))

    with repeated(look, MEMORY_LOOK_S):
        yield memory
    memory.after_kb = proportional_kb(pids)


@dataclass(frozen=True, slots=True)
class Acceptance:
    batch_id: str
    took_s: float
    memory: Memory


def accept(stage: Stage, client: Client, asked: Sequence[Item]) -> Acceptance:
    content = jsonl(asked)
    with watched(stage) as memory:
        began = time.monotonic()
        batch = upload(client, content)
        took_s = time.monotonic() - began
    return Acceptance(batch["id"], took_s, memory)


def facts(stage: Stage, batch_id: str) -> BatchFacts:
    """As SQL has them, with times to the fraction of a second."""
    with stage.database.read() as session:
        found = load_batch(session, batch_id)
    assert found is not None, f"Batch {batch_id} is gone."
    return found


def wait_for_end(stage: Stage, batch_id: str, timeout_s: float) -> BatchFacts:
    wait_for(lambda: facts(stage, batch_id).status.is_final, f"batch {batch_id} to end", timeout_s, LOOK_S)
    return facts(stage, batch_id)


def examine(stage: Stage, client: Client, kind: Kind, app_id: str, asked: Sequence[Item], batch_id: str) -> Iterator[str]:
    """What is wrong with the only batch of an app, which has ended: its results, its counts, its runs, what they did. A sentence each."""
    batch, results = look(client, batch_id), lines(client, batch_id)
    if batch["status"] != BatchStatus.COMPLETED:
        yield f"The batch is {batch['status']}: {batch['error']}."
    yield from result_problems(asked, results)
    yield from count_problems(batch["counts"], results)
    yield from one_sentence("have errors", (line["custom_id"] for line in lines(client, batch_id, "errors")))
    yield from run_problems(stage, app_id, results)
    attempts = {run_id: position.attempt for run_id, position in stage.positions(ringing_runs(asked, results)).items()}
    yield from effect_problems(kind, attempts, Calls(stage.counting.calls(), stage.counting.keys()))


def run_problems(stage: Stage, app_id: str, results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Every item has one run, and there are no others."""
    with stage.database.read() as session:
        there = set(session.scalars(select(RUNS.c.id).where(RUNS.c.app_id == app_id)))
    known = {line["workflow_run_id"] for line in results}
    yield from one_sentence("runs belong to no item", there - known)
    yield from one_sentence("runs of items are not there", known - there)


@dataclass(frozen=True, slots=True)
class Stay:
    """How long a batch took from its submission to its end, by the clock of the database."""

    took_s: float
    #: Items of the other batch that ended meanwhile.
    others: int


def stay(stage: Stage, client: Client, asked: Sequence[Item], beside: str | None = None, timeout_s: float = 120.0) -> Stay:
    """Submit a batch and wait for its end; ``beside`` is the id of another one, whose items are counted."""
    ended = wait_for_end(stage, upload(client, jsonl(asked))["id"], timeout_s)
    assert ended.counts.succeeded == len(asked), f"Not all items succeeded: {ended.counts}"
    assert ended.ended_at is not None
    others = 0 if beside is None else ended_between(stage, beside, ended.created_at, ended.ended_at)
    return Stay(ended.ended_at - ended.created_at, others)


def ended_between(stage: Stage, batch_id: str, since: float, until: float) -> int:
    """Items of a batch, by epoch seconds of the database."""
    items = BATCH_ITEMS.c
    query = select(func.count()).where(items.batch_id == batch_id, items.ended_at.between(since, until))
    with stage.database.read() as session:
        return session.execute(query).scalar_one()
