import pytest

from tests.unit.app.serving import Caller, Service, fail


def listed(caller: Caller, query: str = "") -> list[dict]:
    answer = caller.get(f"/v1/workflows/logs?{query}")
    assert answer.status_code == 200, answer.json
    return answer.json["data"]


def test_an_entry_has_the_run_and_who_started_it(caller: Caller):
    done = caller.run().json

    (entry,) = listed(caller)

    run = entry.pop("workflow_run")
    user = entry.pop("created_by_end_user")
    assert run.pop("version")[:2] == "20"
    assert run == {
        "id": done["workflow_run_id"],
        "status": "succeeded",
        "triggered_from": "app-run",
        "error": None,
        "elapsed_time": 1.5,
        "total_tokens": 0,
        "total_steps": 2,
        "created_at": run["created_at"],
        "finished_at": 102,
        "exceptions_count": 0,
    }
    assert (user["type"], user["is_anonymous"], user["session_id"]) == ("service-api", False, "alice")
    assert entry["id"] != done["workflow_run_id"]
    assert entry["created_at"] == run["created_at"]
    constants = {name: entry[name] for name in ("details", "created_from", "created_by_role", "created_by_account")}
    assert constants == {"details": None, "created_from": "service-api", "created_by_role": "end_user", "created_by_account": None}


def test_pages_do_not_overlap(caller: Caller):
    ids = [caller.run().json["workflow_run_id"] for _ in range(5)]

    pages = [caller.get(f"/v1/workflows/logs?page={page}&limit=2").json for page in (1, 2, 3, 4)]

    assert [entry["workflow_run"]["id"] for page in pages for entry in page["data"]].sort() == ids.sort()
    assert [(page["page"], page["limit"], page["total"], page["has_more"]) for page in pages] == [
        (1, 2, 5, True),
        (2, 2, 5, True),
        (3, 2, 5, False),
        (4, 2, 5, False),
    ]


def test_filters(service: Service, caller: Caller):
    run_id = caller.run({"q": "needle 100%"}).json["workflow_run_id"]
    service.worker.script = fail
    caller.run(user="bob")

    assert len(listed(caller)) == 2
    assert [entry["workflow_run"]["status"] for entry in listed(caller, "status=failed")] == ["failed"]
    assert len(listed(caller, "keyword=NEEDLE")) == len(listed(caller, "keyword=100%25")) == 1
    assert listed(caller, f"keyword={run_id}")[0]["workflow_run"]["id"] == run_id
    assert listed(caller, "created_by_end_user_session_id=bob")[0]["created_by_end_user"]["session_id"] == "bob"
    assert len(listed(caller, "created_at__after=2000-01-01T00:00:00Z")) == 2
    assert listed(caller, "created_at__before=2000-01-01T00:00:00+00:00") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=0", "page"),
        ("page=100000", "page"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=abc", "limit"),
        ("status=bogus", "status"),
        ("status=partial-succeeded", "status"),
        ("created_at__after=yesterday", "created_at__after"),
        ("created_by_account=a@b.c", "created_by_account"),
    ],
)
def test_a_query_that_cannot_be_is_an_invalid_param(caller: Caller, query: str, field: str):
    answer = caller.get(f"/v1/workflows/logs?{query}")

    assert (answer.status_code, answer.json["code"], answer.json["params"]) == (400, "invalid_param", field)
    assert "\n" not in answer.json["message"]


def test_an_unknown_account_is_named(caller: Caller):
    assert caller.get("/v1/workflows/logs?created_by_account=a@b.c").json["message"] == "Account not found: a@b.c"


def test_runs_of_other_apps_are_not_listed(service: Service, caller: Caller):
    service.hello().run()

    assert listed(caller) == []
