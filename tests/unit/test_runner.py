import threading
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

import pytest
import redis
from sqlalchemy import select

from tests.services.waiting import wait_for
from tests.unit.running import LEASE_S, accept, change, claimed, detail, kinds, memory_database, stored, told
from worker.active import ActiveRuns
from worker.broker import BATCH_QUEUE
from worker.bus.memory import MemoryEventLog
from worker.config import Config
from worker.dispatcher import MemoryDispatcher
from worker.engine.errors import NodeError, Partial
from worker.engine.events import RunStatus
from worker.engine.memory import SystemClock
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.ports import Ports
from worker.engine.spending import Spending
from worker.engine.variables import VariablePool, remote_address
from worker.graphs import Graphs
from worker.heartbeat import Heartbeat
from worker.nodes.registry import Registry
from worker.runner import RunService
from worker.store.errors import StorageUnavailable
from worker.store.models import RUNS
from worker.store.runs import NewRun
from worker.store.session import Database

Script = Callable[[VariablePool, NodeContext], NodeResult]


class ScriptedNode:
    """An effectful node that does what the test says."""

    is_pure = False
    is_branch = False

    def __init__(self, script: Script) -> None:
        self.run = script


class ScriptedRegistry(Registry):
    """Nodes of type ``code`` are scripted, by their ids."""

    def __init__(self, scripts: Mapping[str, Script]) -> None:
        super().__init__()
        self._scripts = scripts

    def create(self, spec: NodeSpec) -> Any:
        return ScriptedNode(self._scripts[spec.id]) if spec.type == "code" else super().create(spec)


class NoFiles:
    url = staticmethod(remote_address)


PORTS: Any = Ports(http=None, code=None, templates=None, documents=None, files=NoFiles(), clock=SystemClock())  # type: ignore[arg-type]


def chain(*names: str, environment: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A document: start, the code nodes ``names`` one after the other, end with the last one's ``out``."""
    start = {"id": "start", "data": {"type": "start", "title": "START", "variables": []}}
    codes = [{"id": name, "data": {"type": "code", "title": name.upper()}} for name in names]
    outputs = [{"variable": "answer", "value_selector": [names[-1], "out"]}] if names else []
    nodes = [start, *codes, {"id": "end", "data": {"type": "end", "title": "END", "outputs": outputs}}]
    ids = [node["id"] for node in nodes]
    edges = [{"source": a, "target": b, "sourceHandle": "source"} for a, b in pairwise(ids)]
    return {
        "kind": "app",
        "version": "0.5.0",
        "app": {"name": "Chain", "mode": "workflow"},
        "workflow": {"graph": {"nodes": nodes, "edges": edges}, "environment_variables": environment or []},
    }


@pytest.fixture
def database() -> Iterator[Database]:
    made = memory_database()
    yield made
    made.dispose()


class Worker:
    """A runner and what it stands on."""

    def __init__(self, database: Database, log: MemoryEventLog | None = None, **scripts: Script) -> None:
        self.database = database
        self.log = log or MemoryEventLog()
        self.active = ActiveRuns()
        self.dispatcher = MemoryDispatcher()
        self.environ: dict[str, str] = {}
        self.scripts = scripts

    @property
    def service(self) -> RunService:
        return RunService(
            self.database,
            self.log,
            Graphs(self.database, ScriptedRegistry(self.scripts), Config()),
            lambda app_id: PORTS,
            self.active,
            self.dispatcher,
            Config(lease_s=LEASE_S, drain_s=0.2),
            "worker-1",
            self.environ,
        )

    def execute(self, run: NewRun) -> None:
        self.service.execute(run.run_id, run.task_id)


def output(name: str) -> Script:
    return lambda pool, context: NodeResult({"out": name})


def waiting(gate: threading.Event) -> Script:
    """A node that waits for ever, or until its run is cancelled."""

    def script(pool: VariablePool, context: NodeContext) -> NodeResult:
        gate.set()
        context.cancellation.wait(30)
        context.cancellation.check()
        raise AssertionError("not reached")

    return script


def eventually(probe: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 5
    while not (found := probe()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return found


def test_a_run_is_claimed_executed_and_ended(database: Database) -> None:
    worker = Worker(database, a=output("A"))
    run = accept(database, chain("a"))

    worker.execute(run)

    seen = detail(database, run)
    assert (seen.status, seen.outputs, seen.error, seen.total_steps) == (RunStatus.SUCCEEDED, {"answer": "A"}, None, 3)
    events = told(worker.log, run)
    assert (events[0]["event"], events[-1]["event"]) == ("workflow_started", "workflow_finished")
    assert kinds(events).count("node_finished") == 3
    assert stored(database, run) == events
    assert events[0]["data"]["inputs"] == {"q": "v", "sys.user_id": "alice"}
    assert len(worker.active) == 0


@pytest.mark.parametrize("taken", [{"status": RunStatus.SUCCEEDED}, {"status": RunStatus.RUNNING}, {"cancel_requested_at": 1.0}])
def test_a_message_that_came_twice_or_late_finds_nothing_to_do(database: Database, taken: dict[str, Any]) -> None:
    worker = Worker(database, a=output("A"))
    run = accept(database, chain("a"))
    change(database, run, **taken)

    worker.execute(run)

    assert told(worker.log, run) == []


def test_a_message_of_an_unknown_run_finds_nothing_to_do(database: Database) -> None:
    Worker(database).service.execute("no-such-run", "no-such-task")


def test_a_node_that_fails_fails_the_run(database: Database) -> None:
    def fail(pool: VariablePool, context: NodeContext) -> NodeResult:
        raise NodeError("boom")

    worker = Worker(database, a=fail)
    run = accept(database, chain("a"))
    worker.execute(run)

    assert (detail(database, run).status, detail(database, run).error) == (RunStatus.FAILED, "boom")
    assert told(worker.log, run)[-1]["data"]["status"] == "failed"


def test_a_document_that_cannot_run_any_more_ends_in_an_error_event(database: Database) -> None:
    worker = Worker(database)
    document = chain()
    document["workflow"]["graph"]["nodes"][1]["data"]["type"] = "no-such-type"
    run = accept(database, document)

    worker.execute(run)

    [event] = told(worker.log, run)
    assert (event["event"], event["code"], event["status"]) == ("error", "workflow_request_error", 400)
    assert "no-such-type" in event["message"]
    assert (detail(database, run).status, detail(database, run).error) == (RunStatus.FAILED, event["message"])


def test_a_failure_that_nobody_foresaw_ends_the_run_without_showing_values(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker(database, a=output("A"), b=lambda pool, context: NodeResult({"out": {"sk-secret", object()}}))
    run = accept(database, chain("a", "b"))

    worker.execute(run)

    seen = detail(database, run)
    assert (seen.status, seen.error) == (RunStatus.FAILED, "The run failed unexpectedly (TypeError).")
    assert (told(worker.log, run)[-1]["event"], stored(database, run)) == ("workflow_finished", told(worker.log, run))
    assert "nobody foresaw" in caplog.text


def test_a_run_that_finds_no_memory_here_is_left_to_another_worker(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    class TooLarge(dict[str, Any]):
        def items(self) -> Any:
            raise MemoryError

    worker = Worker(database, a=lambda pool, context: NodeResult({"out": TooLarge()}))
    run = accept(database, chain("a"))

    worker.execute(run)

    assert detail(database, run).status is RunStatus.RUNNING
    assert "no memory" in caplog.text
    assert len(worker.active) == 0


def test_a_run_whose_database_is_gone_is_left_to_another_worker(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    worker = Worker(database, a=output("a"))
    run = accept(database, chain("a"))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Database, "fetch", lambda self, work: raised(StorageUnavailable("gone")))
        worker.execute(run)

    assert detail(database, run).status is RunStatus.RUNNING
    assert "is left to its lease" in caplog.text
    assert len(worker.active) == 0


def raised(error: Exception) -> None:
    raise error


def test_the_process_environment_supplies_values(database: Database) -> None:
    seen: dict[str, Any] = {}

    def look(pool: VariablePool, context: NodeContext) -> NodeResult:
        seen.update(key=str(pool.get(("env", "KEY"))), other=pool.get(("env", "OTHER")))
        return NodeResult({"out": 1})

    worker = Worker(database, a=look)
    worker.environ = {"PENSTOCK_ENV_KEY": "sk-1", "KEY": "no"}
    variables = [
        {"name": "KEY", "value_type": "secret", "value": ""},
        {"name": "OTHER", "value_type": "number", "value": 3},
    ]
    worker.execute(accept(database, chain("a", environment=variables)))

    assert seen == {"key": "sk-1", "other": 3}


def test_a_supplied_value_of_the_wrong_type_is_an_error_event(database: Database) -> None:
    worker = Worker(database, a=output("A"))
    worker.environ = {"PENSTOCK_ENV_N": "many"}
    run = accept(database, chain("a", environment=[{"name": "N", "value_type": "number", "value": 3}]))

    worker.execute(run)

    assert [event["event"] for event in told(worker.log, run)] == ["error"]
    assert "many" not in str(detail(database, run).error)


def test_a_run_goes_on_behind_the_nodes_that_ended(database: Database) -> None:
    executed: list[str] = []

    def remember(pool: VariablePool, context: NodeContext) -> NodeResult:
        executed.append("a")
        return NodeResult({"out": "A"})

    gate = threading.Event()
    worker = Worker(database, a=remember, b=waiting(gate))
    run = accept(database, chain("a", "b"))
    thread = threading.Thread(target=worker.execute, args=[run])
    thread.start()
    assert gate.wait(5)
    worker.active.fence(worker.active.claims())
    thread.join(5)
    change(database, run, status=RunStatus.SCHEDULED)

    second = Worker(database, worker.log, a=remember, b=output("B"))
    second.execute(run)

    assert executed == ["a"]
    assert (detail(database, run).status, detail(database, run).outputs) == (RunStatus.SUCCEEDED, {"answer": "B"})
    events = told(worker.log, run)
    assert kinds(events).count("workflow_started") == 1
    names = [event["data"]["node_id"] for event in events if event["event"] == "node_started"]
    assert names == ["start", "a", "b", "end"]
    assert stored(database, run) == events


def test_a_node_goes_on_with_the_attempt_after_those_that_were_told(database: Database) -> None:
    document = chain("a")
    document["workflow"]["graph"]["nodes"][1]["data"]["retry_config"] = {"retry_enabled": True, "max_retries": 2, "retry_interval": 0}
    gate, attempts = threading.Event(), iter((5, 7))
    hold = waiting(gate)
    tries: list[int] = []

    def fail_twice(pool: VariablePool, context: NodeContext) -> NodeResult:
        tries.append(context.retry_index)
        used = next(attempts, 0)
        if used:
            raise NodeError("odd answer", partial=Partial.costing(Spending(used)))
        return hold(pool, context)

    worker = Worker(database, a=fail_twice)
    run = accept(database, document)
    thread = threading.Thread(target=worker.execute, args=[run])
    thread.start()
    assert gate.wait(5)
    wait_for(lambda: kinds(told(worker.log, run)).count("node_retry") == 2, "both failures to be told")
    worker.active.fence(worker.active.claims())
    thread.join(5)
    change(database, run, status=RunStatus.SCHEDULED)

    def succeed(pool: VariablePool, context: NodeContext) -> NodeResult:
        tries.append(context.retry_index)
        return NodeResult({"out": "A"}, total_tokens=11)

    Worker(database, worker.log, a=succeed).execute(run)

    assert tries == [0, 1, 2, 2]
    seen, events = detail(database, run), told(worker.log, run)
    assert (seen.status, seen.total_tokens, seen.total_steps) == (RunStatus.PARTIAL_SUCCEEDED, 5 + 7 + 11, 2 + 3)
    assert [event["data"]["retry_index"] for event in events if event["event"] == "node_retry"] == [1, 2]
    assert events[-1]["data"]["exceptions_count"] == 2


def test_a_stop_ends_a_run_in_the_middle_of_a_node(database: Database) -> None:
    gate = threading.Event()
    worker = Worker(database, a=waiting(gate), b=output("B"))
    run = accept(database, chain("a", "b"))
    thread = threading.Thread(target=worker.execute, args=[run])
    thread.start()
    assert gate.wait(5)

    worker.active.stop(run.run_id)
    thread.join(1)

    assert not thread.is_alive()
    assert (detail(database, run).status, detail(database, run).error) == (RunStatus.STOPPED, "Stopped by user.")
    names = [event["data"]["node_id"] for event in told(worker.log, run) if event["event"] == "node_started"]
    assert names == ["start", "a"]


def test_draining_hands_runs_over_and_takes_no_more(database: Database) -> None:
    gate = threading.Event()
    worker = Worker(database, a=waiting(gate))
    service = worker.service
    run, late = accept(database, chain("a")), accept(database, chain("a"))
    thread = threading.Thread(target=service.execute, args=[run.run_id, run.task_id])
    thread.start()
    assert gate.wait(5)

    service.drain()
    thread.join(3)
    service.execute(late.run_id, late.task_id, BATCH_QUEUE)

    assert not thread.is_alive()
    assert worker.dispatcher.sent == [(run.run_id, run.task_id), (late.run_id, late.task_id)]
    assert worker.dispatcher.queues == {run.run_id: None, late.run_id: BATCH_QUEUE}
    again = claimed(database, run, "worker-2")
    assert (again.attempt, again.lost_attempts) == (2, 0)
    assert claimed(database, late).attempt == 1
    assert kinds(stored(database, run)) == kinds(told(worker.log, run))


def test_a_run_that_is_stopped_while_it_drains_ends_as_stopped(database: Database) -> None:
    gate = threading.Event()
    worker = Worker(database, a=waiting(gate))
    service = worker.service
    run = accept(database, chain("a"))
    thread = threading.Thread(target=service.execute, args=[run.run_id, run.task_id])
    thread.start()
    assert gate.wait(5)

    change(database, run, cancel_requested_at=1.0)
    service.drain()
    thread.join(3)

    assert detail(database, run).status is RunStatus.STOPPED
    assert worker.dispatcher.sent == []


def test_a_fenced_run_ends_without_a_word(database: Database) -> None:
    gate = threading.Event()
    worker = Worker(database, a=waiting(gate))
    run = accept(database, chain("a"))
    thread = threading.Thread(target=worker.execute, args=[run])
    thread.start()
    assert gate.wait(5)
    before = eventually(lambda: told(worker.log, run))

    worker.active.fence(worker.active.claims())
    thread.join(3)

    assert not thread.is_alive()
    assert told(worker.log, run) == before
    assert detail(database, run).status is RunStatus.RUNNING


def test_a_resumed_run_waits_for_a_log_that_is_away(database: Database) -> None:
    class Away(MemoryEventLog):
        def open(self, *args: Any, **options: Any) -> Any:
            raise redis.ConnectionError("gone")

    run = accept(database, chain("a"))
    claimed(database, run)
    change(database, run, status=RunStatus.SCHEDULED)

    Worker(database, Away(), a=output("A")).execute(run)

    again = claimed(database, run)
    assert (again.attempt, again.lost_attempts) == (3, 0)


def test_a_checkpoint_that_this_release_cannot_read_ends_the_run(database: Database) -> None:
    gate = threading.Event()
    worker = Worker(database, a=output("A"), b=waiting(gate))
    run = accept(database, chain("a", "b"))
    thread = threading.Thread(target=worker.execute, args=[run])
    thread.start()
    assert gate.wait(5)
    worker.active.fence(worker.active.claims())
    thread.join(3)
    with database.begin() as session:
        session.connection().exec_driver_sql("UPDATE node_executions SET record = '{\"v\":99}'")
    change(database, run, status=RunStatus.SCHEDULED)

    worker.execute(run)

    assert detail(database, run).status is RunStatus.FAILED
    assert "99" in str(detail(database, run).error)
    assert kinds(told(worker.log, run))[-1] == "workflow_finished"


def test_a_beat_while_the_end_is_told_does_not_take_the_run_for_lost(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    class BeatingLog(MemoryEventLog):
        """A beat comes between the commit of the end and its publication."""

        def append(self, *args: Any, **options: Any) -> Any:
            with database.read() as session:
                has_ended = session.scalar(select(RUNS.c.finished_at)) is not None
            if has_ended:
                beats.append(1)
                Heartbeat(database, worker.active, "worker-1", LEASE_S).beat()
            return super().append(*args, **options)

    beats: list[Any] = []
    worker = Worker(database, BeatingLog(), a=output("A"))
    run = accept(database, chain("a"))
    with caplog.at_level("WARNING"):
        worker.execute(run)

    assert detail(database, run).status is RunStatus.SUCCEEDED
    assert len(beats) == 1
    assert caplog.messages == []
