"""Runs whose events, and then whose rows, were removed because of their age: to clients they are as unknown ones."""

import time

import pytest
from sqlalchemy import update

from tests.unit.app.serving import Caller
from worker.store.models import RUNS
from worker.store.retention import delete_runs, strip_runs

DAY_S = 86400.0


@pytest.fixture
def run_id(caller: Caller) -> str:
    """A run that ended yesterday; its log in Redis is long gone."""
    database = caller.service.database
    found = caller.run().json["workflow_run_id"]
    with database.begin() as session:
        session.execute(update(RUNS).where(RUNS.c.id == found).values(finished_at=time.time() - DAY_S))
    caller.service.log.lose()
    return found


def strip(caller: Caller) -> None:
    with caller.service.database.begin() as session:
        assert strip_runs(session, DAY_S / 2)


@pytest.mark.parametrize("query", ["", "&include_state_snapshot=true", "&event_ids=true"])
def test_events_that_were_removed_are_those_of_an_unknown_run(caller: Caller, run_id: str, query: str):
    strip(caller)

    answer, unknown = (caller.get(f"/v1/workflow/{name}/events?user=alice{query}") for name in (run_id, "unknown"))

    assert answer.status_code == 404
    assert answer.json == unknown.json


def test_inputs_and_outputs_outlive_the_events(caller: Caller, run_id: str):
    strip(caller)

    detail = caller.get(f"/v1/workflows/run/{run_id}").json

    assert (detail["status"], detail["outputs"]) == ("succeeded", {"q": "hello"})
    assert caller.get("/v1/workflows/logs").json["total"] == 1


def test_a_run_that_was_removed_is_unknown(caller: Caller, run_id: str):
    strip(caller)
    with caller.service.database.begin() as session:
        assert delete_runs(session, DAY_S / 2)

    for path in (f"/v1/workflow/{run_id}/events?user=alice", f"/v1/workflows/run/{run_id}"):
        answer, unknown = caller.get(path), caller.get(path.replace(run_id, "unknown"))
        assert answer.status_code == 404
        assert answer.json == unknown.json
    assert caller.get("/v1/workflows/logs").json["total"] == 0
