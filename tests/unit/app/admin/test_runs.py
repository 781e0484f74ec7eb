"""Runs of all apps, and the deployment at a glance."""

from __future__ import annotations

import uuid

import pytest

from tests.unit.app.admin.administering import Operator, hello, operated, refusal
from tests.unit.app.serving import Caller, Waiting, fail


@pytest.fixture
def caller(operator: Operator) -> Caller:
    made = operator.import_app()
    return Caller(operator.service, made["app_id"], made["api_key"])


def run_id(caller: Caller, **body: object) -> str:
    answer = caller.run(**body)
    assert answer.status_code in (200, 202), answer.json
    return str(answer.json["workflow_run_id"])


def listed(operator: Operator, **query: object) -> list[str]:
    return [run["id"] for run in operator.get("/runs", **query)["data"]]


def test_runs_of_all_apps_are_listed_newest_first_in_pages():
    with operated() as operator:
        callers = [Caller(operator.service, made["app_id"], made["api_key"]) for made in (operator.import_app(), operator.import_app())]
        made = [run_id(callers[number % 2]) for number in range(5)]

        seen, after = [], {}
        while True:
            page = operator.get("/runs", limit=2, **after)
            seen += [run["id"] for run in page["data"]]
            if not page["has_more"]:
                break
            after = {"after": page["next"]}

        assert sorted(seen) == sorted(made)
        assert set(listed(operator, app=callers[1].app_id)) == set(made[1::2])


def test_runs_are_filtered(operator: Operator, caller: Caller):
    done = run_id(caller)
    theirs = run_id(caller, user="bob")
    operator.service.worker.script = fail
    failed = run_id(caller)
    operator.service.worker.script = None
    waiting = run_id(caller, response_mode="async")

    app = {"app": caller.app_id}
    assert set(listed(operator, **app)) == {done, theirs, failed, waiting}
    assert set(listed(operator, **app, status="succeeded")) == {done, theirs}
    assert listed(operator, **app, status="failed") == [failed]
    assert listed(operator, **app, status="scheduled") == [waiting]
    assert listed(operator, **app, user="bob") == [theirs]
    assert listed(operator, **app, user="nobody") == []
    assert listed(operator, **app, created_before="2001-01-01T00:00:00Z") == []
    assert len(listed(operator, **app, created_after="2001-01-01T00:00:00+02:00")) == 4


def test_a_run_in_the_list_says_what_it_is(operator: Operator, caller: Caller):
    made = run_id(caller)

    [run] = operator.get("/runs", app=caller.app_id)["data"]

    assert (run["id"], run["app_id"], run["user"], run["status"]) == (made, caller.app_id, "alice", "succeeded")
    assert isinstance(run["created_at"], int)
    assert (run["attempt"], run["resumed_from"]) == (1, None)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "done"}, "status"),
        ({"created_after": "yesterday"}, "created_after"),
        ({"limit": "1000"}, "limit"),
        ({"after": "WyJhIiwiYiJd"}, "after"),
        ({"page": "2"}, "page"),
        ({"user": "x" * 300}, "user"),
    ],
)
def test_filters_are_checked(operator: Operator, query: dict, field: str):
    assert refusal(operator.open("GET", "/runs", query_string=query)) == (400, "invalid_param", field)


def test_runs_of_an_unknown_app_are_404(operator: Operator):
    assert operator.open("GET", "/runs", query_string={"app": "nobody"}).status_code == 404


def test_a_run_is_shown_with_its_nodes(operator: Operator, caller: Caller):
    made = run_id(caller)

    shown = operator.get(f"/runs/{made.upper()}")

    assert (shown["id"], shown["app_id"], shown["status"]) == (made, caller.app_id, "succeeded")
    assert (shown["inputs"]["q"], shown["outputs"]) == ("hello", {"q": "hello"})
    assert isinstance(shown["nodes"], list)


@pytest.mark.parametrize("name", ["nothing", str(uuid.uuid4()), "nul%00"])
def test_an_unknown_run_is_404(operator: Operator, name: str):
    assert refusal(operator.open("GET", f"/runs/{name}")) == (404, "not_found", "")
    assert refusal(operator.post(f"/runs/{name}/stop")) == (404, "not_found", "")
    assert refusal(operator.post(f"/runs/{name}/resume", json={})) == (404, "not_found", "")


def test_a_run_that_waits_is_stopped_at_once(operator: Operator, caller: Caller):
    operator.service.worker.script = None
    made = caller.run(response_mode="async").json

    assert operator.post(f"/runs/{made['workflow_run_id']}/stop").json == {"is_told": True}
    assert operator.get(f"/runs/{made['workflow_run_id']}")["status"] == "stopped"
    assert operator.service.worker.revoked == [made["task_id"]]
    assert operator.post(f"/runs/{made['workflow_run_id']}/stop").json == {"is_told": False}


def test_the_worker_of_a_run_is_told_to_stop_it(operator: Operator, caller: Caller):
    operator.service.worker.script = waiting = Waiting()
    made = run_id(caller, response_mode="async")
    assert waiting.has_begun.wait(10)

    assert operator.post(f"/runs/{made}/stop").json == {"is_told": True}

    assert operator.service.worker.stopped == [made]
    waiting.may_end.set()


def test_a_failed_run_is_gone_on_from(operator: Operator, caller: Caller):
    operator.service.worker.script = fail
    old = run_id(caller)
    operator.service.worker.script = None

    answer = operator.post(f"/runs/{old}/resume", json={})

    assert (answer.status_code, answer.json["resumed_from"]) == (202, old)
    shown = operator.get(f"/runs/{answer.json['run_id']}")
    assert (shown["resumed_from"], shown["inputs"]["q"], shown["inputs"]["sys.user_id"]) == (old, "hello", "alice")


def test_a_run_goes_on_with_the_version_of_an_alias(operator: Operator, caller: Caller):
    operator.service.worker.script = fail
    old = run_id(caller)
    operator.service.worker.script = None
    newer = operator.publish(caller.app_id, hello(opening_statement="two"))["workflow_id"]
    operator.put(f"/apps/{caller.app_id}/aliases/fixed", json={"version": "current"})

    for version in ("fixed", "latest", newer):
        assert operator.post(f"/runs/{old}/resume", json={"version": version}).json["workflow_id"] == newer
    assert operator.post(f"/runs/{old}/resume", json={"version": "nothing"}).status_code == 404
    assert refusal(operator.post(f"/runs/{old}/resume", json={"versoin": "x"})) == (400, "invalid_param", "versoin")


def test_a_success_is_not_gone_on_from(operator: Operator, caller: Caller):
    assert refusal(operator.post(f"/runs/{run_id(caller)}/resume", json={})) == (409, "run_not_resumable", "")


def test_the_overview_counts_runs_and_names_versions():
    with operated() as operator:
        empty = operator.get("/overview")
        made = operator.import_app()
        caller = Caller(operator.service, made["app_id"], made["api_key"])
        run_id(caller)
        operator.service.worker.script = None
        run_id(caller, response_mode="async")
        seen = operator.get("/overview")

    assert (empty["apps"], empty["unfinished"], empty["queue_depth"], empty["oldest_wait_s"]) == (0, {}, 0, None)
    assert (seen["apps"], seen["keys"]) == (1, 1)
    assert (seen["unfinished"], seen["queue_depth"]) == ({"scheduled": 1}, 1)
    assert seen["oldest_wait_s"] >= 0
    assert seen["versions"]["database"] == "sqlite"
    assert not seen["is_capped"]
