"""What is done to a deployment under load, each thing again and again (reliability.md sections 1.1 to 1.8 and 1.13)."""

from __future__ import annotations

import random
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from celery import Celery

from tests.faults.harness.ledger import Ledger
from tests.services.penstock import Web
from tests.services.postgres import Postgres
from tests.services.processes import Process
from tests.services.stage import READY, Position, Stage
from tests.services.waiting import wait_for
from worker.broker import QUEUE, TASK, celery_settings
from worker.store.errors import StorageUnavailable

T = TypeVar("T")

#: Seconds that a process may take to leave (reliability.md section 1.8).
LEAVE_S = 25.0

#: Seconds for which Redis is frozen or away.
REDIS_FROZEN_S = 5.0
REDIS_AWAY_S = 8.0

#: Seconds for which the database may be away.
DATABASE_S = 60.0

#: Messages that are delivered again at a time.
AGAIN = 20


@dataclass(slots=True)
class Trouble:
    """The hands that do it. Every method is called from any thread."""

    stage: Stage
    #: None where no fault concerns PostgreSQL.
    postgres: Postgres | None
    ledger: Ledger
    random: random.Random
    #: Promises that a fault itself saw broken.
    problems: list[str] = field(default_factory=list)
    _choosing: threading.Lock = field(default_factory=threading.Lock)
    _in_hand: set[int] = field(default_factory=set)
    _redis: threading.Lock = field(default_factory=threading.Lock)
    _database: threading.Lock = field(default_factory=threading.Lock)

    # ---- workers

    def kill_worker(self) -> None:
        with self._victim() as worker:
            worker.kill()
            self._note_loss("worker killed", worker)
            self._replace(worker)

    def kill_worker_alone(self) -> None:
        """As a kernel without memory does it: the processes that the worker had started are still there, and must leave by themselves."""
        with self._victim() as worker:
            worker.kill_alone()
            self._note_loss("worker killed, its children not", worker)
            self._replace(worker)
        self._expect_nothing_left(worker)

    def freeze_worker(self) -> None:
        """Longer than its lease lasts: another one goes on with its runs before it wakes up."""
        with self._victim() as worker:
            worker.pause()
            self._note_loss("worker frozen, thawed", worker)
            time.sleep(self.stage.config.lease_s + self.stage.config.sweep_s + 3.0)
            worker.resume()

    def replace_ended_workers(self) -> None:
        """As whatever supervises the processes of a deployment does it."""
        with self._choosing:
            ended = [worker for worker in self.stage.workers if id(worker) not in self._in_hand and not worker.is_alive]
            self._in_hand.update(map(id, ended))
        for worker in ended:
            self._note_loss("worker ended by itself", worker)
            self._replace(worker)
            self._in_hand.discard(id(worker))

    def dismiss_worker(self) -> None:
        with self._victim() as worker:
            self._note_loss("worker told to leave", worker)
            self._replace(worker)
            self._see_off(worker, "A worker")

    # ---- API

    def kill_web(self) -> None:
        with self._instance() as web:
            self.ledger.note("API killed", self._under_way())
            self.stage.kill_web(web)
            self.stage.add_web()

    def dismiss_web(self) -> None:
        with self._instance() as leaving:
            self.stage.add_web()
            self.ledger.note("API told to leave", self._under_way())
            self._see_off(leaving.process, "An API instance")
            self.stage.forget_web(leaving)

    # ---- Redis

    def restart_redis(self) -> None:
        """It comes back empty."""
        with self._redis:
            self.ledger.note("Redis killed, back empty", self._under_way())
            self.stage.valkey.kill()
            self.stage.valkey.start()

    def stop_redis(self) -> None:
        with self._redis:
            self.ledger.note(f"Redis away for {REDIS_AWAY_S:g} s", self._under_way())
            self.stage.valkey.stop()
            time.sleep(REDIS_AWAY_S)
            self.stage.valkey.start()

    def freeze_redis(self) -> None:
        with self._redis:
            self.ledger.note(f"Redis frozen for {REDIS_FROZEN_S:g} s", self._under_way())
            self.stage.valkey.pause()
            time.sleep(REDIS_FROZEN_S)
            self.stage.valkey.resume()

    def empty_redis(self) -> None:
        with self._redis:
            self.ledger.note("Redis emptied", self._under_way())
            self.stage.valkey.flush()

    def drop_subscribers(self) -> None:
        with self._redis:
            self.ledger.note("subscribers dropped", self._under_way())
            self.stage.valkey.drop_subscribers()

    def deliver_again(self) -> None:
        """Messages of runs that wait, run or have ended long ago, in any order."""
        known = self._patiently(self.stage.tasks)
        chosen = self.random.sample(known, min(AGAIN, len(known)))
        with self._redis, Celery("again", set_as_current=False) as celery:
            self.ledger.note("messages delivered again", self._under_way())
            celery.conf.update(celery_settings(self.stage.config))
            for run_id, task_id in chosen:
                celery.send_task(TASK, args=[run_id], task_id=task_id, queue=QUEUE, ignore_result=True)

    # ---- PostgreSQL

    def restart_postgres(self) -> None:
        with self._database:
            self.ledger.note("PostgreSQL restarted", self._under_way())
            self.postgres.restart()

    def crash_postgres(self) -> None:
        with self._database:
            self.ledger.note("PostgreSQL crashed", self._under_way())
            self.postgres.crash()
            self.postgres.start()

    # ---- common to several

    @contextmanager
    def _victim(self) -> Iterator[Process]:
        """A worker that takes runs and that no other fault has in hand."""
        with self._taken(lambda: [worker for worker in self.stage.workers if re.search(READY, worker.output)]) as worker:
            yield worker

    @contextmanager
    def _instance(self) -> Iterator[Web]:
        with self._taken(lambda: self.stage.webs) as web:
            yield web

    @contextmanager
    def _taken(self, candidates: Callable[[], Sequence[T]]) -> Iterator[T]:
        """One of several for this fault alone; waits until one is free."""
        chosen = wait_for(lambda: self._take(candidates()), "something to harm", timeout_s=60.0, interval_s=0.1)
        assert chosen is not None
        try:
            yield chosen
        finally:
            self._in_hand.discard(id(chosen))

    def _take(self, candidates: Sequence[T]) -> T | None:
        with self._choosing:
            free = [candidate for candidate in candidates if id(candidate) not in self._in_hand]
            if not free:
                return None
            chosen = self.random.choice(free)
            self._in_hand.add(id(chosen))
            return chosen

    def _under_way(self) -> dict[str, Position]:
        """Waits for the database, which may be in the hands of another fault."""
        return self._patiently(self.stage.under_way)

    def _patiently(self, read: Callable[[], T]) -> T:
        deadline = time.monotonic() + DATABASE_S
        while True:
            try:
                return read()
            except StorageUnavailable:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.1)

    def _note_loss(self, fault: str, worker: Process) -> None:
        under_way = self._under_way()
        hit: dict[str, Position] = {run_id: position for run_id, position in under_way.items() if position.is_held_by(worker)}
        self.ledger.note(fault, under_way, hit)

    def _replace(self, worker: Process) -> None:
        self.stage.forget_worker(worker)
        self.stage.add_worker()

    def _see_off(self, process: Process, what: str) -> None:
        asked_at = time.monotonic()
        process.terminate()
        try:
            status = process.wait(LEAVE_S)
        except subprocess.TimeoutExpired:
            self.problems.append(f"{what} did not leave within {LEAVE_S:g} s.")
            process.kill()
            return
        if status:
            self.problems.append(f"{what} that was told to leave ended with status {status}, after {time.monotonic() - asked_at:.1f} s.")
        self._expect_nothing_left(process)

    def _expect_nothing_left(self, process: Process) -> None:
        deadline = time.monotonic() + LEAVE_S
        while left := process.members():
            if time.monotonic() > deadline:
                self.problems.append(f"Process {process.pid} is gone, but left {sorted(left)} behind.")
                process.close()
                return
            time.sleep(0.2)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something to do every so many seconds."""

    inject: Callable[[Trouble], None]
    every_s: float


def losses(expected_s: float) -> tuple[Fault, ...]:
    """What every deployment meets one day, nothing else: workers die all the time, Redis is lost twice, PostgreSQL once."""
    return (
        Fault(Trouble.kill_worker, 3.0),
        Fault(Trouble.replace_ended_workers, 1.0),
        Fault(Trouble.restart_redis, expected_s * 0.34),
        Fault(Trouble.restart_postgres, expected_s * 0.5),
    )


#: Rare enough that runs get on between them, and in no common rhythm. A worker takes two seconds of a processor to start, and other faults
#: here take workers, too: with one killed every 3 s, as in ``losses``, two processors had each of them killed the moment it was ready.
PLAN = (
    Fault(Trouble.kill_worker, 10.0),
    Fault(Trouble.replace_ended_workers, 1.0),
    Fault(Trouble.kill_worker_alone, 37.0),
    Fault(Trouble.freeze_worker, 47.0),
    Fault(Trouble.dismiss_worker, 29.0),
    Fault(Trouble.kill_web, 41.0),
    Fault(Trouble.dismiss_web, 67.0),
    Fault(Trouble.restart_redis, 83.0),
    Fault(Trouble.empty_redis, 59.0),
    Fault(Trouble.freeze_redis, 109.0),
    Fault(Trouble.stop_redis, 131.0),
    Fault(Trouble.drop_subscribers, 11.0),
    Fault(Trouble.deliver_again, 17.0),
    Fault(Trouble.restart_postgres, 97.0),
    Fault(Trouble.crash_postgres, 151.0),
)
