"""What the SDKs raise, as ``ModelError`` with the provider's own words (nodes.md section 6.4)."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import httpx2

from worker.engine.masking import Masker
from worker.engine.models import NOT_SUPPORTED, QUOTA_EXCEEDED, REQUEST_FAILED, ModelError
from worker.llm.calls import Call
from worker.llm.providers import Provider
from worker.llm.retrying import Transient
from worker.outbound.errors import TimedOut

RATE_LIMIT = "InvokeRateLimitError"
UNAVAILABLE = "InvokeServerUnavailableError"
CONNECTION = "InvokeConnectionError"
AUTHORIZATION = "InvokeAuthorizationError"
BAD_REQUEST = "InvokeBadRequestError"

#: What is worth another try, once the provider has had a moment.
TRANSIENT_STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504, 529})

#: Words by which providers say that it is not the rate but the account.
QUOTA_WORDS = ("insufficient_quota", "insufficient balance", "credit balance is too low", "billing", "quota exceeded", "arrearage")

#: Words by which providers say, under whatever status, that there is no such model.
NO_MODEL_WORDS = ("model_not_found", "model not found", "does not exist", "unsupported model", "model not exist")

#: Status of an error that is told within a stream, by the type that it is given there.
TOLD_STATUSES: Mapping[str, int] = {
    "overloaded_error": 529,
    "rate_limit_error": 429,
    "api_error": 500,
    "server_error": 500,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "invalid_request_error": 400,
}

#: Longest text of a provider that an error repeats.
MAX_TEXT = 2000


class SDK(Protocol):
    """The part that the two vendors' modules have in common."""

    APIError: type[Exception]
    APIStatusError: type[Exception]


@contextmanager
def failures(sdk: Any, provider: Provider, call: Call) -> Iterator[None]:
    """Around everything that an SDK does. Signals of the run and our own errors pass through."""
    try:
        yield
    except ModelError:
        raise
    except sdk.APIStatusError as error:
        raise status_failure(error, provider) from error
    except (sdk.APIError, httpx2.HTTPError) as error:
        raise connection_failure(error, provider, call) from error
    except TimedOut as error:
        raise timeout_failure(provider, call) from error
    except (ValueError, LookupError, TypeError) as error:
        # JSON that is none, or of another shape than it should have.
        raise garbage(provider) from error


def status_failure(error: Any, provider: Provider) -> ModelError:
    """An answer that is an error, or an error in the middle of an answer."""
    # One vendor wraps its errors in a list.
    body = error.body[0] if isinstance(error.body, list) and error.body else error.body
    told = body.get("error", body) if isinstance(body, Mapping) else {}
    told = told if isinstance(told, Mapping) else {"message": str(told)}
    status = error.status_code if error.status_code >= 400 else TOLD_STATUSES.get(str(told.get("type")), 500)
    text = str(told.get("message") or _plain_text(error) or f"The provider answered with status {status}.")
    return classified(status, text, f"{told.get('code', '')} {told.get('type', '')} {text}".lower(), provider, error.response.headers)


def classified(status: int, text: str, words: str, provider: Provider, headers: Mapping[str, str]) -> ModelError:
    shown = worded(text, provider)
    if status == 402 or (status in (403, 429) and any(word in words for word in QUOTA_WORDS)):
        return ModelError(shown, code=QUOTA_EXCEEDED, error_type="QuotaExceededError", status=status)
    if status in TRANSIENT_STATUSES:
        kind = RATE_LIMIT if status == 429 else UNAVAILABLE
        failure = Transient(shown, error_type=kind, status=status)
        failure.retry_after_s = retry_after_s(headers)
        return failure
    if status in (401, 403):
        return ModelError(shown, error_type=AUTHORIZATION, status=status)
    no_model = any(word in words for word in NO_MODEL_WORDS) and status in (400, 404)
    if status == 404 or no_model:
        return ModelError(shown, code=NOT_SUPPORTED, error_type="ModelNotExistError", status=status)
    return ModelError(shown, error_type=BAD_REQUEST if status < 500 else UNAVAILABLE, status=status)


def connection_failure(error: Exception, provider: Provider, call: Call) -> ModelError:
    # One of the SDKs wraps what the HTTP library raises, the other lets it through.
    cause = error if isinstance(error, httpx2.HTTPError) else error.__cause__
    if isinstance(cause, httpx2.ConnectTimeout):
        return Transient(
            worded(f"No connection to {provider.base_url} within {call.timeouts.connect_s:g} seconds.", provider), error_type=CONNECTION
        )
    if isinstance(cause, httpx2.TimeoutException):
        return timeout_failure(provider, call)
    if isinstance(cause, httpx2.HTTPError):
        return Transient(worded(f"{provider.base_url}: {cause}", provider), error_type=CONNECTION)
    # An error that was told in the middle of a stream.
    body = getattr(error, "body", None)
    told = body if isinstance(body, Mapping) else {}
    status = TOLD_STATUSES.get(str(told.get("type")), 500)
    code = str(told.get("code") or "")
    status = int(code) if code.isdecimal() and 400 <= int(code) < 600 else status
    return classified(status, str(error), f"{code} {told.get('type', '')} {error}".lower(), provider, {})


def timeout_failure(provider: Provider, call: Call) -> ModelError:
    return ModelError(worded(call.what_timed_out(), provider), error_type=CONNECTION)


def garbage(provider: Provider) -> ModelError:
    return ModelError(worded("What the provider answered cannot be understood.", provider), error_type=UNAVAILABLE)


def cut_short(provider: Provider) -> ModelError:
    return Transient(worded("The answer ended before it was complete.", provider), error_type=CONNECTION)


def refused(provider: Provider, text: str) -> ModelError:
    return ModelError(worded(text, provider), code=REQUEST_FAILED, error_type=BAD_REQUEST)


def worded(text: str, provider: Provider) -> str:
    """The text with the provider's name in front, and without its key, which some providers repeat."""
    masker = Masker([provider.api_key], shown=lambda key: "*" * 8)
    return f"[{provider.name}] {masker.text(text)[:MAX_TEXT]}"


def _plain_text(error: Any) -> str:
    """An error page is not worth showing; a plain text is."""
    with suppress(httpx2.HTTPError, UnicodeError):
        text = str(error.response.text).strip()
        return "" if text.startswith("<") else text
    return ""


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """``Retry-After`` as seconds or as a date, or its more exact relative; None when it says nothing."""
    with suppress(ValueError):
        return (
            max(0.0, float(headers["retry-after-ms"]) / 1000)
            if "retry-after-ms" in headers
            else max(0.0, float(headers.get("retry-after", "")))
        )
    with suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - time.time())
    return None
