"""Runs that wait for people: through restarts, at any instance, answered once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

import app as product
from tests.acceptance.streams import check_whole, node_events, read_stream, run_of
from tests.services import documents
from tests.services.penstock import Deployment, ImportedApp, imported_app
from tests.services.sse import Message, parse
from tests.services.valkey import Valkey
from tests.services.waiting import wait_for

SETTINGS = {"PENSTOCK_SWEEP": "0.4", "PENSTOCK_RESEND": "2", "PENSTOCK_WORKER_CONCURRENCY": "1"}

NODES = ["start", "before", "ask", "after", "end"]

EXAMPLE = Path(product.__file__).parent / "examples" / "approval.yml"

#: Seconds in the unit of a form's time limit.
HOUR = 3600.0


def asking(name: str, **ask: object) -> documents.Document:
    """Asks for a reason between two templates; refusals and silence lead nowhere."""
    nodes = [
        documents.start(documents.variable("query")),
        documents.template("before", "Dear {{ q }}", q=["start", "query"]),
        documents.human_input("ask", "{{#before.output#}}, why? {{#$output.reason#}}", "reason", **ask),
        documents.template("after", "{{ q }}, because {{ r }}", q=["before", "output"], r=["ask", "reason"]),
        documents.end(text=["after", "output"]),
    ]
    edges = [("start", "before"), ("before", "ask"), ("ask", "after", "yes"), ("after", "end")]
    return documents.workflow(name, nodes, edges)


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with Valkey() as valkey:
        yield valkey


@pytest.fixture
def deployment(postgres_url: str, valkey: Valkey, tmp_path) -> Iterator[Deployment]:
    with Deployment(tmp_path, postgres_url, valkey.url, **SETTINGS) as deployment:
        yield deployment


@pytest.fixture
def app(deployment: Deployment) -> ImportedApp:
    return deployment.import_document(asking("asks"))


def form_of(messages: list[Message]) -> str:
    """Token of the form that a stream ends with."""
    last = messages[-1].json
    assert last["event"] == "workflow_paused"
    return last["data"]["reasons"][0]["form_token"]


@contextmanager
def reading_on(url: str, app: ImportedApp, run_id: str, last_event_id: str) -> Iterator[Iterator[Message]]:
    """The stream of a run behind an event; it stands when the block begins."""
    headers = {"Authorization": f"Bearer {app.api_key}", "Last-Event-ID": last_event_id}
    with (
        httpx.Client(headers=headers, timeout=60) as http,
        http.stream("GET", f"{url}/v1/workflow/{run_id}/events", params={"user": "tester"}) as response,
    ):
        response.raise_for_status()
        yield parse(response.iter_raw(), last_event_id)


def test_a_paused_run_outlives_every_process_and_goes_on_where_it_was(deployment, app, valkey):
    web, worker = deployment.add_web(), deployment.add_worker()
    first = read_stream(web.url, app, "Ada")
    token, run_id = form_of(first), run_of(first)
    for process in (web.process, worker):
        process.close()
    # It keeps nothing on disk: what is left of the run is in SQL alone.
    valkey.restart()

    one, other = deployment.add_web(), deployment.add_web()
    deployment.add_worker()
    with reading_on(one.url, app, run_id, first[-1].last_event_id) as stream:
        with deployment.client(other, app) as client:
            assert client.detail(run_id)["status"] == "paused"
            assert client.answer(token, "yes", {"reason": "it rains"}).json() == {}
        rest = list(stream)

    text = "Dear Ada, because it rains"
    check_whole(first + rest, NODES, {"text": text}, one.url, app)
    assert [message.json["event"] for message in rest][:2] == ["workflow_started", "human_input_form_filled"]
    filled = rest[1].json["data"]
    assert (filled["action_id"], filled["rendered_content"]) == ("yes", "Dear Ada, why? it rains")


def test_a_paused_run_holds_no_place_of_a_worker(deployment, app):
    """The only one of the only worker."""
    plain = deployment.import_document(documents.chain("plain", [documents.start(), documents.end()]))
    web = deployment.add_web()
    deployment.add_worker()

    with deployment.client(web, app) as client, deployment.client(web, plain) as other:
        paused = [client.run({"query": "x"})["data"] for _ in range(3)]
        assert other.run()["data"]["status"] == "succeeded"

    assert [data["status"] for data in paused] == ["paused"] * 3


def test_who_answers_while_redis_is_away_is_heard(deployment, app, valkey):
    """The answer is in SQL; the sweeper sends the task when there is a broker again."""
    web = deployment.add_web()
    deployment.add_worker()
    with deployment.client(web, app) as client:
        paused = client.run({"query": "Ada"})
        valkey.stop()
        answered = client.answer(paused["data"]["reasons"][0]["form_token"], "yes", {"reason": "so"})
        valkey.start()
        assert answered.status_code == 200
        wait_for(lambda: client.detail(paused["workflow_run_id"])["status"] == "succeeded", "the run to go on", timeout_s=60)


def test_a_form_that_nobody_answers_takes_the_exit_for_that(deployment):
    late = asking("late", timeout=0.5 / HOUR)
    edge = documents.edge(9, "ask", "end", "__timeout")
    late["workflow"]["graph"]["edges"].append(edge)
    app = deployment.import_document(late)
    web = deployment.add_web()
    deployment.add_worker()

    first = read_stream(web.url, app, "Ada")
    with reading_on(web.url, app, run_of(first), first[-1].last_event_id) as stream:
        rest = [message.json for message in stream]

    assert [event["event"] for event in rest[:2]] == ["workflow_started", "human_input_form_timeout"]
    assert rest[-1]["data"]["status"] == "succeeded"
    assert node_events(rest)["node_finished", "after"] == 0
    with deployment.client(web, app) as client:
        assert client.answer(form_of(first), "yes", {"reason": "late"}).json()["code"] == "human_input_form_expired"


# ---- at any instance


@pytest.fixture(scope="module")
def shared_app(cluster) -> ImportedApp:
    return cluster.deployment.import_document(asking("shared"))


def test_of_many_answers_at_once_one_counts(cluster, shared_app):
    with cluster.client(shared_app) as client:
        paused = client.run({"query": "Ada"})
    token, run_id = paused["data"]["reasons"][0]["form_token"], paused["workflow_run_id"]

    def answer(number: int) -> tuple[int, str]:
        with cluster.client(shared_app, instance=number % 2, user=f"user-{number}") as client:
            answer = client.answer(token, "yes", {"reason": f"r{number}"})
        return answer.status_code, answer.json().get("code", f"r{number}")

    with ThreadPoolExecutor(8) as pool:
        answers = Counter(pool.map(answer, range(8)))

    ((_, reason),) = [found for found in answers if found[0] == 200]
    assert answers[412, "human_input_form_submitted"] == 7
    with cluster.client(shared_app, instance=1) as client, client.events(run_id, include_state_snapshot="true") as events:
        told = list(events)
    assert [event["data"]["submitted_data"] for event in told if event["event"] == "human_input_form_filled"] == [{"reason": reason}]
    assert told[-1]["data"]["outputs"] == {"text": f"Dear Ada, because {reason}"}


def test_a_form_may_be_answered_the_moment_that_its_stream_ends(cluster, shared_app):
    """Truth before news: who has heard of the pause finds the form, and the run takes the answer."""
    for number in range(10):
        with cluster.client(shared_app) as client, cluster.client(shared_app, instance=1) as other:
            first = client.stream({"query": str(number)})
            token = first[-1]["data"]["reasons"][0]["form_token"]
            assert other.answer(token, "yes", {"reason": "so"}).status_code == 200
            with other.events(first[0]["workflow_run_id"], include_state_snapshot="true") as events:
                told = list(events)
        assert told[: len(first)] == first
        assert told[-1]["data"]["outputs"] == {"text": f"Dear {number}, because so"}


def test_a_paused_run_is_stopped_at_once(cluster, shared_app):
    with cluster.client(shared_app) as client, cluster.client(shared_app, instance=1) as other:
        paused = client.run({"query": "Ada"})
        with other.events(paused["workflow_run_id"], continue_on_pause="true") as events:
            client.stop(paused["task_id"])
            told = list(events)
        record = client.detail(paused["workflow_run_id"])
        late = other.answer(paused["data"]["reasons"][0]["form_token"], "yes", {"reason": "so"})

    assert [(event["event"], event["data"]["status"]) for event in told] == [("workflow_finished", "stopped")]
    assert (record["status"], record["error"], late.status_code) == ("stopped", "Stopped by user.", 412)


# ---- on a page


def test_the_example_is_decided_on_its_page(cluster):
    """Whoever has the address needs no key."""
    (line,) = cluster.deployment.import_files([EXAMPLE]).values()
    with cluster.client(imported_app(line)) as client, httpx.Client(base_url=cluster.webs[1].url) as browser:
        run = client.run({"request": "A <new> kettle"})
        path = f"/form/{run['data']['reasons'][0]['form_token']}"
        shown = browser.get(path)
        done = browser.post(path, data={"action": "refuse", "in.urgency": "low", "in.reason": "It boils."})
        wait_for(lambda: client.detail(run["workflow_run_id"])["status"] == "succeeded", "the run to go on")
        outputs = client.detail(run["workflow_run_id"])["outputs"]

    assert "A &lt;new&gt; kettle" in shown.text
    assert (done.status_code, "Your answer was sent: Refuse." in done.text) == (200, True)
    assert outputs == {"decision": "refuse", "reason": "It boils."}
    assert "Somebody has answered this form." in httpx.get(cluster.webs[0].url + path).text


# ---- from the shell


def test_a_form_is_answered_on_the_command_line(cluster, shared_app):
    call = cluster.deployment.call
    with cluster.client(shared_app) as client:
        run_id = client.run({"query": "Ada"})["workflow_run_id"]
        shown = json.loads(call("runs", "show", run_id, "--json").stdout)
        refused = call("runs", "answer", run_id, "--action", "perhaps", "-i", "reason=so")
        answered = call("runs", "answer", run_id, "--action", "yes", "-i", "reason=so", "--user", "ops")
        wait_for(lambda: client.detail(run_id)["status"] == "succeeded", "the run to go on")
        again = call("runs", "answer", run_id, "--action", "yes", "-i", "reason=so")

    assert (shown["status"], [form["node_id"] for form in shown["forms"]]) == ("paused", ["ask"])
    assert refused.stderr == "penstock: Invalid action: perhaps\n"
    assert (answered.returncode, answered.stdout) == (0, "The run goes on.\n")
    assert (again.returncode, again.stderr) == (1, "penstock: The run waits for no form.\n")
