import json
import uuid
from collections.abc import Callable

import pytest
from sqlalchemy import select

from tests.services import documents
from worker.config import Config
from worker.engine.events import RunFinished, RunStatus
from worker.store import claims, deliveries
from worker.store.apps import load_version
from worker.store.deliveries import Attempt
from worker.store.end_users import ensure_end_user
from worker.store.models import App, WebhookEndpoint
from worker.store.runs import NewRun, accept_run
from worker.store.sealing import Sealing
from worker.store.session import Database
from worker.store.webhook_secrets import open_secret
from worker.store.webhooks import EVENTS, OF_RUNS, RunWebhook, lane_of

URL = "https://receiver.example/hook"


@pytest.fixture
def app(penstock, tmp_path) -> str:
    path = tmp_path / "caller.yml"
    path.write_text(json.dumps(documents.chain("Caller", [documents.start(), documents.end()]), ensure_ascii=False), "utf-8")
    (imported,) = penstock("apps", "import", path, "--json").lines()
    return imported["app_id"]


@pytest.fixture
def config(tmp_path) -> Config:
    return Config(data_dir=tmp_path / "data")


@pytest.fixture
def database(config):
    made = Database.connect(config)
    yield made
    made.dispose()


@pytest.fixture
def end_run(app, database) -> Callable[..., str]:
    """A run of the app that has ended."""

    def end_run(**changes) -> str:
        with database.begin() as session:
            version = load_version(session, session.get_one(App, app).workflow_id)
            ids = {"run_id": str(uuid.uuid4()), "task_id": str(uuid.uuid4()), "app_id": app}
            user = ensure_end_user(session, app, "ada")
            run = NewRun(**ids, workflow_id=version.id, workflow_version="v", end_user_id=user, inputs={}, time_limit_s=1.0, **changes)
            accept_run(session, run)
            held = claims.claim(session, run.run_id, "worker", 30.0)
            finished = RunFinished(RunStatus.SUCCEEDED, {}, None, 1.0, 0, 0, 0, 1.0, 2.0)
            claims.finish_run(session, run.run_id, held.attempt, finished, {}, [], None)
        return run.run_id

    return end_run


def fail(database, app) -> None:
    """A worker tries once to deliver what is due, in vain."""
    with database.begin() as session:
        for delivery in deliveries.claim_due(session, lane_of(app, URL), 10, 60.0):
            deliveries.note_failure(session, delivery, Attempt(500, "The receiver answered 500.", 34), None)


def test_an_endpoint_is_added_and_its_secret_shown_once(penstock, app, config, database, tmp_path):
    done = penstock("webhooks", "add", "Caller", URL)

    secret = done.out.strip()
    assert (done.code, done.err, secret[:6]) == (0, "", "whsec_")
    with database.read() as session:
        (row,) = session.scalars(select(WebhookEndpoint))
    assert open_secret(Sealing.find(config), app, URL, row.secret) == secret
    assert secret not in penstock("webhooks", "list").out + penstock("webhooks", "list", "--json").out
    assert [path.name for path in (tmp_path / "data").rglob("*") if path.is_file() and secret[6:].encode() in path.read_bytes()] == []


def test_adding_tells_programs_what_they_need(penstock, app):
    (told,) = penstock("webhooks", "add", app, URL, "--event", "workflow.finished", "--json").lines()

    assert (told["app_id"], told["url"], told["events"]) == (app, URL, ["workflow.finished"])
    (listed,) = penstock("webhooks", "list", "Caller", "--json").lines()
    assert (listed["id"], listed["url"], listed["events"], listed["disabled_at"]) == (told["id"], URL, ["workflow.finished"], None)


def test_the_same_address_again_is_the_same_endpoint_with_a_new_secret(penstock, app):
    first, second = (penstock("webhooks", "add", app, URL, "--json").lines()[0] for _ in range(2))

    assert first["id"] == second["id"]
    assert first["secret"] != second["secret"]
    assert second["events"] == list(EVENTS)


@pytest.mark.parametrize("url", ["receiver.example", "ftp://x.example/", "https://u:p@x.example/"])
def test_an_address_that_makes_no_sense_is_refused(penstock, app, url):
    done = penstock("webhooks", "add", app, url)

    assert done.code == 1
    assert done.err.startswith("penstock: The URL must ")
    assert penstock("webhooks", "list").out == ""


def test_an_endpoint_can_be_removed(penstock, app):
    penstock("webhooks", "add", app, URL)

    assert penstock("webhooks", "remove", app, URL).out == f"{URL} is removed.\n"
    assert penstock("webhooks", "list").out == ""
    again = penstock("webhooks", "remove", app, URL)
    assert (again.code, again.err) == (1, f"penstock: The app has no webhook endpoint '{URL}'.\n")


def test_the_secret_for_addresses_of_runs_can_be_shown_again(penstock, app):
    first, second = (penstock("webhooks", "secret", app) for _ in range(2))

    assert first.out == second.out
    assert first.out.startswith("whsec_")
    assert penstock("webhooks", "list").out == ""


def test_deliveries_are_shown_with_what_became_of_them(penstock, app, database, end_run):
    penstock("webhooks", "add", app, URL)
    runs = [end_run(), end_run()]
    fail(database, app)
    runs.append(end_run())

    by_run = {line["run_id"]: line for line in penstock("webhooks", "deliveries", "--json").lines()}
    other, failed, newest = (by_run[run] for run in runs)
    assert (newest["run_id"], newest["status"], newest["attempts"], newest["last_status"]) == (runs[2], "pending", 0, None)
    assert (failed["run_id"], failed["status"], failed["last_status"], failed["due_at"]) == (runs[1], "failed", 500, None)
    assert (other["app_id"], other["event"], other["url"], other["last_error"]) == (
        app,
        "workflow.finished",
        URL,
        "The receiver answered 500.",
    )
    assert penstock("webhooks", "deliveries", "Caller", "--run", runs[0], "--status", "failed", "--json").lines() == [other]
    assert len(penstock("webhooks", "deliveries", "--limit", "1").out.splitlines()) == 1
    (attempt,) = penstock("webhooks", "attempts", failed["id"], "--json").lines()
    assert (attempt["number"], attempt["status"], attempt["elapsed_ms"]) == (1, 500, 34)
    assert "34 ms" in penstock("webhooks", "attempts", failed["id"]).out


def test_deliveries_can_be_asked_for_again(penstock, app, database, end_run):
    penstock("webhooks", "add", app, URL)
    end_run()
    fail(database, app)
    (failed,) = penstock("webhooks", "deliveries", "--json").lines()

    done = penstock("webhooks", "redeliver", failed["id"])

    assert done.code == 0
    assert penstock("webhooks", "deliveries", "--json").lines()[0]["status"] == "pending"
    unknown = penstock("webhooks", "redeliver", failed["id"], "x")
    assert (unknown.code, "no delivery 'x'" in unknown.err) == (1, True)


def test_an_address_that_a_run_named_is_shown_like_any_other(penstock, app, end_run):
    penstock("webhooks", "secret", app)
    end_run(webhook=RunWebhook(URL))

    (shown,) = penstock("webhooks", "deliveries", "--json").lines()
    assert (shown["url"], shown["app_id"]) == (URL, app)
    assert OF_RUNS == ""
