"""Runs that go on from others, as workers and whoever ends them see them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from tests.unit.running import accept, detail, kinds, memory_database, stored, told
from tests.unit.test_runner import Worker, chain, output
from worker.bus.memory import MemoryCommands
from worker.closing import stop_run
from worker.engine.carrying import Carrying
from worker.engine.dsl import read_workflow
from worker.engine.errors import NodeError
from worker.engine.events import RunStatus
from worker.engine.node import NodeContext, NodeResult
from worker.engine.variables import VariablePool, remote_address
from worker.store.claims import load_records
from worker.store.resumption import Resumption
from worker.store.runs import NewRun, accept_run
from worker.store.session import Database

DOCUMENT = chain("a", "b")


@pytest.fixture
def database() -> Iterator[Database]:
    made = memory_database()
    yield made
    made.dispose()


def failing(pool: VariablePool, context: NodeContext) -> NodeResult:
    raise NodeError("no", error_type="CodeExecutionError")


def never(pool: VariablePool, context: NodeContext) -> NodeResult:
    raise AssertionError("executed again")


def gone_on(database: Database) -> NewRun:
    """A run that goes on from one that failed at ``b``."""
    old = accept(database, DOCUMENT)
    Worker(database, a=output("A"), b=failing).execute(old)
    assert detail(database, old).status is RunStatus.FAILED
    workflow = read_workflow(DOCUMENT)
    resumption = Resumption(old.run_id, Carrying.between(workflow, workflow))
    run = replace(old, run_id=str(uuid4()), task_id=str(uuid4()), resumption=resumption)
    with database.begin() as session:
        accept_run(session, run)
    return run


def finished_nodes(events: list[dict[str, Any]]) -> list[str]:
    return [event["data"]["node_id"] for event in events if event["event"] == "node_finished"]


def test_only_the_rest_is_executed_and_everything_is_told(database: Database) -> None:
    run = gone_on(database)
    worker = Worker(database, a=never, b=output("B"))

    worker.execute(run)

    seen = detail(database, run)
    assert (seen.status, seen.outputs, seen.total_steps) == (RunStatus.SUCCEEDED, {"answer": "B"}, 4)
    events = told(worker.log, run)
    assert finished_nodes(events) == ["start", "a", "b", "end"]
    assert (kinds(events)[0], kinds(events)[-1]) == ("workflow_started", "workflow_finished")
    assert {event["workflow_run_id"] for event in events} == {run.run_id}
    assert stored(database, run) == events
    with database.read() as session:
        records = load_records(session, run.run_id)
    assert [record.node_id for record in records] == ["start", "a", "b", "end"]
    assert [event["data"]["id"] for event in events if event["event"] == "node_finished"] == [record.execution_id for record in records]


def test_one_that_is_stopped_before_it_begins_counts_what_it_took_over(database: Database) -> None:
    run = gone_on(database)
    worker = Worker(database)

    stop_run(database, worker.log, MemoryCommands([].append), remote_address, run.app_id, run.task_id)

    seen = detail(database, run)
    assert (seen.status, seen.total_steps, seen.error) == (RunStatus.STOPPED, 2, "Stopped by user.")
    assert kinds(told(worker.log, run)) == ["workflow_started", "workflow_finished"]
