"""What every answer has to be, whatever was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus

from schemathesis import Case, Response
from schemathesis.checks import (
    CheckFunction,
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from schemathesis.errors import FailureGroup

from app.errors import CODES
from tests.fuzzing.enriching import Enriched

#: Those of schemathesis that are sound here. Not `negative_data_rejection` and `positive_data_acceptance`: the wire contract ignores
#: fields that it does not know and takes numbers as texts, and the document does not say which documents and inputs an app can use.
CHECKS: list[CheckFunction] = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
    allow_header_conformance,
]

#: Characters of an explanation that are kept.
WORDS = 400

#: Answers of people's pages are pages, errors too.
PAGES = "/form/"


def faults(sent: Enriched, answer: Response) -> Iterator[tuple[str, str]]:
    """``(kind, words)`` of everything that is wrong with an answer; the kind is the same for the same fault."""
    if answer.status_code >= 500:
        yield f"status {answer.status_code}", answer.content.decode("utf-8", "replace")[:WORDS]
        return
    if answer.status_code >= 400 and not sent.path.startswith(PAGES) and answer.request.method != "HEAD":
        yield from faults_of_error(answer)
    if sent.is_stranger and asks_for_key(sent.case) and answer.status_code not in (401, 405):
        yield "answers strangers", f"{answer.status_code} without the right key"
    yield from faults_by_document(sent.case, answer)


def asks_for_key(case: Case) -> bool:
    return case.method == case.operation.method.upper() and case.operation.definition.raw.get("security") != []


def faults_of_error(answer: Response) -> Iterator[tuple[str, str]]:
    """The body that app/errors.py promises: an object with a known code, a sentence and the status."""
    try:
        body = json.loads(answer.content)
    except ValueError:
        yield "error that is no JSON", repr(answer.content[:WORDS])
        return
    if not isinstance(body, dict) or not {"code", "message", "status"} <= set(body):
        yield "error without its fields", repr(answer.content[:WORDS])
    elif body["status"] != answer.status_code or not body["message"]:
        yield "error that contradicts its status", repr(answer.content[:WORDS])
    elif body["code"] not in CODES and body["code"] != HTTPStatus(answer.status_code).phrase.lower().replace(" ", "_"):
        yield "error with an unknown code", repr(answer.content[:WORDS])


def faults_by_document(case: Case, answer: Response) -> Iterator[tuple[str, str]]:
    is_stream = answer.headers.get("content-type", [""])[0].startswith("text/event-stream")
    if is_stream:
        yield from faults_of_stream(answer.content.decode("utf-8", "replace"))
    try:
        # The document calls a stream a text; schemathesis would have it describe each event.
        case.validate_response(answer, checks=[check for check in CHECKS if check is not response_schema_conformance or not is_stream])
    except FailureGroup as group:
        for failure in group.exceptions:
            yield str(failure.title), f"{answer.status_code}: {failure.message}"[:WORDS]


def faults_of_stream(text: str) -> Iterator[tuple[str, str]]:
    """Frames of lines with names, the data an object. The last frame may have been on its way."""
    for frame in text.split("\n\n")[:-1]:
        lines = dict(line.partition(":")[::2] for line in frame.splitlines())
        if not set(lines) <= {"data", "event", "id", ""}:
            yield "stream of unknown lines", repr(frame[:WORDS])
        elif "data" in lines and not lines["data"].lstrip().startswith("{"):
            yield "event that is no object", repr(frame[:WORDS])
