"""http-request: one HTTP call through the outbound guard (nodes.md section 6.7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar
from urllib.parse import quote

from worker.engine.credentials import is_credential
from worker.engine.errors import NodeError, Partial
from worker.engine.identity import idempotency_key, traceparent
from worker.engine.limits import Limits
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.ports import OutboundRequest, OutboundResponse
from worker.engine.variables import Masker, VariablePool
from worker.nodes.fields import Fields
from worker.nodes.http_authorization import Authorization, Credential
from worker.nodes.http_body import BUILDERS, Body, BodyItem
from worker.nodes.http_dump import dump, password_of, query_of
from worker.nodes.http_lines import Pairs, header_pairs, parse_lines, rendered_pairs
from worker.nodes.http_response import check_size, response_outputs

METHODS = ("get", "post", "put", "patch", "delete", "head", "options")

#: Methods after which something may be different, so that making a call twice may do harm.
WRITING_METHODS = frozenset({"post", "put", "patch", "delete"})

#: W3C Trace Context; ties what a called service logs to the run.
TRACE_HEADER = "traceparent"

#: Such an answer fails the node in any case: the server asks to be called again later.
FAILING_STATUSES = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for connecting, for each read and for each write."""

    connect_s: float
    read_s: float
    write_s: float

    @classmethod
    def of(cls, fields: Fields) -> Timeouts:
        return cls(fields.number("connect", 0.0), fields.number("read", 0.0), fields.number("write", 0.0))

    def within(self, limits: Limits) -> Timeouts:
        """Not more than the limits; what the document leaves open (0) is the limit."""
        return Timeouts(
            clamped(self.connect_s, limits.http_request_max_connect_timeout),
            clamped(self.read_s, limits.http_request_max_read_timeout),
            clamped(self.write_s, limits.http_request_max_write_timeout),
        )


@dataclass(frozen=True, slots=True)
class Call:
    """A request ready to be sent, and what may be told about it."""

    request: OutboundRequest
    #: Rendered, without the parameters.
    url: str
    process_data: Mapping[str, Any]
    #: Hides the node's own credentials.
    masker: Masker


class HTTPRequestNode:
    is_pure: ClassVar[bool] = False
    is_branch: ClassVar[bool] = False

    def __init__(self, spec: NodeSpec) -> None:
        fields = Fields.of(spec)
        self.id = spec.id
        self.method = method_of(fields)
        self.url = fields.template("url")
        self.headers = parse_lines(fields.text("headers"))
        self.params = parse_lines(fields.text("params"))
        self.authorization = Authorization.of(fields.mapping("authorization"))
        body = fields.mapping("body")
        self.build_body = BUILDERS[body.choice("type", tuple(BUILDERS), "none")]
        self.body_items = [BodyItem.of(item) for item in body.items("data")]
        self.timeouts = Timeouts.of(fields.mapping("timeout"))
        self.verify_tls = fields.flag("ssl_verify", True)
        # Without a strategy or a retry nobody waits for a failure, and a status is an answer like another.
        self.fails_on_status = bool(fields.value("error_strategy") or fields.mapping("retry_config").value("retry_enabled"))
        fields.check()

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult:
        call = self.prepare(pool, context)
        try:
            return NodeResult(outputs=self._outputs(call, context), process_data=call.process_data)
        except NodeError as error:
            partial = Partial(outputs=error.partial.outputs, process_data=call.process_data)
            raise NodeError(call.masker.text(error.message), error_type=error.error_type, partial=partial) from None

    def prepare(self, pool: VariablePool, context: NodeContext) -> Call:
        """Render everything. Raises ``NodeError``."""
        url = checked_url(self.url.render(pool))
        credential = self.authorization.credential(pool) if self.authorization is not None else None
        body = self.build_body(self.body_items, pool, context.ports.files)
        request = self._request(with_params(url, rendered_pairs(self.params, pool)), body, credential, pool, context.ports.limits)
        own = (credential.key, credential.value) if credential is not None else ()
        masker = Masker([password_of(url), *self._credentials(request, pool), *own])
        shown = pool.masker.text(masker.text(dump(request, body.shown)))
        return Call(request, url, {"request": shown}, masker)

    def _request(self, url: str, body: Body, credential: Credential | None, pool: VariablePool, limits: Limits) -> OutboundRequest:
        timeouts = self.timeouts.within(limits)
        return OutboundRequest(
            method=self.method.upper(),
            url=url,
            headers=all_headers(header_pairs(self.headers, pool), body, credential),
            body=body.content,
            connect_timeout_s=timeouts.connect_s,
            read_timeout_s=timeouts.read_s,
            write_timeout_s=timeouts.write_s,
            verify_tls=self.verify_tls,
            secret_headers=frozenset({credential.header.lower()} if credential is not None else ()),
            max_bytes=max(limits.http_request_node_max_binary_size, limits.http_request_node_max_text_size),
        )

    def _credentials(self, request: OutboundRequest, pool: VariablePool) -> list[str]:
        """Values of headers, parameters and form fields whose names say what they are, wherever the workflow has them from."""
        fields = [(item.key.render(pool), item.value.render(pool)) for item in self.body_items if item.key.parts]
        return [value for name, value in (*request.headers, *query_of(request.url), *fields) if is_credential(name, value)]

    def _named(self, request: OutboundRequest, context: NodeContext) -> OutboundRequest:
        """A request that may change something, with what it is called should it be made again."""
        if self.method not in WRITING_METHODS:
            return request
        key = idempotency_key(context.run_id, context.scope, self.id, context.retry_index)
        return replace(request, idempotency_key=key)

    def _outputs(self, call: Call, context: NodeContext) -> Mapping[str, Any]:
        if self.method == "options":
            raise NodeError("Invalid http method options", error_type="InvalidHttpMethodError")
        response = sent(self._named(traced(call.request, context), context), context)
        if response.status in FAILING_STATUSES:
            raise NodeError(f"Reached maximum retries (0) for URL {call.url}", error_type="HttpRequestNodeError")
        outputs = response_outputs(response, context.ports.limits, context.ports.files)
        if self.fails_on_status and not 200 <= response.status < 300:
            message = f"Request failed with status code {response.status}"
            raise NodeError(message, error_type="HTTPResponseCodeError", partial=Partial(outputs=outputs))
        return outputs


NODE = HTTPRequestNode


def method_of(fields: Fields) -> str:
    method = fields.required_text("method").lower()
    if method and method not in METHODS:
        fields.report("method", f"'method' is {method!r}, but must be one of {', '.join(METHODS)}")
    return method


def traced(request: OutboundRequest, context: NodeContext) -> OutboundRequest:
    """The request with the run's place in a trace, unless the workflow sets one itself."""
    if any(name.lower() == TRACE_HEADER for name, _ in request.headers):
        return request
    return replace(request, headers=(*request.headers, (TRACE_HEADER, traceparent(context.run_id, context.execution_id))))


def clamped(seconds: float, limit_s: float) -> float:
    return min(seconds, limit_s) if seconds > 0 else limit_s


def checked_url(url: str) -> str:
    if not url:
        raise NodeError("url is required", error_type="InvalidURLError")
    if not url.startswith(("http://", "https://")):
        raise NodeError("url should start with http:// or https://", error_type="InvalidURLError")
    return url


def with_params(url: str, params: Pairs) -> str:
    """The parameters behind those that the URL has."""
    if not params:
        return url
    base, mark, fragment = url.partition("#")
    query = "&".join(f"{quote(key, safe='', errors='replace')}={quote(value, safe='', errors='replace')}" for key, value in params)
    joint = "?" if "?" not in base else "" if base.endswith(("?", "&")) else "&"
    return f"{base}{joint}{query}{mark}{fragment}"


def all_headers(headers: Pairs, body: Body, credential: Credential | None) -> Pairs:
    """The node's headers with the body's type, unless they name one, and with the credential in place of any of its name."""
    names = {name.lower() for name, _ in headers}
    if body.content_type and (body.is_multipart or "content-type" not in names):
        headers = [*without(headers, "Content-Type"), ("Content-Type", body.content_type)]
    if credential is not None:
        headers = [*without(headers, credential.header), (credential.header, credential.value)]
    return headers


def without(headers: Pairs, name: str) -> Pairs:
    return [item for item in headers if item[0].lower() != name.lower()]


def sent(request: OutboundRequest, context: NodeContext) -> OutboundResponse:
    """The response. One that is too large is told in the words of the limit it breaks."""
    try:
        return context.ports.http.send(request, context.cancellation)
    except NodeError as error:
        if error.code == "response_too_large":
            check_size(error.details["response"], error.details["size"], context.ports.limits)
        raise
