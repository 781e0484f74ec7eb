"""Recorded cases for which api-contract.md decides otherwise (sections 2.3, 3.1 and 11): the reason, and what is expected instead.

Everything that this table does not name is expected as recorded. Differences that concern every case are in ``compare.py``: keys that are
not compared, and the frames of tracebacks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.golden.recordings import RunCase, load_run


@dataclass(frozen=True, slots=True)
class RunDecision:
    reason: str
    #: The recorded case -> the expected one.
    expect: Callable[[RunCase], RunCase]


def refused(message: str) -> Callable[[RunCase], RunCase]:
    """HTTP 400 `invalid_param` in both modes, and no run."""

    def expect(case: RunCase) -> RunCase:
        body = {"code": "invalid_param", "message": message, "status": 400}
        return replace(case, blocking={"status": 400, "body": body}, detail=None, events=None, refusal=body)

    return expect


def failed_like(other: str, error: str) -> Callable[[RunCase], RunCase]:
    """The run ends as recorded for ``other``, a case of the same app with other inputs, with this error."""

    def expect(case: RunCase) -> RunCase:
        recorded = load_run(other)
        recorded_error = recorded.blocking["body"]["data"]["error"]

        def adapt(value: Any) -> Any:
            text = json.dumps(value).replace(json.dumps(recorded_error), json.dumps(error))
            return json.loads(text.replace(json.dumps(recorded.request["inputs"])[1:-1], json.dumps(case.request["inputs"])[1:-1]))

        return replace(case, blocking=adapt(recorded.blocking), detail=adapt(recorded.detail), events=adapt(recorded.events))

    return expect


def plain_end_inputs(case: RunCase) -> RunCase:
    """Inputs of the End node are its outputs."""
    assert case.events is not None
    events = json.loads(json.dumps(case.events))
    for data in (event["data"] for event in events if event["data"].get("node_type") == "end" and event["event"] == "node_finished"):
        data["inputs"] = data["outputs"]
    return replace(case, events=events)


def live_rounds(container: str) -> Callable[[RunCase], RunCase]:
    """Neither the events of its children nor its results are compared: how far the other rounds come is a matter of time."""

    def expect(case: RunCase) -> RunCase:
        assert case.events is not None
        events = json.loads(json.dumps(case.events))
        for data in (event["data"] for event in events if event["event"] == "iteration_completed"):
            data["outputs"] = {"output": "$ANYTHING"}
        return replace(case, events=events, uncompared_container=container)

    return expect


GROUP_INPUTS = RunDecision(
    "An End node's inputs are its outputs (nodes.md section 6.2); the recorded ones show the server's internal object of a group's value.",
    plain_end_inputs,
)

RUNS: dict[str, RunDecision] = {
    "aggregator_groups": GROUP_INPUTS,
    "aggregator_groups.b": GROUP_INPUTS,
    "iteration_err_terminated_parallel": RunDecision(
        "Events of parallel rounds are sent as they happen, and rounds under way are finished (nodes.md section 6.15); the recorded server "
        "keeps to itself what comes from rounds that a failure cuts off.",
        live_rounds("it"),
    ),
    "start_constraints.n_list": RunDecision(
        "An array for a number is the caller's mistake, not an internal error (500).",
        refused("n in input form must be a valid number"),
    ),
    "start_constraints.c_list": RunDecision(
        "An array is no truth value; it was accepted.",
        refused("c in input form must be a boolean"),
    ),
    "start_constraints.j_schema": RunDecision(
        "The schema is checked before the run is accepted, as every other rule of the form; the run was accepted and failed.",
        refused("JSON object for 'j' does not match schema: 'notnum' is not of type 'number'"),
    ),
    "http_get_echo.newline": RunDecision(
        "Run input must not be able to add a header to a request; it did.",
        failed_like("http_get_echo.nonascii", 'Header "X-One" contains a line break'),
    ),
}


@dataclass(frozen=True, slots=True)
class HttpDecision:
    """The parts of the response that differ from the recording; None: as recorded."""

    reason: str
    status: int | None = None
    #: The whole body, or its keys if both are objects.
    body: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)


JSON_404 = {"code": "not_found", "message": "$TEXT", "status": 404}
JSON_TYPE = {"Content-Type": "application/json"}
ONE_LINE = "One short line instead of the validation framework's several."


def not_found(reason: str) -> HttpDecision:
    return HttpDecision(reason, 404, JSON_404, JSON_TYPE)


def invalid(reason: str) -> HttpDecision:
    return HttpDecision(reason, 400, {"code": "invalid_param", "message": "$TEXT", "status": 400})


ERRORS: dict[str, HttpDecision] = {
    "body_json_array": invalid("A body that is no object is the caller's mistake; it was 500."),
    "number_typeerror_list": invalid("An array for a number is the caller's mistake; it was 500."),
    "index_v1_noslash": HttpDecision(
        "A redirect loses the body of a POST in some clients, so /v1 is the index itself.",
        200,
        {"welcome": "$TEXT", "api_version": "v1", "server_version": "$TEXT"},
        JSON_TYPE,
    ),
    "run_detail_not_found": not_found("An unknown run is 404; it was 200 with nulls."),
    "run_detail_other_app": not_found("A run of another app does not exist for this key; it was 200 with nulls."),
    "run_detail_task_id": not_found("A task id is no run id; it was 200 with nulls."),
    "run_detail_not_uuid": not_found("A malformed id names no run; it was 500."),
    "run_detail_ok": HttpDecision("`outputs` is an object; it was JSON text.", body={"outputs": {"q": "x"}}),
    "run_detail_uppercase": HttpDecision("`outputs` is an object; it was JSON text.", body={"outputs": {"q": "x"}}),
    "trailing_slash_parameters": not_found("Errors below /v1 are JSON; it was an HTML page."),
    "unknown_route": not_found("Errors below /v1 are JSON; it was an HTML page."),
    "unknown_route_root": not_found("Errors are JSON everywhere; it was an HTML page."),
    **dict.fromkeys(
        (
            "files_list_of_str",
            "files_string",
            "inputs_list",
            "inputs_missing",
            "inputs_null",
            "inputs_number",
            "response_mode_empty",
            "two_errors",
        ),
        invalid(ONE_LINE),
    ),
}

ERRORS["run_by_id_draft"] = HttpDecision(
    "No draft is stored here: an import publishes. So the id names nothing.",
    404,
    {"code": "not_found", "message": "Workflow not found with id: $UUID", "status": 404},
)

UPLOADS: dict[str, HttpDecision] = {
    "preview_not_uuid": not_found("Errors below /v1 are JSON; it was an HTML page."),
    "preview_unreferenced": HttpDecision("A file of this app is served, whether a run refers to it or not; it was always 404.", 200),
    "preview_used_by_run": HttpDecision("A file of this app is served; it was always 404.", 200),
    "too_large_doc_15mb_plus1": HttpDecision("The message had an unfilled placeholder.", body={"message": "File size exceeded."}),
}

LOGS: dict[str, HttpDecision] = {
    "created_bad": invalid("Our own words for a time that cannot be read; it was the text of a Python exception."),
    "account": HttpDecision(
        "There are no accounts here, so every one is unknown; the recorded server had this one, without runs.",
        400,
        {"code": "invalid_param", "message": "Account not found: golden@example.com", "status": 400},
    ),
    **dict.fromkeys(("limit_0", "limit_101", "limit_str", "page_0", "status_invalid", "status_partial"), invalid(ONE_LINE)),
}


def app_info(name: str) -> HttpDecision | None:
    """Decisions for every app alike; ``name`` is `APP.ENDPOINT`."""
    if name.endswith(".info"):
        return HttpDecision("A DSL export does not tell its author.", body={"author_name": None})
    if name == "start_all_inputs.site":
        return HttpDecision(
            "An export has no site of its own, so it is made from the app, its description too.", body={"description": "$TEXT"}
        )
    if name == "sys_variables.parameters":
        return HttpDecision(
            "A feature that is not stored is `enabled: false` (section 6); the recorded server adds empty texts. The limit as below.",
            body={"system_parameters": TEXT_LIMIT, "text_to_speech": {"enabled": False}},
        )
    if name.endswith(".parameters") or name == "parameters_with_user_query":
        return HttpDecision("The limit is text, as the documentation shows it; it was a number.", body={"system_parameters": TEXT_LIMIT})
    return None


TEXT_LIMIT = {
    "image_file_size_limit": "10",
    "video_file_size_limit": 100,
    "audio_file_size_limit": 50,
    "file_size_limit": 15,
    "workflow_file_upload_limit": 10,
}
