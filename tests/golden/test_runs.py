"""Each recorded request, sent blocking and streaming, and the record of its run."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.golden.compare import differences, missing_keys, result_differences, stream_differences
from tests.golden.decisions import RUNS
from tests.golden.recordings import RunCase, fill, load_run, run_names, with_stub, with_uploads
from tests.services import documents
from tests.services.client import RUN, Client
from tests.services.penstock import Server

STREAM = "text/event-stream; charset=utf-8"

STEP_LIMIT = 500


@pytest.fixture
def case(request, golden_apps, stub_url, upload) -> RunCase:
    """What is expected, with the stub's address and the ids of its uploads filled in."""
    case = load_run(request.param)
    if decision := RUNS.get(case.name):
        case = decision.expect(case)
    uploads = {name: upload(golden_apps[case.app].api_key, name) for name in case.files}

    def now(value: Any) -> Any:
        return fill(value, lambda text: with_uploads(with_stub(text, stub_url), uploads))

    return replace(
        case,
        request=now(case.request),
        blocking=now(case.blocking),
        detail=now(case.detail),
        events=now(case.events),
        refusal=now(case.refusal),
    )


@pytest.fixture
def client(case, golden_apps, server) -> Iterator[Client]:
    with server.client(golden_apps[case.app]) as client:
        yield client


@pytest.mark.parametrize("case", run_names(), indirect=True)
def test_blocking_run_and_its_record_are_as_recorded(case, client):
    answer = client.http.post(RUN, json=case.request)

    assert answer.status_code == case.blocking["status"], answer.text
    want, got = case.blocking["body"], answer.json()
    if answer.status_code != 200:
        assert not list(refusal_differences(want, got))
        return
    assert not [*missing_keys(want, got, "blocking"), *result_differences(want["data"], got["data"], "blocking")]
    if case.detail is not None:
        assert not list(detail_differences(case.detail["body"], client.detail(got["workflow_run_id"])))


@pytest.mark.parametrize("case", [name for name in run_names() if load_run(name).is_streamed], indirect=True)
def test_streaming_run_is_as_recorded(case, client):
    with client.http.stream("POST", RUN, json=case.request | {"response_mode": "streaming"}) as answer:
        body = answer.read().decode()

    if case.refusal is not None:
        assert answer.status_code == case.refusal["status"], body
        assert not list(refusal_differences(case.refusal, json.loads(body)))
        return
    assert (answer.status_code, answer.headers["content-type"]) == (200, STREAM), body
    hidden = case.uncompared_container
    events = [event for event in events_of(body) if not hidden or event["data"].get("iteration_id") != hidden]
    assert not list(stream_differences(case.events or [], events))


def test_every_decision_against_a_recording_names_a_case():
    assert set(RUNS) <= set(run_names())


def test_no_node_starts_behind_the_step_limit(server: Server):
    """Recorded: all 507 nodes ran before the limit was noticed, and the record said `stopped`. api-contract.md section 11."""
    steps = [documents.template(f"t{number}", "x") for number in range(STEP_LIMIT + 5)]
    document = documents.chain("too_many_steps", [documents.start(), *steps, documents.end(last=["t1", "output"])])

    with server.client(server.import_document(document)) as client:
        events = client.stream()
        record = client.detail(events[0]["workflow_run_id"])

    want = {
        "status": "failed",
        "error": "Aborted: Maximum execution steps exceeded: 501 > 500",
        "total_steps": STEP_LIMIT + 1,
        "outputs": {},
    }
    assert not [*result_differences(want, events[-1]["data"], "stream"), *result_differences(want, record, "record")]
    started = [event["data"]["node_id"] for event in events if event["event"] == "node_started"]
    assert len(started) <= STEP_LIMIT + 1
    assert "end" not in started


def refusal_differences(want: dict[str, Any], got: dict[str, Any]) -> Iterator[str]:
    if "validation error" in want["message"]:
        # The recorded server shows its framework's text of several lines; ours is one line of any wording.
        want = {**want, "message": "$TEXT"}
    yield from differences(want, got, "error")
    if not got["message"] or "\n" in got["message"]:
        yield f"error.message: {got['message']!r} is not one line"


def detail_differences(want: dict[str, Any], got: dict[str, Any]) -> Iterator[str]:
    # The recorded record has no `exceptions_count` of its own; the recorder added it.
    yield from result_differences({name: value for name, value in want.items() if name != "exceptions_count"}, got, "detail")
    # `inputs` is JSON text on the wire and parsed in the recording.
    yield from differences(want["inputs"], json.loads(got["inputs"]), "detail.inputs")


def events_of(body: str) -> Iterator[dict[str, Any]]:
    for frame in body.split("\n\n"):
        if frame.startswith("data: "):
            yield json.loads(frame.removeprefix("data: "))
        elif frame not in ("", "event: ping"):
            raise AssertionError(f"A frame that no client expects: {frame[:200]!r}")
