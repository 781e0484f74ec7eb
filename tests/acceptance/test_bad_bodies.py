"""Bodies that are no request: a clear error of the contract's shape, never a 500 and never a run."""

from __future__ import annotations

import http.client
import json

import httpx
import pytest

from tests.acceptance.shapes import mismatches
from tests.services import documents
from tests.services.client import RUN
from tests.services.penstock import ImportedApp

ERROR = {"code": "str+", "message": "str+", "status": "int", "~params": "str"}


def run_body(query: str) -> bytes:
    return b'{"user": "u", "inputs": {"q": %s}}' % query.encode("utf-8", "surrogatepass")


#: Name -> (body, accepted). What is accepted ends as a run that shows the value.
BODIES = {
    "empty": (b"", False),
    "not_json": (b"{", False),
    "text": (b'"x"', False),
    "null": (b"null", False),
    "array": (b"[]", False),
    "not_utf8": (b'{"user": "\xff"}', False),
    "deep_array": (run_body("[" * 100_000 + "]" * 100_000), False),
    "deep_object": (run_body('{"a":' * 100_000 + "1" + "}" * 100_000), False),
    "unpaired_surrogate": (run_body('"\\ud800"'), False),
    "nan": (run_body("NaN"), False),
    "infinity": (run_body("1e999"), False),
    "list_for_text": (run_body("[1]"), False),
    "long_user": (json.dumps({"user": "u" * 256, "inputs": {"q": "x"}}).encode(), False),
    "long_text": (run_body(json.dumps("x" * 101)), False),
    "nul": (run_body('"a\\u0000b"'), True),
    "emoji": (run_body('"\\ud83d\\ude00 \\u2028"'), True),
    "prototype": (b'{"user": "u", "inputs": {"q": "x", "__proto__": {"a": 1}, "constructor": 1}}', True),
}


@pytest.fixture(scope="module")
def app(server) -> ImportedApp:
    return server.import_document(
        documents.chain("bad bodies", [documents.start(documents.variable("q", max_length=100)), documents.end(q=["start", "q"])])
    )


@pytest.mark.parametrize("mode", ["blocking", "streaming"])
@pytest.mark.parametrize("name", BODIES)
def test_body_is_refused_with_a_reason_or_run(server, app, name, mode):
    body, is_accepted = BODIES[name]
    if mode == "streaming" and body.startswith(b'{"user"'):
        body = body.replace(b'{"user"', b'{"response_mode": "streaming", "user"', 1)
    headers = {"Authorization": f"Bearer {app.api_key}", "Content-Type": "application/json"}

    answer = httpx.post(server.url + RUN, content=body, headers=headers, timeout=60)

    if is_accepted:
        assert answer.status_code == 200, answer.text
    else:
        assert answer.status_code in (400, 413), answer.text
        assert not list(mismatches(ERROR, answer.json()))


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(server, app):
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    try:
        connection.putrequest("POST", RUN)
        connection.putheader("Authorization", f"Bearer {app.api_key}")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(1 << 30))
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == 413
        assert json.loads(answer.read())["code"] == "request_entity_too_large"
    finally:
        connection.close()


@pytest.mark.parametrize("workflow_id", ["draft", "x" * 2000, "../run", "%00"], ids=["word", "long", "dots", "nul"])
def test_an_id_that_is_none_is_refused(server, app, workflow_id):
    with server.client(app) as client:
        answer = client.http.post(f"/v1/workflows/{workflow_id}/run", json={"inputs": {"q": "x"}, "user": "u"})

    assert 400 <= answer.status_code < 500
    assert not list(mismatches(ERROR, answer.json()))
