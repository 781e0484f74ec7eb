"""Worker processes over a real Valkey and a database file: what only processes can show."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from tests.services import documents
from tests.services.counting import CountingServer
from tests.services.poison import PoisonServer
from tests.services.processes import Process, clean_environment
from tests.services.valkey import Valkey
from tests.services.waiting import wait_for
from tests.unit.running import NewRun, accept, detail, kinds, stored
from worker.broker import QUEUE, TASK, celery_settings, worker_arguments
from worker.bus.commands import Commands
from worker.bus.connection import connect
from worker.bus.events import EventLog
from worker.closing import stop_run
from worker.config import Config
from worker.engine.events import RunStatus
from worker.engine.variables import remote_address
from worker.store.migrate import upgrade
from worker.store.models import Run
from worker.store.runs import RunDetail
from worker.store.session import Database

ROOT = Path(__file__).resolve().parents[2]

#: Lost workers are noticed within a second or two.
FAST = {
    "PENSTOCK_LEASE": "2",
    "PENSTOCK_HEARTBEAT": "0.3",
    "PENSTOCK_SWEEP": "0.3",
    "PENSTOCK_RESEND": "2",
    "PENSTOCK_DRAIN": "0.5",
    "PENSTOCK_WORKER_CONCURRENCY": "24",
    "PENSTOCK_OUTBOUND_ALLOW": "127.0.0.1",
}


class Stand:
    """Redis, database and any number of workers; the test plays the API."""

    def __init__(self, folder: Path, valkey: Valkey, pool: str) -> None:
        self.valkey = valkey
        self.folder = folder
        settings = {"DATABASE_URL": f"sqlite:///{folder / 'test.sqlite3'}", "REDIS_URL": valkey.url, **FAST}
        self.environment = clean_environment(PENSTOCK_WORKER_POOL=pool, PENSTOCK_DATA_DIR=str(folder), **settings)
        self.config = Config.from_env(self.environment)
        upgrade(self.config)
        self.database = Database.connect(self.config)
        self.client: redis.Redis = connect(self.config)
        self.log = EventLog(self.client, self.config)
        self._celery = Celery("test", set_as_current=False)
        self._celery.conf.update(celery_settings(self.config))
        self._workers: list[Process] = []

    def worker(self) -> Process:
        """A worker that takes runs."""
        log = self.folder / f"worker-{len(self._workers)}.log"
        process = Process(worker_arguments(self.config), log, self.environment, ROOT)
        self._workers.append(process)
        process.wait_for_output(r"celery@\S+ ready", 30)
        return process

    def accept(self, document: dict[str, Any]) -> NewRun:
        return accept(self.database, document)

    def send(self, run: NewRun) -> None:
        self._celery.send_task(TASK, args=[run.run_id], task_id=run.task_id, queue=QUEUE, ignore_result=True)

    def start(self, document: dict[str, Any]) -> NewRun:
        run = self.accept(document)
        self.send(run)
        return run

    def stop(self, run: NewRun) -> None:
        """As the API does it."""
        stop_run(self.database, self.log, Commands(self.client, self.config), remote_address, run.app_id, run.task_id)
        self._celery.control.revoke(run.task_id)

    def ended(self, run: NewRun, timeout_s: float = 20.0) -> RunDetail:
        return wait_for(lambda: self._final(run), f"the end of {run.run_id}", timeout_s)

    def _final(self, run: NewRun) -> RunDetail | None:
        seen = detail(self.database, run)
        return seen if seen.status.is_final else None

    def events(self, run: NewRun) -> list[str]:
        """Kinds of the events that SQL has. Those that Redis has must be the same ones, once they are there: SQL has them first."""
        in_sql = stored(self.database, run)
        wait_for(lambda: self._logged(run) in (0, len(in_sql)), f"the events of {run.run_id}", 5)
        return kinds(in_sql)

    def _logged(self, run: NewRun) -> int:
        return len(self.log.read(run.run_id, 0, 10_000))

    def close(self) -> None:
        for process in self._workers:
            process.close()
        self._celery.close()
        self.client.close()
        self.database.dispose()


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


@pytest.fixture
def make_stand(tmp_path: Path, valkey: Valkey) -> Iterator[Callable[[str], Stand]]:
    made: list[Stand] = []

    def make(pool: str) -> Stand:
        made.append(Stand(tmp_path, valkey, pool))
        return made[-1]

    yield make
    for stand in made:
        stand.close()


@pytest.fixture
def stand(make_stand: Callable[[str], Stand]) -> Stand:
    return make_stand("threads")


@pytest.fixture(params=["threads", "gevent"])
def any_pool(request: pytest.FixtureRequest, make_stand: Callable[[str], Stand]) -> Stand:
    return make_stand(request.param)


@pytest.fixture
def counting() -> Iterator[CountingServer]:
    with CountingServer() as server:
        yield server


def calls(counting: CountingServer, *paths: str) -> dict[str, Any]:
    """Calls of ``count/NAME`` or ``hold/NAME``, one after the other."""
    nodes = [documents.http_get(path.partition("/")[2], f"{counting.url}/{path}") for path in paths]
    return documents.chain("calls", [documents.start(), *nodes, documents.end(last=[nodes[-1]["id"], "body"])])


def test_a_run_comes_to_its_end(any_pool: Stand, counting: CountingServer) -> None:
    any_pool.worker()
    run = any_pool.start(calls(counting, "count/a", "count/b"))

    seen = any_pool.ended(run)

    assert (seen.status, seen.outputs, seen.total_steps) == (RunStatus.SUCCEEDED, {"last": "b"}, 4)
    assert any_pool.events(run)[0] == "workflow_started"
    assert any_pool.events(run)[-1] == "workflow_finished"


def test_a_message_that_comes_many_times_is_one_execution(stand: Stand, counting: CountingServer) -> None:
    run = stand.accept(calls(counting, "count/a", "hold/b"))
    stand.worker()
    stand.worker()
    with ThreadPoolExecutor(8) as senders:
        list(senders.map(stand.send, [run] * 30))
    counting.wait_until_called("b", timeout_s=10)
    counting.release("b")

    assert stand.ended(run).status is RunStatus.SUCCEEDED
    assert counting.calls() == {"a": 1, "b": 1}


def test_a_queued_run_is_stopped_before_it_starts(stand: Stand, counting: CountingServer) -> None:
    run, other = stand.start(calls(counting, "count/a")), stand.start(calls(counting, "count/b"))

    stand.stop(run)

    assert stand.ended(run, 1).status is RunStatus.STOPPED
    stand.worker()
    stand.ended(other)
    assert counting.calls() == {"b": 1}
    assert stand.events(run) == ["workflow_started", "workflow_finished"]


def test_a_running_run_is_stopped_within_a_second(any_pool: Stand, counting: CountingServer) -> None:
    any_pool.worker()
    run = any_pool.start(calls(counting, "hold/a", "count/b"))
    counting.wait_until_called("a", timeout_s=10)

    any_pool.stop(run)

    seen = any_pool.ended(run, 1)
    assert (seen.status, seen.error) == (RunStatus.STOPPED, "Stopped by user.")
    assert any_pool.events(run)[-1] == "workflow_finished"
    assert counting.calls() == {"a": 1}


def test_a_run_whose_worker_is_killed_goes_on_behind_its_finished_nodes(any_pool: Stand, counting: CountingServer) -> None:
    first = any_pool.worker()
    run = any_pool.start(calls(counting, "count/a", "count/b", "hold/c", "count/d"))
    counting.wait_until_called("c", timeout_s=10)

    first.kill()
    any_pool.worker()
    counting.release("c")

    seen = any_pool.ended(run, 25)
    assert (seen.status, seen.outputs) == (RunStatus.SUCCEEDED, {"last": "d"})
    assert counting.calls() == {"a": 1, "b": 1, "c": 2, "d": 1}
    assert any_pool.events(run).count("workflow_started") == 1
    assert any_pool.events(run).count("node_finished") == 6


def test_rounds_of_a_loop_that_are_done_stay_done_when_the_worker_is_killed(stand: Stand, counting: CountingServer) -> None:
    """So do the variables of the loop, which every round writes."""
    for number in "013":
        counting.release(number)
    first = stand.worker()
    run = stand.start(documents.loop_of_calls(f"{counting.url}/hold", 4))
    counting.wait_until_called("2", timeout_s=10)

    first.kill()
    stand.worker()
    counting.release("2")

    seen = stand.ended(run, 25)
    assert (seen.status, seen.outputs) == (RunStatus.SUCCEEDED, {"number": 4})
    assert counting.calls() == {"0": 1, "1": 1, "2": 2, "3": 1}
    assert (stand.events(run).count("loop_started"), stand.events(run).count("node_finished")) == (1, 10)


@pytest.mark.parametrize("farewell", [Process.terminate, Process.interrupt])
def test_a_worker_that_is_told_to_go_hands_its_runs_over(
    any_pool: Stand, counting: CountingServer, farewell: Callable[[Process], None]
) -> None:
    leaving = any_pool.worker()
    runs = [any_pool.start(calls(counting, f"count/a{number}", "hold/b", "count/c")) for number in range(5)]
    counting.wait_until_called("b", times=5, timeout_s=10)

    farewell(leaving)
    assert leaving.wait(12) == 0
    counting.release("b")
    any_pool.worker()

    assert [any_pool.ended(run).status for run in runs] == [RunStatus.SUCCEEDED] * 5
    assert counting.calls() == {**{f"a{number}": 1 for number in range(5)}, "b": 10, "c": 5}
    assert all(any_pool.events(run).count("workflow_started") == 1 for run in runs)


def test_a_frozen_worker_that_thaws_writes_nothing_more(stand: Stand, counting: CountingServer) -> None:
    frozen = stand.worker()
    run = stand.start(calls(counting, "count/a", "hold/b", "count/c"))
    counting.wait_until_called("b", timeout_s=10)

    frozen.pause()
    stand.worker()
    counting.wait_until_called("b", times=2, timeout_s=20)
    frozen.resume()
    frozen.wait_for_output("lost to this worker|belongs to another worker", 10)
    counting.release("b")

    assert stand.ended(run).status is RunStatus.SUCCEEDED
    assert counting.calls() == {"a": 1, "b": 2, "c": 1}
    assert stand.events(run).count("workflow_finished") == 1


def test_runs_survive_a_redis_that_loses_everything(stand: Stand, counting: CountingServer) -> None:
    stand.worker()
    running = stand.start(calls(counting, "count/a", "hold/b", "count/c"))
    counting.wait_until_called("b", timeout_s=10)
    queued = stand.accept(calls(counting, "count/d"))

    stand.valkey.flush()
    counting.release("b")

    assert stand.ended(running).status is RunStatus.SUCCEEDED
    assert stand.ended(queued).status is RunStatus.SUCCEEDED
    assert counting.calls() == {"a": 1, "b": 1, "c": 1, "d": 1}
    in_sql = kinds(stored(stand.database, running))
    assert (in_sql[0], in_sql[-1]) == ("workflow_started", "workflow_finished")


def test_runs_survive_a_redis_that_is_away(stand: Stand, counting: CountingServer) -> None:
    stand.worker()
    run = stand.start(calls(counting, "count/a", "hold/b", "count/c"))
    counting.wait_until_called("b", timeout_s=10)

    stand.valkey.stop()
    counting.release("b")
    assert stand.ended(run).status is RunStatus.SUCCEEDED
    late = stand.accept(calls(counting, "count/d"))
    stand.valkey.start()

    assert stand.ended(late, 30).status is RunStatus.SUCCEEDED


def test_a_run_that_kills_its_workers_is_failed_in_the_end(stand: Stand, counting: CountingServer) -> None:
    run = stand.start(calls(counting, "hold/a"))
    for times in (1, 2, 3):
        worker = stand.worker()
        counting.wait_until_called("a", times=times, timeout_s=20)
        worker.kill()
    stand.worker()

    seen = stand.ended(run, 20)
    assert (seen.status, seen.error) == (RunStatus.FAILED, "Aborted: the worker that executed the run was lost 3 times.")
    assert counting.calls() == {"a": 3}
    assert stand.events(run)[-1] == "workflow_finished"


def test_a_run_that_kills_its_process_dies_alone_the_second_time(any_pool: Stand, counting: CountingServer) -> None:
    first = any_pool.worker()
    neighbours = [any_pool.start(calls(counting, f"count/a{number}", "hold/b", "count/c")) for number in range(20)]
    counting.wait_until_called("b", times=20, timeout_s=10)
    with PoisonServer() as server:
        poison = any_pool.start(documents.chain("poison", [documents.start(), documents.http_get("kill", server.url), documents.end()]))
        assert first.wait(10) == -9
        counting.release("b")
        second = any_pool.worker()

        assert [any_pool.ended(run, 40).status for run in neighbours] == [RunStatus.SUCCEEDED] * 20
        seen = any_pool.ended(poison, 40)

    assert (seen.status, seen.error) == (RunStatus.FAILED, "Aborted: the worker that executed the run was lost 3 times.")
    assert len(set(server.killed)) == 3
    assert server.killed[0] == first.pid
    second.check_alive()
    assert {name: times for name, times in counting.calls().items() if name.startswith("a")} == {f"a{n}": 1 for n in range(20)}


def test_a_run_in_quarantine_is_stopped_and_handed_over_like_any_other(stand: Stand, counting: CountingServer) -> None:
    first = stand.worker()
    stopped, kept = stand.start(calls(counting, "hold/a")), stand.start(calls(counting, "hold/b", "count/c"))
    for name in ("a", "b"):
        counting.wait_until_called(name, timeout_s=10)
    first.kill()
    second = stand.worker()
    for name in ("a", "b"):
        counting.wait_until_called(name, times=2, timeout_s=20)

    stand.stop(stopped)
    assert stand.ended(stopped, 1).status is RunStatus.STOPPED
    second.terminate()
    assert second.wait(15) == 0
    counting.release("b")
    stand.worker()

    assert stand.ended(kept).status is RunStatus.SUCCEEDED
    assert counting.calls() == {"a": 2, "b": 3, "c": 1}


def test_runs_that_lost_one_worker_do_not_wait_for_each_other(any_pool: Stand, counting: CountingServer) -> None:
    any_pool.environment["PENSTOCK_QUARANTINE_SLOTS"] = "1"
    first = any_pool.worker()
    runs = [any_pool.start(calls(counting, f"hold/{number}")) for number in range(10)]
    for number in range(10):
        counting.wait_until_called(str(number), timeout_s=10)
    first.kill()
    any_pool.worker()

    for number in range(10):
        counting.wait_until_called(str(number), times=2, timeout_s=20)
        counting.release(str(number))

    assert [any_pool.ended(run).status for run in runs] == [RunStatus.SUCCEEDED] * 10


def test_a_run_in_quarantine_is_handed_over_when_the_worker_around_it_is_killed(stand: Stand, counting: CountingServer) -> None:
    first = stand.worker()
    run = stand.start(calls(counting, "hold/a", "count/b"))
    for times in (1, 2):
        counting.wait_until_called("a", times=times, timeout_s=20)
        os.kill(first.pid, signal.SIGKILL)
        first = stand.worker()
    counting.wait_until_called("a", times=3, timeout_s=20)
    counting.release("a")

    assert stand.ended(run).status is RunStatus.SUCCEEDED
    with stand.database.read() as session:
        assert session.get_one(Run, run.run_id).lost_attempts == 1, "only the first death was its worker's own"


def test_a_worker_whose_database_has_no_tables_says_so_in_a_sentence_and_ends(stand: Stand, tmp_path: Path) -> None:
    environment = {**stand.environment, "DATABASE_URL": f"sqlite:///{tmp_path / 'empty.sqlite3'}"}
    process = Process(worker_arguments(stand.config), tmp_path / "refused.log", environment, ROOT)
    try:
        assert process.wait(30) == 1
        assert "This worker cannot start: The database has no tables yet; run `penstock migrate`." in process.output
        assert "Traceback" not in process.output
    finally:
        process.close()


def test_a_slot_that_becomes_free_takes_the_next_run_at_once(make_stand: Callable[[str], Stand]) -> None:
    stand = make_stand("threads")
    stand.environment["PENSTOCK_WORKER_CONCURRENCY"] = "1"
    stand.config = Config.from_env(stand.environment)
    runs = [stand.start(documents.chain("slots", [documents.start(), documents.end()])) for _ in range(30)]
    stand.worker()

    # An event loop that is not woken looks for a free slot once a second: thirty runs would take thirty seconds.
    assert stand.ended(runs[-1], timeout_s=15.0).status is RunStatus.SUCCEEDED
