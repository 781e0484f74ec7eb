import pytest

from app.body import MAX_DEPTH
from app.config import ApiConfig
from tests.unit.app.serving import Caller, served

GENERAL = "The browser (or proxy) sent a request that this server could not understand."


def refusal(caller: Caller, body: bytes | str, content_type: str | None = "application/json", **headers: str) -> tuple[int, str, str]:
    answer = caller.post("/v1/workflows/run", data=body, content_type=content_type, headers=headers)
    assert answer.status_code == answer.json["status"]
    return answer.status_code, answer.json["code"], answer.json["message"]


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_another_content_type_than_json_is_415(caller: Caller, content_type: str | None):
    assert refusal(caller, b"{}", content_type)[:2] == (415, "unsupported_media_type")


@pytest.mark.parametrize("content_type", ["application/json; charset=latin-1", "application/vnd.x+json"])
def test_any_json_type_is_read_as_utf8(caller: Caller, content_type: str):
    body = '{"inputs": {"q": "你好"}, "user": "u"}'.encode()

    answer = caller.post("/v1/workflows/run", data=body, content_type=content_type)

    assert answer.json["data"]["outputs"] == {"q": "你好"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{]",
        b"nonsense",
        b'{"user": NaN}',
        b'{"user": Infinity}',
        b'{"user": 1e400}',
        b'{"user": "\\ud800"}',
        b'{"user": "\xff"}',
    ],
)
def test_what_is_no_json_is_a_bad_request(caller: Caller, body: bytes):
    assert refusal(caller, body) == (400, "bad_request", GENERAL)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"5", b"true"])
def test_json_that_is_no_object_is_an_invalid_param(caller: Caller, body: bytes):
    assert refusal(caller, body)[:2] == (400, "invalid_param")


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 200, 1000, 100_000])
def test_a_body_that_is_nested_too_deep_is_a_bad_request(caller: Caller, depth: int):
    body = b'{"user": ' + b"[" * depth + b"]" * depth + b"}"

    assert refusal(caller, body)[:2] == (400, "bad_request")


def test_a_body_may_be_nested_as_deep_as_anybody_needs(caller: Caller):
    deep = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)

    answer = caller.post(
        "/v1/workflows/run", data=f'{{"inputs": {{"q": "x"}}, "user": "u", "other": {deep}}}', content_type="application/json"
    )

    assert answer.status_code == 200


def test_a_body_over_the_limit_is_413_as_json():
    with served(ApiConfig(max_body_mb=1)) as service:
        code = refusal(service.hello(), b'{"user": "' + b"x" * 1024 * 1024 + b'"}')

    assert code[:2] == (413, "request_entity_too_large")


def test_a_compressed_body_is_refused(caller: Caller):
    assert refusal(caller, b"x", **{"Content-Encoding": "gzip"})[:2] == (415, "unsupported_media_type")


def test_get_requests_may_claim_to_have_a_body(caller: Caller):
    assert caller.get("/v1/parameters", content_type="application/json").status_code == 200
    assert caller.get("/v1/info", content_type="application/json", data="{").status_code == 200


@pytest.mark.parametrize("user", [None, "", 0, False, [], {}])
def test_a_user_that_python_calls_false_is_missing(caller: Caller, user: object):
    answer = caller.run(user=user)

    assert answer.json == {"code": "invalid_param", "message": "Arg user must be provided.", "status": 400, "params": "user"}


@pytest.mark.parametrize(("user", "text"), [(5, "5"), (True, "True"), ({"a": 1}, "{'a': 1}"), ("x" * 255, "x" * 255)])
def test_other_users_become_the_text_that_python_prints(caller: Caller, user: object, text: str):
    run_id = caller.run(user=user).json["workflow_run_id"]

    listed = caller.get(f"/v1/workflows/logs?keyword={run_id}").json["data"]
    assert [entry["created_by_end_user"]["session_id"] for entry in listed] == [text]


def test_a_user_over_255_characters_is_an_invalid_param(caller: Caller):
    answer = caller.run(user="x" * 256)

    assert (answer.status_code, answer.json["code"], answer.json["params"]) == (400, "invalid_param", "user")
