import json

import pytest
from sqlalchemy import func, select

from tests.services import documents
from worker.config import Config
from worker.store.models import RUNS
from worker.store.schedule_models import SCHEDULES
from worker.store.session import Database

ASKING = documents.chain("Asking", [documents.start(documents.variable("q", required=True)), documents.end(q=["start", "q"])])


@pytest.fixture
def write(tmp_path):
    """Puts a document into a file."""

    def write(document, name="document.yml"):
        path = tmp_path / name
        path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
        return path

    return write


@pytest.fixture
def app(penstock, write) -> str:
    (imported,) = penstock("apps", "import", write(ASKING), "--json").lines()
    return imported["app_id"]


@pytest.fixture
def add(penstock, app):
    def add(*options):
        return penstock("schedules", "add", app, "--cron", "30 9 * * 1-5", "--inputs", '{"q": "x"}', "--json", *options)

    return add


def count(tmp_path, table) -> int:
    database = Database.connect(Config(data_dir=tmp_path / "data"))
    with database.read() as session:
        found = session.execute(select(func.count()).select_from(table)).scalar_one()
    database.dispose()
    return found


def timed(**data):
    trigger = documents.node("timer", "trigger-schedule", **data)
    return documents.chain("Timed", [trigger, documents.end()])


def test_a_schedule_is_added_with_what_most_people_want(penstock, app, add):
    (made,) = add().lines()

    assert (made["app_id"], made["cron"], made["timezone"], made["inputs"]) == (app, "30 9 * * 1-5", "UTC", {"q": "x"})
    assert (made["name"], made["missed"], made["overlap"], made["user"]) == ("30 9 * * 1-5", "once", "skip", "schedule")
    assert (made["origin"], made["paused_at"]) == ("operator", None)
    assert made["next_at"] % 86400 == 9.5 * 3600


def test_a_schedule_is_added_as_the_options_say(add):
    options = ("--tz", "Asia/Tokyo", "--name", "daily", "--missed", "all", "--overlap", "wait", "--user", "ada")
    (made,) = add(*options).lines()

    assert (made["name"], made["missed"], made["overlap"], made["user"]) == ("daily", "all", "wait", "ada")
    assert made["next_at"] % 86400 == 0.5 * 3600


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--cron", "61 * * * *"), "cannot be read: bad minute"),
        (("--tz", "Mars/Olympus"), "There is no time zone 'Mars/Olympus'"),
        (("--inputs", "{}"), "The inputs do not fit the current version of the app: q is required"),
        (("--inputs", "[]"), "--inputs must be a JSON object"),
        (("--inputs", "{"), "--inputs is not JSON"),
        (("--user", "x" * 256), "255 characters"),
        (("--name", " "), "The name of a schedule"),
        (("--missed", "never"), "'never' is not one of"),
    ],
)
def test_a_schedule_that_could_not_run_is_refused(tmp_path, add, options, words):
    refused = add(*options)

    assert refused.code != 0
    assert words in refused.err
    assert count(tmp_path, SCHEDULES) == 0


def test_schedules_are_listed_shown_and_changed(penstock, app, add):
    (made,) = add("--name", "daily").lines()

    assert penstock("schedules", "list", app, "--json").lines() == penstock("schedules", "list", "--json").lines() == [made]
    (shown,) = penstock("schedules", "show", "daily", "--json").lines()
    assert (len(shown["next_times"]), shown["next_times"][0], shown["firings"]) == (5, made["next_at"], [])
    assert made["id"] in penstock("schedules", "show", "daily").out

    (changed,) = penstock("schedules", "change", "daily", "--cron", "@hourly", "--overlap", "allow", "--json").lines()
    assert (changed["cron"], changed["overlap"], changed["missed"], changed["next_at"] % 3600) == ("@hourly", "allow", "once", 0)
    assert penstock("schedules", "change", "daily", "--inputs", "{}").code != 0


def test_a_schedule_rests_and_goes_on(penstock, add):
    add("--name", "daily")

    assert penstock("schedules", "pause", "daily").out == "daily is paused.\n"
    (paused,) = penstock("schedules", "list", "--json").lines()
    assert paused["next_at"] is None
    assert paused["paused_at"] > 0
    penstock("schedules", "change", "daily", "--cron", "0 12 * * *")
    assert penstock("schedules", "list", "--json").lines()[0]["next_at"] is None

    assert "next at" in penstock("schedules", "resume", "daily").out
    (resumed,) = penstock("schedules", "list", "--json").lines()
    assert (resumed["paused_at"], resumed["next_at"] % 86400) == (None, 12 * 3600)


def test_a_schedule_runs_now_and_is_removed(penstock, tmp_path, add):
    add("--name", "daily")

    (begun,) = penstock("schedules", "run-now", "daily", "--json").lines()
    (shown,) = penstock("schedules", "show", "daily", "--json").lines()
    assert [(firing["status"], firing["run_id"]) for firing in shown["firings"]] == [("started", begun["workflow_run_id"])]
    assert begun["workflow_run_id"] in penstock("schedules", "show", "daily").out

    assert penstock("schedules", "remove", "daily").code == 0
    assert (count(tmp_path, SCHEDULES), count(tmp_path, RUNS)) == (0, 1)
    assert penstock("schedules", "show", "daily").err == "penstock: There is no schedule 'daily'.\n"


def test_triggers_of_a_document_are_schedules_that_can_be_paused_only(penstock, write):
    cron = {"mode": "cron", "cron_expression": "0 6 * * *", "timezone": "Asia/Tokyo"}
    (imported,) = penstock("apps", "import", write(timed(**cron)), "--json").lines()
    app = imported["app_id"]

    (made,) = penstock("schedules", "list", app, "--json").lines()
    assert (made["origin"], made["node_id"], made["name"], made["timezone"]) == ("document", "timer", "TIMER", "Asia/Tokyo")
    assert "pause it" in penstock("schedules", "remove", "TIMER").err
    assert "no inputs" in penstock("schedules", "change", "TIMER", "--inputs", "{}").err
    penstock("schedules", "pause", "TIMER")

    penstock("apps", "publish", app, write(timed(**{**cron, "cron_expression": "0 7 * * *"})))
    (after,) = penstock("schedules", "list", app, "--json").lines()
    assert (after["id"], after["cron"], after["next_at"]) == (made["id"], "0 7 * * *", None)

    penstock("apps", "publish", app, write(ASKING))
    assert penstock("schedules", "list", app, "--json").lines() == []
    penstock("apps", "rollback", app)
    assert [one["cron"] for one in penstock("schedules", "list", app, "--json").lines()] == ["0 7 * * *"]


def test_a_document_with_a_schedule_that_makes_no_sense_is_refused(penstock, write):
    refused = penstock("apps", "import", write(timed(mode="cron", cron_expression="0 0 * * *", timezone="Moon")))
    assert refused.code == 1
    assert "There is no time zone 'Moon'" in refused.err

    warned = penstock("apps", "import", write(timed()))
    assert warned.code == 0
    assert "every day at 12:00 AM UTC" in warned.err


def test_webhook_triggers_have_an_address(penstock, write):
    hook = documents.node("hook", "trigger-webhook", method="post")
    (imported,) = penstock("apps", "import", write(documents.chain("Hooked", [hook, documents.end()])), "--json").lines()

    (listed,) = penstock("triggers", "list", imported["app_id"], "--json").lines()
    assert (listed["node_id"], listed["method"], listed["content_type"]) == ("hook", "POST", "application/json")
    assert listed["url"].startswith("/triggers/webhook/")
    assert listed["url"] in penstock("triggers", "list", "Hooked").out
    rotated = penstock("triggers", "rotate", "Hooked", "hook").out.strip()
    assert rotated != listed["url"]
    assert rotated in penstock("triggers", "list", "Hooked").out
    assert penstock("triggers", "rotate", "Hooked", "nobody").code == 1
