"""What the tests of the store have in common: an app whose runs they push around, and a starting gun for races."""

import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import func, select

from worker.engine.events import NodeStatus, RunFinished, RunStatus
from worker.engine.record import NodeRecord
from worker.store import apps, claims, runs
from worker.store.end_users import ensure_end_user
from worker.store.models import Base, Run
from worker.store.session import Database

T = TypeVar("T")


class World:
    def __init__(self, database: Database, name: str = "Greeter") -> None:
        self.database = database
        with database.begin() as session:
            self.app_id = apps.create_app(session, apps.Profile(name)).id
            version, _ = apps.publish(session, self.app_id, {"graph": {}}, "hash")
            self.workflow_id, self.version = version.id, version.version
            self.end_user_id = ensure_end_user(session, self.app_id, "ada")

    def new_run(self, **changes: Any) -> runs.NewRun:
        facts: dict[str, Any] = {
            "run_id": str(uuid.uuid4()),
            "task_id": str(uuid.uuid4()),
            "app_id": self.app_id,
            "workflow_id": self.workflow_id,
            "workflow_version": self.version,
            "end_user_id": self.end_user_id,
            "inputs": {"name": "Ada", "sys.user_id": "ada"},
            "time_limit_s": 1200.0,
        }
        return runs.NewRun(**{**facts, **changes})

    def accept(self, **changes: Any) -> runs.AcceptedRun:
        with self.database.begin() as session:
            return runs.accept_run(session, self.new_run(**changes))

    def claim(self, run_id: str, lease_s: float = 30.0, owner: str = "worker") -> claims.Claim | None:
        with self.database.begin() as session:
            return claims.claim(session, run_id, owner, lease_s)

    def start(self, lease_s: float = 30.0, owner: str = "worker", **changes: Any) -> claims.Claim:
        """A run that was accepted and claimed; a negative lease is one that has expired."""
        claim = self.claim(self.accept(**changes).run_id, lease_s, owner)
        assert claim is not None
        return claim

    def finish(self, claim: claims.Claim, status: RunStatus = RunStatus.SUCCEEDED, **changes: Any) -> bool:
        with self.database.begin() as session:
            return claims.finish_run(session, claim.run_id, claim.attempt, finished(status, **changes), {"greeting": "Hi"}, [], None)

    def stop(self, task_id: str, user: str | None = None) -> runs.Stop | None:
        with self.database.begin() as session:
            return runs.request_stop(session, self.app_id, task_id, user)

    def row(self, run_id: str) -> Run:
        with self.database.read() as session:
            return session.get_one(Run, run_id)


def finished(status: RunStatus = RunStatus.SUCCEEDED, **changes: Any) -> RunFinished:
    facts: dict[str, Any] = {
        "status": status,
        "outputs": {},
        "error": None,
        "elapsed_s": 1.5,
        "total_tokens": 7,
        "total_steps": 3,
        "exceptions_count": 1,
        "created_at": 100.0,
        "finished_at": 101.5,
    }
    return RunFinished(**{**facts, **changes})


def record(node_id: str = "code", **changes: Any) -> NodeRecord:
    facts: dict[str, Any] = {
        "execution_id": str(uuid.uuid4()),
        "node_id": node_id,
        "node_type": "code",
        "title": node_id.title(),
        "index": 1,
        "predecessor_node_id": "start",
        "status": NodeStatus.SUCCEEDED,
        "inputs": {},
        "process_data": {},
        "outputs": {"result": "ok"},
        "error": None,
        "handle": "source",
        "attempts": 1,
        "elapsed_s": 0.25,
        "created_at": 100.0,
        "finished_at": 100.25,
    }
    return NodeRecord(**{**facts, **changes})


def count(database: Database, model: type[Base]) -> int:
    with database.read() as session:
        return session.execute(select(func.count()).select_from(model)).scalar_one()


def race(contestants: Sequence[Callable[[], T]]) -> list[T]:
    """Run all at once, each in a thread; their answers, in the order given."""
    gun = threading.Barrier(len(contestants))

    def at_the_gun(contestant: Callable[[], T]) -> T:
        gun.wait(timeout=10)
        return contestant()

    with ThreadPoolExecutor(len(contestants)) as pool:
        return list(pool.map(at_the_gun, contestants))
