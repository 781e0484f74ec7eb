"""Stop means stopped (reliability.md section 1.5), and a run that nobody stops has its deadline (1.4)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.services import documents
from tests.services.client import Client, Event
from tests.services.documents import Document, Edge, Node
from tests.services.models import DevModel
from tests.services.penstock import ImportedApp
from tests.services.stage import Stage
from tests.services.waiting import wait_for
from worker.engine.events import RunStatus

#: The promise is one second on a machine of its own. Here a dozen processes share two cores with whatever else runs on them; the bound
#: still tells a stop that was told apart from one that waited for a heartbeat (5 s) or for the node (minutes).
WITHIN_S = 3.0

#: Seconds of the time limit of one run.
LIMIT_S = 2.0

RACES = 60

STOPPED = ("stopped", "Stopped by user.")


@pytest.fixture(scope="module")
def settings(shared_dev_model: DevModel) -> dict[str, str]:
    return shared_dev_model.settings


# ---- what a run may be doing


def waiting(url: str) -> tuple[list[Node], list[Edge]]:
    return [documents.http_get("busy", f"{url}/hold/{{{{#start.query#}}}}")], [("start", "busy"), ("busy", "after")]


def streaming(url: str) -> tuple[list[Node], list[Edge]]:
    model = {"provider": "openai", "name": "dev", "mode": "chat", "completion_params": {}}
    prompt = [{"role": "user", "text": "[[dev: tokens=100000 delay_ms=20]]"}]
    busy = documents.node("busy", "llm", model=model, prompt_template=prompt, context={"enabled": False}, vision={"enabled": False})
    return [busy], [("start", "busy"), ("busy", "after")]


def iterating(url: str) -> tuple[list[Node], list[Edge]]:
    items = documents.code("items", "def main():\n    return {'items': ['a', 'b', 'c']}", {"items": "array[string]"})
    busy = documents.http_get("busy", f"{url}/hold/{{{{#start.query#}}}}")
    each = documents.iteration("each", ["items", "items"], busy, output_selector=["busy", "body"])
    return [items, *each], [("start", "items"), ("items", "each"), documents.container_edge("each", busy), ("each", "after")]


def computing(url: str) -> tuple[list[Node], list[Edge]]:
    return [documents.code("busy", "def main():\n    while True:\n        pass", {})], [("start", "busy"), ("busy", "after")]


STATES: dict[str, Callable[[str], tuple[list[Node], list[Edge]]]] = {
    state.__name__: state for state in (waiting, streaming, iterating, computing)
}


def document_of(state: str, url: str) -> Document:
    """Start, what the state is about with a node named `busy`, a call that must never come, end."""
    nodes, edges = STATES[state](url)
    after = documents.http_get("after", f"{url}/count/after-{{{{#start.query#}}}}")
    query = documents.start(documents.variable("query", required=True))
    return documents.workflow(state, [query, *nodes, after, documents.end(body=["after", "body"])], [*edges, ("after", "end")])


@pytest.fixture(scope="module")
def apps(stage: Stage) -> dict[str, ImportedApp]:
    imported = stage.deployment.import_documents([document_of(state, stage.counting.url) for state in STATES])
    return dict(zip(STATES, imported, strict=True))


def wait_until_busy(events: Iterator[Event]) -> Event:
    return next(event for event in events if event["event"] == "node_started" and event["data"]["node_id"] == "busy")


# ---- stopped in every state, from every instance


@pytest.fixture
def team(stage: Stage) -> Iterator[Stage]:
    """Two instances and a worker; whatever still waits at the end of the test is answered."""
    stage.counting.reset()
    stage.staff(webs=2, workers=1)
    yield stage
    stage.counting.release_all()


@pytest.mark.parametrize("instance", [0, 1], ids=["same instance", "other instance"])
@pytest.mark.parametrize("state", STATES)
def test_a_running_run_is_stopped_at_once(team, apps, state, instance):
    name = f"{state}{instance}"
    with team.client(apps[state]) as client, team.client(apps[state], instance) as other, client.open({"query": name}) as events:
        task_id = wait_until_busy(events)["task_id"]
        asked_at = time.monotonic()
        assert other.stop(task_id).json() == {"result": "success"}
        *_, last = events
        took_s = time.monotonic() - asked_at
        record = other.detail(last["workflow_run_id"])

    assert (last["event"], last["data"]["status"], last["data"]["error"]) == ("workflow_finished", *STOPPED)
    assert (record["status"], record["error"], record["outputs"]) == (*STOPPED, {})
    assert took_s < WITHIN_S
    assert_nothing_follows(team, apps, name)


def assert_nothing_follows(team: Stage, apps: dict[str, ImportedApp], *names: str) -> None:
    """Another run goes through the same worker from end to end; by then a stopped one would have made its next call."""
    for name in (*names, "probe"):
        team.counting.release(name)
    with team.client(apps["waiting"]) as client:
        assert client.run({"query": "probe"})["data"]["status"] == "succeeded"
    assert not {f"after-{name}" for name in names} & set(team.counting.calls())


def test_a_blocking_call_ends_when_its_run_is_stopped(team, apps):
    with (
        ThreadPoolExecutor(1) as pool,
        team.client(apps["waiting"], user="blocked") as client,
        team.client(apps["waiting"], instance=1, user="blocked") as other,
    ):
        answer = pool.submit(client.run, {"query": "blocking"})
        team.counting.wait_until_called("blocking")
        listed = other.http.get("/v1/workflows/logs", params={"created_by_end_user_session_id": "blocked"}).json()
        run_id = listed["data"][0]["workflow_run"]["id"]
        with other.events(run_id, include_state_snapshot="true") as events:
            task_id = next(events)["task_id"]
        other.stop(task_id)

        assert answer.result()["data"]["status"] == "stopped"


def test_stops_that_are_nobodys_business_change_nothing(team, apps):
    """Of another app, of another user, and of nothing."""
    with (
        team.client(apps["waiting"]) as client,
        team.client(apps["computing"]) as foreign,
        team.client(apps["waiting"], user="other") as stranger,
        client.open({"query": "foreign"}) as events,
    ):
        task_id = wait_until_busy(events)["task_id"]
        answers = [foreign.stop(task_id), stranger.stop(task_id), client.stop("00000000-0000-4000-8000-000000000000")]
        team.counting.release("foreign")
        *_, last = events

    assert [answer.json() for answer in answers] == [{"result": "success"}] * 3
    assert last["data"]["status"] == "succeeded"


def test_stop_of_a_finished_run_changes_nothing(team, apps):
    team.counting.release("finished")
    with team.client(apps["waiting"]) as client:
        run = client.run({"query": "finished"})
        assert client.stop(run["task_id"]).json() == {"result": "success"}
        assert client.stop(run["task_id"]).json() == {"result": "success"}
        assert client.detail(run["workflow_run_id"])["status"] == "succeeded"


def test_a_queued_run_is_stopped_at_once_and_never_starts(team, apps):
    team.staff(webs=1, workers=0)
    for name in ("queued", "probe"):
        team.counting.release(name)
    with team.client(apps["waiting"]) as client:
        with client.http.stream("POST", "/v1/workflows/run", json=request_of("queued")) as response:
            run_id = response.headers["X-Workflow-Run-ID"]
            # No event has told its task yet, since nobody has started the run.
            task_id = dict(team.tasks())[run_id]
            asked_at = time.monotonic()
            client.stop(task_id)
            body = response.read().decode()
            took_s = time.monotonic() - asked_at
        assert '"status":"stopped"' in body
        assert client.detail(run_id)["status"] == "stopped"
        assert took_s < WITHIN_S

        # The task of the stopped run is still first in the queue of the worker that comes now.
        team.add_worker()
        assert client.run({"query": "probe"})["data"]["status"] == "succeeded"
    assert team.counting.calls() == {"probe": 1, "after-probe": 1}


def request_of(query: str) -> dict[str, object]:
    return {"inputs": {"query": query}, "response_mode": "streaming", "user": "tester"}


def test_stop_and_completion_race_to_one_and_the_same_end(team, apps):
    """The call is answered in the very moment of the stop: whoever wins, stream and record agree, and a second stop changes nothing."""
    with ThreadPoolExecutor(4) as pool:
        ends = Counter(pool.map(lambda number: race(team, apps["waiting"], f"race{number}"), range(RACES)))

    assert set(ends) <= {"stopped", "succeeded"}
    assert ends["stopped"] > 0


def race(team: Stage, app: ImportedApp, name: str) -> str:
    with team.client(app) as client, client.open({"query": name}) as events, ThreadPoolExecutor(1) as answerer:
        task_id = wait_until_busy(events)["task_id"]
        answerer.submit(team.counting.release, name)
        client.stop(task_id)
        *_, last = events
        client.stop(task_id)
        status: str = last["data"]["status"]
        assert client.detail(last["workflow_run_id"])["status"] == status
        return status


# ---- stopped while something is broken


def begin(team: Stage, apps: dict[str, ImportedApp], prefix: str) -> dict[str, str]:
    """A run in each state, without a reader: run ids by their tasks."""
    tasks = {}
    for state, app in apps.items():
        with team.client(app) as client, client.open({"query": f"{prefix}{state}"}) as events:
            busy = wait_until_busy(events)
            tasks[busy["task_id"]] = busy["workflow_run_id"]
    return tasks


def stop_all(client_of: Callable[[ImportedApp], Client], apps: dict[str, ImportedApp], task_ids: list[str]) -> None:
    for app, task_id in zip(apps.values(), task_ids, strict=True):
        with client_of(app) as client:
            assert client.stop(task_id).json() == {"result": "success"}


def wait_until_stopped(team: Stage, run_ids: list[str], timeout_s: float) -> None:
    def are_stopped() -> bool:
        return {position.status for position in team.positions(run_ids).values()} == {RunStatus.STOPPED}

    wait_for(are_stopped, "the runs to be stopped", timeout_s)


def test_without_redis_a_stop_waits_for_the_next_heartbeat(team, apps):
    tasks = begin(team, apps, "silent-")
    team.valkey.stop()
    try:
        stop_all(team.client, apps, list(tasks))
        wait_until_stopped(team, list(tasks.values()), team.config.heartbeat_s + WITHIN_S)
    finally:
        team.valkey.start()

    assert_nothing_follows(team, apps, *(f"silent-{state}" for state in STATES))


def test_a_stop_of_runs_whose_worker_is_dead_outlives_it(team, apps):
    """Nobody can carry it out until their leases run out; then they are ended, not executed."""
    tasks = begin(team, apps, "orphan-")
    team.kill_worker(team.workers[0])
    stop_all(team.client, apps, list(tasks))
    team.add_worker()
    wait_until_stopped(team, list(tasks.values()), team.config.lease_s + team.config.sweep_s + 10)

    assert_nothing_follows(team, apps, *(f"orphan-{state}" for state in STATES))


# ---- deadlines


def test_a_node_that_never_ends_is_ended_by_the_time_limit(team, apps):
    team.staff(webs=1, workers=0)
    team.add_worker(PENSTOCK_WORKFLOW_MAX_EXECUTION_TIME=str(LIMIT_S))
    with team.client(apps["computing"]) as client:
        ended = client.run({"query": "endless"})["data"]

    assert (ended["status"], ended["error"].partition(":")[0]) == ("failed", "Aborted")
    assert "Maximum execution time exceeded" in ended["error"]
    assert LIMIT_S < ended["elapsed_time"] < LIMIT_S + WITHIN_S
