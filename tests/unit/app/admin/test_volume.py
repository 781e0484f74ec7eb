"""Limits, schedules, triggers and batches."""

from __future__ import annotations

import uuid

import pytest

from tests.unit.app.admin.administering import Operator, refusal
from tests.unit.app.serving import Caller


@pytest.fixture
def caller(operator: Operator) -> Caller:
    made = operator.import_app()
    return Caller(operator.service, made["app_id"], made["api_key"])


# Limits


def test_an_app_is_limited_and_let_free(operator: Operator, caller: Caller):
    path = f"/apps/{caller.app_id}/limits"
    nothing = {"max_concurrency": None, "max_rate": None, "max_burst": None}
    assert operator.get(path)["stored"] == nothing

    first = operator.patch(path, json={"max_concurrency": 1}).json
    second = operator.patch(path, json={"max_rate": 60, "max_burst": 2}).json

    assert (first["stored"]["max_concurrency"], first["key_id"], first["open_runs"]) == (1, None, 0)
    assert second["stored"] == {"max_concurrency": 1, "max_rate": 60, "max_burst": 2}
    assert operator.get(path) == second
    operator.service.worker.script = None
    assert caller.run(response_mode="async").status_code == 202
    assert operator.get(path)["open_runs"] == 1
    assert caller.run(response_mode="async").status_code == 429
    assert operator.delete(path).status_code == 204
    assert operator.get(path)["stored"] == nothing
    assert caller.run(response_mode="async").status_code == 202


def test_a_key_is_limited(operator: Operator, caller: Caller):
    key = operator.get(f"/apps/{caller.app_id}/keys")["data"][0]["id"]
    path = f"/apps/{caller.app_id}/keys/{key}/limits"

    assert operator.patch(path, json={"max_rate": 5}).json["stored"]["max_rate"] == 5
    assert (operator.get(path)["key_id"], operator.get(path)["limits"]["max_rate"]) == (key, 5)
    assert operator.patch(path, json={"max_rate": None}).json["stored"]["max_rate"] is None
    assert operator.delete(path).status_code == 204
    operator.delete(f"/apps/{caller.app_id}/keys/{key}")
    assert refusal(operator.open("GET", path)) == (404, "not_found", "")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "max_concurrency"),
        ({"max_rate": -1}, "max_rate"),
        ({"max_rate": 2**31}, "max_rate"),
        ({"max_rate": 1.5}, "max_rate"),
        ({"max_rate": "many"}, "max_rate"),
        ({"max_runs": 1}, "max_runs"),
    ],
)
def test_limits_are_checked(operator: Operator, caller: Caller, body: dict, field: str):
    for path in (f"/apps/{caller.app_id}/limits", f"/apps/{caller.app_id}/keys/{uuid.uuid4()}/limits"):
        assert refusal(operator.patch(path, json=body)) == (400, "invalid_param", field)


@pytest.mark.parametrize("key", [str(uuid.uuid4()), "app-some-key"])
def test_limits_of_an_unknown_key_are_404(operator: Operator, caller: Caller, key: str):
    path = f"/apps/{caller.app_id}/keys/{key}/limits"

    answers = [operator.open("GET", path), operator.patch(path, json={"max_rate": 5}), operator.delete(path)]

    assert [answer.status_code for answer in answers] == [404] * 3


# Schedules


def test_a_schedule_is_made_changed_rested_run_and_removed(operator: Operator, caller: Caller):
    order = {"cron": "30 9 * * 1-5", "timezone": "Europe/Berlin", "inputs": {"q": "hello"}, "name": "Mornings"}

    made = operator.post(f"/apps/{caller.app_id}/schedules", json=order)
    assert (made.status_code, made.json["origin"], made.json["missed"], made.json["inputs"]) == (201, "operator", "once", {"q": "hello"})
    path = f"/schedules/{made.json['id']}"
    shown = operator.get(path)
    assert (shown["next_times"][0], shown["firings"]) == (shown["next_at"], [])
    changed = operator.patch(path, json={"overlap": "allow"}).json
    assert (changed["overlap"], changed["cron"], changed["name"]) == ("allow", "30 9 * * 1-5", "Mornings")
    assert operator.post(f"{path}/pause").json["next_at"] is None
    assert operator.get(path)["next_times"] == []
    assert operator.post(f"{path}/resume").json["next_at"] == made.json["next_at"]
    begun = operator.post(f"{path}/run")
    assert begun.status_code == 202
    assert operator.get(f"/runs/{begun.json['run_id']}")["inputs"]["q"] == "hello"
    assert operator.get(path)["firings"][0]["run_id"] == begun.json["run_id"]
    assert operator.delete(path).status_code == 204
    assert operator.open("GET", path).status_code == 404


def test_schedules_are_paged(operator: Operator, caller: Caller):
    for number in range(3):
        operator.post(
            f"/apps/{caller.app_id}/schedules", json={"cron": "@daily", "inputs": {"q": "x"}, "name": f"{caller.app_id} {number}"}
        )

    first = operator.get("/schedules", app=caller.app_id, limit=2)
    second = operator.get("/schedules", app=caller.app_id, limit=2, after=first["next"])

    assert sorted(one["name"][-1] for one in first["data"] + second["data"]) == ["0", "1", "2"]
    assert not second["has_more"]
    assert operator.open("GET", "/schedules", query_string={"app": "nobody"}).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"cron": "every day"}, "cron"),
        ({"cron": None}, "cron"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"missed": "perhaps"}, "missed"),
        ({"overlap": "perhaps"}, "overlap"),
        ({"inputs": []}, "inputs"),
        ({"inputs": {}}, "inputs"),
        ({"user": ""}, "user"),
        ({"every": "day"}, "every"),
    ],
)
def test_the_order_of_a_schedule_is_checked(operator: Operator, caller: Caller, change: dict, field: str):
    order = {"cron": "@daily", "inputs": {"q": "x"}}

    created = operator.post(f"/apps/{caller.app_id}/schedules", json={**order, **change})
    # No user is that of a schedule's own.
    if field != "user":
        assert refusal(created) == (400, "invalid_param", field)
        assert operator.get("/schedules", app=caller.app_id)["data"] == []
    else:
        assert created.json["user"] == "schedule"
    made = operator.post(f"/apps/{caller.app_id}/schedules", json=order).json["id"]
    assert refusal(operator.patch(f"/schedules/{made}", json=change)) == (400, "invalid_param", field)


@pytest.mark.parametrize("name", ["nothing", str(uuid.uuid4()), "nul%00"])
def test_an_unknown_schedule_is_404(operator: Operator, name: str):
    answers = [operator.open("GET", f"/schedules/{name}"), operator.patch(f"/schedules/{name}", json={"name": "x"})]
    answers += [operator.delete(f"/schedules/{name}"), *(operator.post(f"/schedules/{name}/{do}") for do in ("pause", "resume", "run"))]

    assert [answer.status_code for answer in answers] == [404] * 6


def test_an_app_without_webhook_triggers_has_no_addresses(operator: Operator, caller: Caller):
    assert operator.get(f"/apps/{caller.app_id}/triggers") == {"data": []}
    assert refusal(operator.post(f"/apps/{caller.app_id}/triggers/no/such/rotate")) == (400, "invalid_param", "node")
    assert operator.post("/apps/nobody/triggers/some/rotate").status_code == 404


# Batches


def batch_of(caller: Caller, count: int = 1) -> str:
    items = [{"custom_id": str(number), "inputs": {"q": "x"}} for number in range(count)]
    made = caller.post("/v1/workflows/batches", json={"items": items, "user": "alice"})
    assert made.status_code == 201, made.json
    return str(made.json["id"])


def test_batches_of_all_apps_are_listed_and_steered(operator: Operator, caller: Caller):
    made = batch_of(caller, 2)

    [listed] = operator.get("/batches", app=caller.app_id)["data"]
    assert (listed["id"], listed["app_id"], listed["counts"]["total"]) == (made, caller.app_id, 2)
    shown = operator.get(f"/batches/{made.upper()}")
    assert (shown["id"], shown["pace"]["items_per_second"]) == (made, 0)
    assert operator.post(f"/batches/{made}/pause").json["status"] == "paused"
    assert [one["id"] for one in operator.get("/batches", app=caller.app_id, status="paused")["data"]] == [made]
    assert operator.post(f"/batches/{made}/resume").json["status"] == "in_progress"
    assert operator.post(f"/batches/{made}/retry").json["retried"] == 0
    assert operator.post(f"/batches/{made}/cancel").json["status"] == "cancelling"
    assert refusal(operator.post(f"/batches/{made}/pause")) == (409, "batch_conflict", "")


def test_batches_are_paged(operator: Operator, caller: Caller):
    made = [batch_of(caller) for _ in range(3)]

    first = operator.get("/batches", app=caller.app_id, limit=2)
    second = operator.get("/batches", app=caller.app_id, limit=2, after=first["next"])

    assert sorted(one["id"] for one in first["data"] + second["data"]) == sorted(made)
    assert not second["has_more"]


@pytest.mark.parametrize(
    ("query", "field"), [({"status": "done"}, "status"), ({"after": "?"}, "after"), ({"after": "WzFd"}, "after"), ({"page": "1"}, "page")]
)
def test_queries_of_batches_are_checked(operator: Operator, query: dict, field: str):
    assert refusal(operator.open("GET", "/batches", query_string=query)) == (400, "invalid_param", field)


@pytest.mark.parametrize("name", ["nothing", str(uuid.uuid4()), "nul%00"])
def test_an_unknown_batch_is_404(operator: Operator, name: str):
    answers = [
        operator.open("GET", f"/batches/{name}"),
        *(operator.post(f"/batches/{name}/{do}") for do in ("pause", "resume", "cancel", "retry")),
    ]

    assert [refusal(answer) for answer in answers] == [(404, "not_found", "")] * 5
