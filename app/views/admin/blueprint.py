"""The blueprint of the admin API: asks for its token, documents its own security, and names what is wrong with documents."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from flask import Response, request
from marshmallow import Schema

from app.admin.audit import audit
from app.admin.cursors import decode, encode
from app.auth import bearer_token
from app.body import json_object
from app.documents import DocumentError
from app.errors import APIError, invalid_param, respond
from app.parts import current_parts
from app.schemas.admin import AdminSchema
from app.schemas.fields import load
from app.views.blueprint import APIBlueprint, View, noting
from worker.engine.errors import EngineError, Finding, GraphError
from worker.operating.errors import Unusable
from worker.store.encoding import clean_text
from worker.store.errors import NotFound, SealError
from worker.store.listings import Keys, Page

#: Name of the security scheme in the OpenAPI document.
SCHEME = "admin"

PREFIX = "/admin/v1"


class AdminBlueprint(APIBlueprint):
    """Its endpoints need the deployment's token, ``PENSTOCK_ADMIN_TOKEN``. Registered only where there is one."""

    def __init__(self, name: str, import_name: str, description: str) -> None:
        super().__init__(f"Admin: {name}", import_name, is_open=True, url_prefix=PREFIX, description=description)
        self.before_request(require_admin)
        self.url_value_preprocessor(clean_path)
        audit(self)
        self.register_error_handler(NotFound, lambda error: respond(APIError("not_found", str(error))))
        self.register_error_handler(Unusable, lambda error: respond(invalid_param(str(error), error.field)))
        self.register_error_handler(SealError, lambda error: respond(APIError("secrets_not_sealed", str(error))))
        self.register_error_handler(DocumentError, lambda error: respond(DocumentRefused(findings_of(error))))
        self.register_error_handler(GraphError, lambda error: respond(DocumentRefused(error.findings)))
        # Of values and descriptions: the engine's own words are a sentence, and safe to show.
        self.register_error_handler(EngineError, lambda error: respond(invalid_param(str(error))))

    def fails(self, *statuses: int, refusal: type[Schema] | None = None) -> Callable[[View], View]:
        """``refusal``: the body of a 400, where it has more than the usual one."""
        responses: dict[str, Any] = {str(status): HTTPStatus(status).name for status in sorted({*statuses, 400, 401, 503})}
        if refusal is not None:
            responses["400"] = {"description": HTTPStatus(400).phrase, "content": {"application/json": {"schema": refusal}}}
        return noting(responses=responses, security=[{SCHEME: []}])


class DocumentRefused(APIError):
    """A document that cannot run, with every reason: the body has ``findings`` beside what all errors have."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("invalid_document", "; ".join(map(str, findings))[:2000])
        self.findings = findings

    def body(self) -> dict[str, Any]:
        return {**super().body(), "findings": [finding_facts(finding) for finding in self.findings]}


def finding_facts(finding: Finding) -> dict[str, Any]:
    return {name: getattr(finding, name) for name in ("level", "code", "message", "node_id", "node_title", "path")}


def findings_of(error: DocumentError) -> list[Finding]:
    return [Finding("invalid_document", error.reason, path=f"line {error.line}" if error.line else None)]


def require_admin() -> None:
    """``before_request``: the token, compared in a time that says nothing about it. Raises ``APIError`` 401."""
    if request.method == "OPTIONS":
        return
    given, wanted = bearer_token(request.headers.get("Authorization")), current_parts().api.admin_token
    # Digests, so that the time does not tell the length either; and an empty token is none.
    if not wanted or not hmac.compare_digest(_digest(given), _digest(wanted)):
        raise APIError("unauthorized")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def clean_path(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Names in a path as every database takes them."""
    for name, value in (values or {}).items():
        if values is not None and isinstance(value, str):
            values[name] = clean_text(value)


def body_of(schema: type[AdminSchema]) -> dict[str, Any]:
    """The JSON body of the request. Raises ``APIError``."""
    return load(schema(), json_object(request))


def query_of(schema: type[AdminSchema]) -> dict[str, Any]:
    """The query of the request. Raises ``APIError``."""
    return load(schema(), request.args)


def keys_of(asked: dict[str, Any], *kinds: type[Any]) -> Keys | None:
    """Where the page begins. Raises ``Unusable``."""
    return decode(asked["after"], *kinds)


def page_body(page: Page[Any], facts: Callable[[Any], Any] = lambda item: item) -> dict[str, Any]:
    return {
        "data": [facts(item) for item in page.items],
        "has_more": page.next is not None,
        "next": None if page.next is None else encode(page.next),
    }


def no_content() -> Response:
    return Response(status=204)
