"""Limits of apps, keys and the deployment, as clients meet them: the same in every way to run a workflow."""

import pytest
from werkzeug.test import TestResponse

from app.admission import too_fast
from tests.unit.app.serving import Caller, Service, Waiting, echo, served
from tests.unit.app.test_runs import runs
from worker.bus.rates import Bucket, Grant
from worker.config import Config
from worker.store.keys import create_key
from worker.store.limit_settings import change_limits

MODES = ("blocking", "streaming", "async")


def limit(caller: Caller, key_id: str | None = None, **changes: int | None) -> None:
    with caller.service.database.begin() as session:
        change_limits(session, caller.app_id, key_id, **changes)


def second_key(caller: Caller) -> tuple[str, Caller]:
    with caller.service.database.begin() as session:
        key, token = create_key(session, caller.app_id)
    return key.id, Caller(caller.service, caller.app_id, token)


def refusal(answer: TestResponse) -> tuple[int, str, bool]:
    """Status, code, and whether the answer says in whole seconds when to come back."""
    return answer.status_code, answer.json["code"], answer.headers.get("Retry-After", "").isdecimal()


@pytest.fixture
def waiting(service: Service) -> Waiting:
    """Runs go on until the test lets them end."""
    service.worker.script = script = Waiting()
    return script


def let_end(service: Service, waiting: Waiting) -> None:
    waiting.may_end.set()
    service.worker.join()


# ---- open runs


@pytest.mark.parametrize("mode", MODES)
def test_an_app_has_as_many_open_runs_as_it_may(service: Service, caller: Caller, waiting: Waiting, mode: str) -> None:
    limit(caller, max_concurrency=2)
    first = [caller.run(response_mode="async").status_code for _ in range(2)]

    refused = caller.run(response_mode=mode)
    elsewhere = service.hello().run(response_mode="async")
    let_end(service, waiting)
    again = caller.run(response_mode=mode)
    again.close()

    assert first == [202, 202]
    assert refusal(refused) == (429, "too_many_requests", True)
    assert "The app has as many open runs as it may have: 2 (max_concurrency)." in refused.json["message"]
    assert elsewhere.status_code == 202
    assert again.status_code in (200, 202)
    assert runs(caller) == 3


def test_a_client_that_leaves_takes_its_place_along_as_long_as_the_run_is_open(service: Service, caller: Caller, waiting: Waiting) -> None:
    limit(caller, max_concurrency=1)
    caller.stream().close()

    refused = caller.run()
    let_end(service, waiting)

    assert refused.status_code == 429
    assert caller.run().status_code == 200


def test_a_key_has_as_many_open_runs_as_it_may(service: Service, caller: Caller, waiting: Waiting) -> None:
    key_id, mine = second_key(caller)
    limit(caller, key_id, max_concurrency=1)
    limit(caller, max_concurrency=3)

    answers = [mine.run(response_mode="async") for _ in range(2)]
    answers += [caller.run(response_mode="async") for _ in range(3)]
    let_end(service, waiting)

    assert [answer.status_code for answer in answers] == [202, 429, 202, 202, 429]
    assert "The key has as many open runs as it may have: 1" in answers[1].json["message"]
    assert "The app has as many open runs as it may have: 3" in answers[4].json["message"]


def test_a_limit_is_looked_at_before_the_workflow() -> None:
    with served(config=Config(app_max_concurrency=1)) as service:
        caller = service.hello()
        service.worker.script = None
        caller.run(response_mode="async")

        assert caller.run({}).status_code == 429


@pytest.mark.parametrize("config", [Config(app_max_concurrency=1), Config(key_max_concurrency=1)], ids=["app", "key"])
def test_the_settings_count_where_nothing_is_set(config: Config) -> None:
    with served(config=config) as service:
        service.worker.script = None
        caller, free, wide = service.hello(), service.hello(), service.hello()
        for other, most in ((free, 0), (wide, 2)):
            key_id, mine = second_key(other)
            limit(other, max_concurrency=most)
            limit(other, key_id, max_concurrency=most)
            other.token = mine.token

        answers = [[one.run(response_mode="async").status_code for _ in range(3)] for one in (caller, free, wide)]

    assert answers == [[202, 429, 429], [202, 202, 202], [202, 202, 429]]


def test_a_run_that_goes_on_from_another_is_a_new_one(service: Service, caller: Caller, waiting: Waiting) -> None:
    limit(caller, max_concurrency=1)
    stopped = caller.run(response_mode="async").json
    caller.post(f"/v1/workflows/tasks/{stopped['task_id']}/stop", json={"user": "alice"})
    resume = {"json": {"user": "alice", "response_mode": "async"}}
    caller.run(response_mode="async")
    refused = caller.post(f"/v1/workflows/run/{stopped['workflow_run_id']}/resume", **resume)
    let_end(service, waiting)

    assert refused.status_code == 429


def test_what_has_no_limit_is_not_asked_for(service: Service, caller: Caller) -> None:
    class Untouchable:
        def __getattr__(self, name: str) -> None:
            raise AssertionError("nobody has a limit")

    service.parts.admission._rates, rates = Untouchable(), service.parts.admission._rates
    service.parts.admission._database, database = Untouchable(), service.parts.admission._database
    try:
        assert caller.run().status_code == 200
    finally:
        service.parts.admission._rates, service.parts.admission._database = rates, database


# ---- rates


@pytest.mark.parametrize("mode", MODES)
def test_runs_begin_no_faster_than_they_may(service: Service, caller: Caller, mode: str) -> None:
    limit(caller, max_rate=2, max_burst=1)
    first = caller.run(response_mode="async")

    refused = caller.run(response_mode=mode)

    assert first.status_code == 202
    assert refusal(refused) == (429, "rate_limit_error", True)
    assert 29 <= int(refused.headers["Retry-After"]) <= 30
    assert "The app begins as many runs as it may: 2 a minute (max_rate), 1 at once (max_burst)." in refused.json["message"]
    assert runs(caller) == 1


def test_without_a_burst_a_minute_s_worth_may_begin_at_once(caller: Caller) -> None:
    limit(caller, max_rate=3)

    assert [caller.run().status_code for _ in range(4)] == [200, 200, 200, 429]


def test_a_key_has_a_rate_of_its_own(caller: Caller) -> None:
    key_id, mine = second_key(caller)
    limit(caller, key_id, max_rate=1)

    assert [mine.run().status_code, mine.run().status_code, caller.run().status_code] == [200, 429, 200]
    assert "The key begins as many runs as it may: 1 a minute" in mine.run().json["message"]


def test_what_made_no_run_does_not_count(caller: Caller) -> None:
    limit(caller, max_rate=1)

    assert [caller.run({}).status_code for _ in range(3)] == [400] * 3
    assert [caller.run().status_code, caller.run().status_code] == [200, 429]


def test_a_run_that_finds_no_place_does_not_count_for_the_rate(service: Service, caller: Caller, waiting: Waiting) -> None:
    limit(caller, max_rate=2, max_concurrency=1)
    caller.run(response_mode="async")

    codes = {caller.run().json["code"] for _ in range(3)}
    let_end(service, waiting)

    assert codes == {"too_many_requests"}
    assert caller.run().status_code == 200


# ---- the queue


@pytest.mark.parametrize("mode", MODES)
def test_a_queue_that_is_full_is_503_for_all_apps(mode: str) -> None:
    with served(config=Config(max_queued=2)) as service:
        service.worker.script = None
        accepted = [service.hello().run(response_mode="async").status_code for _ in range(2)]
        caller = service.hello()
        refused = caller.run(response_mode=mode)
        stored = runs(caller)

    assert accepted == [202, 202]
    assert refusal(refused) == (503, "service_unavailable", True)
    assert "As many runs wait for a worker as this deployment lets wait: 2 (PENSTOCK_MAX_QUEUED)." in refused.json["message"]
    assert stored == 0


def test_a_queue_that_workers_have_emptied_takes_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.queue_depth.REFUSING_S", 0.0)
    with served(config=Config(max_queued=1)) as service:
        service.worker.script = None
        caller = service.hello()
        accepted, refused = caller.run(response_mode="async"), caller.run(response_mode="async")
        service.worker.execute(accepted.json["workflow_run_id"], echo)

        assert refused.status_code == 503
        assert caller.run(response_mode="async").status_code == 202


@pytest.mark.parametrize(("wait_s", "told_s"), [(0.0004, 1), (1.0, 1), (1.2, 2), (59.01, 60)])
def test_who_comes_back_when_told_to_never_comes_too_early(wait_s: float, told_s: int) -> None:
    assert too_fast(Grant(0, wait_s, Bucket("app:a", 60, 1))).retry_after_s == told_s
