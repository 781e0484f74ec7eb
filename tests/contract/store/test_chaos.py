"""Workers that die, sweepers and stops, all at once: whatever happens, each run has one history and one end."""

import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.contract.store.world import World, finished
from worker.engine.errors import RunFenced
from worker.engine.events import FINAL_STATUSES, RunStatus
from worker.store import claims, lost_runs, runs
from worker.store.claims import Claim
from worker.store.events import EventStretch, read_events

RUNS = 12
WORKERS = 4


class Chaos:
    """Every actor writes events that name its attempt, and an end that names its status, as the real ones do."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.random = random.Random(seed)
        self.accepted = [world.accept() for _ in range(RUNS)]
        self.is_over = threading.Event()

    def work(self) -> None:
        while not self.is_over.is_set():
            run = self.random.choice(self.accepted)
            # A lease that has run out already: the worker may be thought dead at any moment.
            claim = self.world.claim(run.run_id, lease_s=self.random.choice([-1.0, 30.0]))
            if claim is not None:
                self.execute(claim)

    def execute(self, claim: Claim) -> None:
        try:
            number = claim.last_event
            for _ in range(self.random.randrange(4)):
                number += 1
                with self.world.database.begin() as session:
                    claims.save_progress(session, claim.run_id, claim.attempt, [], stretch(claim, number))
            self.leave(claim, number)
        except RunFenced:
            return

    def leave(self, claim: Claim, number: int) -> None:
        if self.random.random() < 0.3:
            with self.world.database.begin() as session:
                if claims.release_run(session, claim.run_id, claim.attempt):
                    return
        if not self.end(claim, number, RunStatus.SUCCEEDED):
            self.end(claim, number, RunStatus.STOPPED)

    def end(self, claim: Claim, number: int, status: RunStatus) -> bool:
        with self.world.database.begin() as session:
            events = stretch(claim, number + 1, status)
            return claims.finish_run(session, claim.run_id, claim.attempt, finished(status), {}, [], events)

    def sweep(self) -> None:
        while not self.is_over.is_set():
            with self.world.database.read() as session:
                lost = lost_runs.find_expired(session)
            for run in lost:
                with self.world.database.begin() as session:
                    lost_runs.requeue_expired(session, run.run_id, run.attempt)
                if run.is_stopping:
                    with self.world.database.begin() as session:
                        claim = claims.take_over(session, run.run_id, run.attempt, lease_s=-1)
                    self.close(claim)

    def stop_some(self) -> None:
        for run in self.accepted[: RUNS // 2]:
            with self.world.database.begin() as session:
                stop = runs.request_stop(session, self.world.app_id, run.task_id)
            self.close(stop and stop.claim)

    def close(self, claim: Claim | None) -> None:
        try:
            if claim is not None:
                self.end(claim, claim.last_event, RunStatus.STOPPED)
        except RunFenced:
            return

    def watch(self) -> None:
        """Until every run has ended; a run that is stuck ends the test instead of hanging it."""
        for _ in range(400):
            with self.world.database.read() as session:
                found = runs.active_status(session, [run.run_id for run in self.accepted])
            if set(found.values()) <= FINAL_STATUSES:
                break
            threading.Event().wait(0.05)
        self.is_over.set()

    def history(self, run_id: str) -> list[tuple[int, dict]]:
        with self.world.database.read() as session:
            return [(number, json.loads(frame)) for number, frame in read_events(session, run_id)]


def stretch(claim: Claim, number: int, status: RunStatus | None = None) -> EventStretch:
    return EventStretch.of(number, [json.dumps({"attempt": claim.attempt, "status": status}).encode()])


@pytest.mark.parametrize("seed", [1, 2])
def test_each_run_has_one_history_and_one_end(world: World, seed: int) -> None:
    chaos = Chaos(world, seed)
    actors = [chaos.work] * WORKERS + [chaos.sweep, chaos.sweep, chaos.stop_some, chaos.watch]

    with ThreadPoolExecutor(len(actors)) as pool:
        for end in [pool.submit(actor) for actor in actors]:
            end.result(timeout=60)

    for run in chaos.accepted:
        history, row = chaos.history(run.run_id), world.row(run.run_id)
        attempts = [event["attempt"] for _, event in history]
        ends = [event["status"] for _, event in history if event["status"]]
        assert [number for number, _ in history] == list(range(1, row.last_event + 1)), "no gap, nothing twice"
        assert attempts == sorted(attempts), "nobody wrote after a later attempt began"
        assert ends == [history[-1][1]["status"]] == [row.status], "one end, the last event, the same in the row"
        assert row.status != "succeeded" or row.cancel_requested_at is None, "a stop beats a success"
