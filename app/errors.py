"""One table of wire codes, one table of exceptions, one handler (api-contract.md sections 1.6 and 1.7).

Every answer that is no success has the body ``{"code", "message", "status"}``, and ``params`` where one field is to blame.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from worker.engine.checkpoint import CheckpointError
from worker.engine.errors import FormError, GraphError
from worker.engine.models import ModelError
from worker.store.errors import (
    BatchConflict,
    FormExpired,
    FormSubmitted,
    KeyInProgress,
    KeyReused,
    NotFound,
    NotResumable,
    StorageUnavailable,
    TooManyRuns,
)

log = logging.getLogger(__name__)

#: Seconds after which a client should try again; whole, since SDKs call ``int()`` on it.
RETRY_AFTER_S = 5

_WRONG_MODE = "Please check if your app mode matches the right API route."

#: Wire code -> HTTP status and the message used when there is none more to the point. docs/errors.md explains each.
CODES: Mapping[str, tuple[int, str]] = {
    "invalid_param": (400, "A parameter is invalid."),
    "app_unavailable": (400, "App unavailable, please check your app configurations."),
    "provider_not_initialize": (400, "No valid model provider credentials found."),
    "provider_quota_exceeded": (400, "The quota of the model provider is exceeded."),
    "model_currently_not_support": (400, "The model is currently not supported."),
    "completion_request_error": (400, "The request to the model failed."),
    "workflow_request_error": (400, "The workflow cannot be executed."),
    "not_workflow_app": (400, _WRONG_MODE),
    "not_chat_app": (400, _WRONG_MODE),
    "bad_request": (400, "The browser (or proxy) sent a request that this server could not understand."),
    "invalid_document": (400, "The document cannot be used."),
    "no_file_uploaded": (400, "Please upload your file."),
    "too_many_files": (400, "Only one file is allowed."),
    "filename_not_exists_error": (400, "The specified filename does not exist."),
    "no_audio_uploaded": (400, "Please upload your audio."),
    "provider_not_support_speech_to_text": (400, "No model writes recordings down in this deployment."),
    "speech_to_text_disabled": (400, "Speech to text is not enabled."),
    "invalid_form_data": (400, "The answer does not fit the form."),
    "unauthorized": (401, "Access token is invalid"),
    "forbidden": (403, "You don't have the permission to access the requested resource."),
    "file_access_denied": (403, "Access to the requested file is denied."),
    "not_found": (404, "The requested URL was not found on the server."),
    "file_not_found": (404, "The requested file was not found."),
    "method_not_allowed": (405, "The method is not allowed for the requested URL."),
    "human_input_form_submitted": (412, "The form has been submitted."),
    "human_input_form_expired": (412, "The form has expired."),
    "file_too_large": (413, "File size exceeded."),
    "audio_too_large": (413, "Audio size larger than 30 mb"),
    "request_entity_too_large": (413, "The request body is too large."),
    "unsupported_file_type": (415, "File type not allowed."),
    "unsupported_audio_type": (415, "Audio type not allowed."),
    "unsupported_media_type": (
        415,
        "Did not attempt to load JSON data because the request Content-Type was not 'application/json'.",
    ),
    "secrets_not_sealed": (409, "There is no key to seal secrets with."),
    "run_not_resumable": (409, "The run cannot be resumed."),
    "batch_conflict": (409, "The status of the batch does not allow this."),
    "idempotency_in_progress": (409, "A request with the same Idempotency-Key is still being accepted. Please try again."),
    "idempotency_key_reused": (422, "This Idempotency-Key came with another body before."),
    "too_many_requests": (429, "Too many requests. Please try again later."),
    "rate_limit_error": (429, "Runs begin too fast. Please try again later."),
    "internal_server_error": (500, "The server encountered an internal error and was unable to complete your request."),
    "service_unavailable": (503, "The service is temporarily unavailable. Please try again later."),
}

_BY_STATUS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "request_entity_too_large",
    415: "unsupported_media_type",
    429: "too_many_requests",
    500: "internal_server_error",
    503: "service_unavailable",
}


class APIError(Exception):
    """An answer of table 1.7: ``code`` decides the status, ``params`` names the offending field."""

    def __init__(self, code: str, message: str = "", *, params: str = "", status: int = 0, retry_after_s: int = RETRY_AFTER_S) -> None:
        default_status, default_message = CODES.get(code, (500, code))
        self.code = code
        self.message = message or default_message
        self.status = status or default_status
        self.params = params
        self.retry_after_s = retry_after_s
        super().__init__(f"{code}: {self.message}")

    @property
    def headers(self) -> dict[str, str]:
        if self.status == 401:
            return {"WWW-Authenticate": 'Bearer realm="api"'}
        return {"Retry-After": str(self.retry_after_s)} if self.status in (429, 503) else {}

    def body(self) -> dict[str, Any]:
        body = {"code": self.code, "message": self.message, "status": self.status}
        return {**body, "params": self.params} if self.params else body


class Refused(APIError):
    """No other run may begin now: the same request may succeed after ``retry_after_s`` seconds."""


def invalid_param(message: str, params: str = "") -> APIError:
    return APIError("invalid_param", message, params=params)


#: What the inner parts raise, with a text that is safe to show -> wire code.
EXCEPTIONS: Mapping[type[Exception], str] = {
    FormError: "invalid_param",
    GraphError: "workflow_request_error",
    # The app was deleted between the look at its key and the transaction.
    NotFound: "forbidden",
    NotResumable: "run_not_resumable",
    # Of the run that is to be gone on from: this release cannot read its results.
    CheckpointError: "run_not_resumable",
    FormSubmitted: "human_input_form_submitted",
    FormExpired: "human_input_form_expired",
    KeyInProgress: "idempotency_in_progress",
    KeyReused: "idempotency_key_reused",
    BatchConflict: "batch_conflict",
    TooManyRuns: "too_many_requests",
}


def translate(error: Exception) -> APIError:
    """The answer for any exception; what nobody expected is logged with its traceback and says nothing of itself."""
    if isinstance(error, APIError):
        return error
    if isinstance(error, HTTPException):
        return _from_framework(error)
    if isinstance(error, StorageUnavailable):
        log.warning("A request is refused: %s", error)
        return APIError("service_unavailable")
    if isinstance(error, ModelError):
        return APIError(error.code, error.message)
    code = next((code for kind, code in EXCEPTIONS.items() if isinstance(error, kind)), None)
    if code is None:
        log.error("Unexpected failure of a request.", exc_info=error)
        return APIError("internal_server_error")
    return APIError(code, str(error))


def _from_framework(error: HTTPException) -> APIError:
    status = error.code or 500
    if status in _BY_STATUS:
        return APIError(_BY_STATUS[status])
    name = re.sub(r"\W+", "_", HTTPStatus(status).phrase.lower())
    return APIError(name, error.description or error.name, status=status)


def respond(error: APIError) -> Response:
    response = Response(orjson.dumps(error.body()) + b"\n", error.status, mimetype="application/json")
    response.headers.update(error.headers)
    return response


def _handle(error: Exception) -> Response:
    response = respond(translate(error))
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def register_errors(app: Flask) -> None:
    """One handler for everything that a request can raise, HTTP errors of the framework included."""
    app.register_error_handler(Exception, _handle)
