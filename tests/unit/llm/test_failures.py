"""What providers put into the bodies and headers of errors."""

import email.utils
import time
from types import SimpleNamespace

import httpx2
import pytest

from worker.engine.models import NOT_SUPPORTED, QUOTA_EXCEEDED, REQUEST_FAILED
from worker.llm.failures import retry_after_s, status_failure
from worker.llm.providers import Provider


def failure(status, body, text="", **headers):
    response = httpx2.Response(status, text=text, headers=headers)
    return status_failure(SimpleNamespace(status_code=status, body=body, response=response), Provider("p", api_key="sk-secret"))


@pytest.mark.parametrize(
    "body",
    [
        {"message": "No."},
        {"error": {"message": "No."}},
        {"error": "No."},
        [{"error": {"code": 400, "message": "No.", "status": "INVALID_ARGUMENT"}}],
    ],
)
def test_the_words_are_found_wherever_a_vendor_puts_them(body):
    assert failure(400, body).message == "[p] No."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("upstream gone", "[p] upstream gone"),
        ("<html>502</html>", "[p] The provider answered with status 502."),
        ("", "[p] The provider answered with status 502."),
    ],
)
def test_a_plain_text_is_told_but_no_page(text, shown):
    assert failure(502, None, text).message == shown


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (429, {"message": "Slow down.", "code": "rate_limit_exceeded"}, REQUEST_FAILED),
        (429, {"message": "x", "code": "insufficient_quota"}, QUOTA_EXCEEDED),
        (402, {"message": "Insufficient Balance"}, QUOTA_EXCEEDED),
        (400, {"message": "x", "code": "model_not_found"}, NOT_SUPPORTED),
        (400, {"message": "x"}, REQUEST_FAILED),
        (200, {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}, REQUEST_FAILED),
    ],
)
def test_codes_of_the_contract(status, body, code):
    assert failure(status, body).code == code


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after-ms": "250", "retry-after": "2"}, 0.25),
        ({"retry-after": "-1"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_seconds(headers, seconds):
    assert retry_after_s(headers) == seconds


def test_retry_after_may_be_a_date():
    date = email.utils.formatdate(time.time() + 10, usegmt=True)
    assert retry_after_s({"retry-after": date}) == pytest.approx(10, abs=2)
