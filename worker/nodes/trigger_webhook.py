"""trigger-webhook: begins the runs that a request to a URL of their own asks for (nodes.md section 6.21).

A run that it begins is given one input, ``webhook_data``: the request as ``{method, headers, query_params, body, files}``, where
``body`` holds the fields of a form or of a JSON object, or ``{"raw": text or file}``, and ``files`` the uploads by field name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.variables import VariablePool
from worker.nodes.fields import Fields
from worker.nodes.start import system_values

REQUEST = "webhook_data"
METHODS = ("get", "post", "head", "patch", "put", "delete")
TEXT = "text/plain"
BINARY = "application/octet-stream"
CONTENT_TYPES = ("application/json", "multipart/form-data", "application/x-www-form-urlencoded", TEXT, BINARY)


class WebhookTriggerNode:
    """Names parts of the request as outputs; the whole of it is ``_webhook_raw``."""

    is_pure: ClassVar[bool] = True
    is_branch: ClassVar[bool] = False

    def __init__(self, spec: NodeSpec) -> None:
        fields = Fields.of(spec)
        self._id = spec.id
        self._headers = [item.required_text("name") for item in fields.items("headers")]
        self._params = [item.required_text("name") for item in fields.items("params")]
        #: Name and type.
        self._body = [(item.required_text("name"), item.text("type", "string")) for item in fields.items("body")]
        self._content_type = fields.choice("content_type", CONTENT_TYPES, CONTENT_TYPES[0])
        if fields.text("method", "get").lower() not in METHODS:
            fields.report("method", f"'method' must be one of {', '.join(METHODS)}")
        fields.integer("status_code", 200)
        fields.text("response_body")
        fields.check()

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult:
        given = pool.node_values(self._id)
        request = _mapping(given.get(REQUEST))
        outputs = {**self._header_outputs(request), **self._param_outputs(request), **self._body_outputs(request)}
        return NodeResult({**outputs, "_webhook_raw": request, **system_values(pool)}, given)

    def _header_outputs(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Found whatever their case, and by ``-`` or ``_``."""
        sent = {_header_key(name): value for name, value in _mapping(request.get("headers")).items()}
        return {name.replace("-", "_"): sent.get(_header_key(name)) for name in self._headers}

    def _param_outputs(self, request: Mapping[str, Any]) -> dict[str, Any]:
        sent = _mapping(request.get("query_params"))
        return {name: sent.get(name) for name in self._params}

    def _body_outputs(self, request: Mapping[str, Any]) -> dict[str, Any]:
        body, files = _mapping(request.get("body")), _mapping(request.get("files"))
        if self._content_type in (TEXT, BINARY):
            return {name: body.get("raw", "" if self._content_type == TEXT else None) for name, _ in self._body}
        return {name: (files if kind == "file" else body).get(name) for name, kind in self._body}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _header_key(name: str) -> str:
    return name.lower().replace("-", "_")


NODE = WebhookTriggerNode
