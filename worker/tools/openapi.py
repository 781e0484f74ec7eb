"""The operations of an OpenAPI description (3.x) as tools."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urljoin

from worker.engine.errors import EngineError, NodeError
from worker.engine.media_types import charset_of_header, extension_of_mime, mime_of_header
from worker.engine.node import NodeContext
from worker.engine.ports import OutboundRequest, OutboundResponse
from worker.engine.tools import BlobMessage, JSONMessage, TextMessage, ToolMessage, ToolParameter
from worker.engine.variables import Masker

METHODS = ("get", "head", "post", "put", "delete", "patch")

#: Media types of request bodies, the preferred one first.
JSON_BODY, FORM_BODY = "application/json", "application/x-www-form-urlencoded"

#: Bytes of an answer.
MAX_BYTES = 10 * 1024 * 1024

#: References that lead to references: more of them is a circle.
MAX_REFERENCES = 50

#: JSON schema type -> type of a tool's parameter.
TYPES = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "array": "array", "object": "object"}

UNNAMED = re.compile(r"[^a-zA-Z0-9_-]")


class DescriptionError(EngineError):
    """An OpenAPI description that cannot be used; says what is wrong with it."""

    code = "invalid_openapi"


@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    description: str
    method: str
    url: str
    parameters: tuple[ToolParameter, ...]
    #: Name -> ``path``, ``query``, ``header``, ``cookie`` or ``body``.
    places: Mapping[str, str]
    #: Media type of the body; empty if there is none.
    body_type: str = ""
    #: Sent with each call: credentials.
    headers: Mapping[str, str] = field(default_factory=dict)

    def invoke(self, parameters: Mapping[str, Any], context: NodeContext) -> Iterator[ToolMessage]:
        response = context.ports.http.send(self.request(parameters), context.cancellation)
        if response.status >= 400:
            text = Masker(list(self.headers.values())).text(response.body.decode("utf-8", "replace")[:1000])
            raise NodeError(f"Request failed with status code {response.status} and {text}")
        yield from messages_of(response)

    def request(self, parameters: Mapping[str, Any]) -> OutboundRequest:
        at = {place: self._at(place, parameters) for place in ("path", "query", "header", "cookie", "body")}
        headers = {**{name: as_text(value) for name, value in at["header"].items()}, **self.headers}
        if at["cookie"]:
            headers["Cookie"] = "; ".join(f"{name}={quote(as_text(value))}" for name, value in at["cookie"].items())
        if at["body"]:
            headers["Content-Type"] = self.body_type
        return OutboundRequest(
            self.method.upper(),
            self._address(at["path"], at["query"]),
            tuple(headers.items()),
            body_of(at["body"], self.body_type),
            secret_headers=frozenset(name.lower() for name in self.headers),
            max_bytes=MAX_BYTES,
        )

    def _at(self, place: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in parameters.items() if self.places.get(name) == place}

    def _address(self, path: Mapping[str, Any], query: Mapping[str, Any]) -> str:
        url = self.url
        for name, value in path.items():
            url = url.replace(f"{{{name}}}", quote(as_text(value), safe=""))
        pairs = [(name, as_text(item)) for name, value in query.items() for item in (value if isinstance(value, list) else [value])]
        return f"{url}{'&' if '?' in url else '?'}{urlencode(pairs)}" if pairs else url


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def body_of(values: Mapping[str, Any], body_type: str) -> bytes:
    if not values:
        return b""
    if body_type == FORM_BODY:
        return urlencode({name: as_text(value) for name, value in values.items()}).encode()
    return json.dumps(values, ensure_ascii=False).encode()


def messages_of(response: OutboundResponse) -> Iterator[ToolMessage]:
    """JSON as JSON and text, other text as text, everything else as a file."""
    content_type = response.headers.get("content-type", "")
    mime_type = mime_of_header(content_type)
    if mime_type.partition("/")[0] in ("image", "audio", "video") or mime_type in ("application/pdf", "application/octet-stream"):
        yield BlobMessage(response.body, mime_type, extension_of_mime(mime_type) or ".bin")
        return
    try:
        text = response.body.decode(charset_of_header(content_type) or "utf-8", "replace")
    except LookupError:
        text = response.body.decode("utf-8", "replace")
    if isinstance(found := parsed(text), dict):
        yield JSONMessage(found)
    yield TextMessage(text)


def parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def operations_of(document: Mapping[str, Any], server: str = "", headers: Mapping[str, str] | None = None) -> dict[str, Operation]:
    """By name. ``server`` replaces the description's own. Raises ``DescriptionError``."""
    base = server or server_of(document)
    paths = document.get("paths")
    if not isinstance(paths, Mapping) or not paths:
        raise DescriptionError("The OpenAPI description has no paths.")
    reader = _Reader(document, base, headers or {})
    found = [reader.operation(path, method, item) for path, item in paths.items() for method in METHODS if method in reader.mapping(item)]
    if not found:
        raise DescriptionError("The OpenAPI description has no operation.")
    return {operation.name: operation for operation in found}


def parameters_of(schema: Mapping[str, Any]) -> tuple[ToolParameter, ...]:
    """The properties of a JSON schema of an object. Raises ``DescriptionError``."""
    return tuple(_Reader(schema, "", {}).properties(schema))


def server_of(document: Mapping[str, Any]) -> str:
    servers = document.get("servers")
    first = servers[0] if isinstance(servers, list) and servers else {}
    url = first.get("url", "") if isinstance(first, Mapping) else ""
    if not str(url).startswith(("http://", "https://")):
        raise DescriptionError("The OpenAPI description names no server with a whole URL; give one with --server.")
    return str(url)


class _Reader:
    def __init__(self, document: Mapping[str, Any], base: str, headers: Mapping[str, str]) -> None:
        self._document = document
        self._base = base.rstrip("/") + "/"
        self._headers = headers

    def operation(self, path: str, method: str, item: Any) -> Operation:
        shared, found = self.mapping(item), self.mapping(self.mapping(item)[method])
        declared = [self.mapping(entry) for entry in (*self._list(shared), *self._list(found))]
        pairs = {str(entry.get("name")): (self._parameter(entry), str(entry.get("in"))) for entry in declared}
        body_type, properties = self._body(found)
        pairs |= {parameter.name: (parameter, "body") for parameter in properties if parameter.name not in pairs}
        return Operation(
            name=str(found.get("operationId") or f"{UNNAMED.sub('', path.lstrip('/'))}_{method}"),
            description=str(found.get("description") or found.get("summary") or ""),
            method=method,
            url=urljoin(self._base, path.lstrip("/")),
            parameters=tuple(parameter for parameter, _ in pairs.values()),
            places={name: place for name, (_, place) in pairs.items()},
            body_type=body_type,
            headers=self._headers,
        )

    def mapping(self, value: Any) -> Mapping[str, Any]:
        """The value, or what its ``$ref`` leads to inside the document. Raises ``DescriptionError``."""
        for _ in range(MAX_REFERENCES):
            if not isinstance(value, Mapping):
                raise DescriptionError(f"The OpenAPI description has a {type(value).__name__} where it needs a mapping.")
            if "$ref" not in value:
                return value
            value = self._referred(str(value["$ref"]))
        raise DescriptionError("The OpenAPI description has references that lead in a circle.")

    def _referred(self, reference: str) -> Any:
        found: Any = self._document
        for part in reference.removeprefix("#/").split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, Mapping) or key not in found:
                raise DescriptionError(f"The OpenAPI description has no {reference}.")
            found = found[key]
        return found

    def _list(self, item: Mapping[str, Any]) -> Sequence[Any]:
        found = item.get("parameters") or []
        return found if isinstance(found, list) else []

    def _parameter(self, entry: Mapping[str, Any]) -> ToolParameter:
        return self._of_schema(str(entry.get("name")), entry.get("schema") or {}, bool(entry.get("required")), entry.get("description"))

    def _body(self, operation: Mapping[str, Any]) -> tuple[str, list[ToolParameter]]:
        if not operation.get("requestBody"):
            return "", []
        content = self.mapping(self.mapping(operation["requestBody"]).get("content") or {})
        body_type = next((known for known in (JSON_BODY, FORM_BODY) if known in content), "")
        if not body_type:
            raise DescriptionError(f"A request body must be {JSON_BODY} or {FORM_BODY}, not {', '.join(map(str, content)) or 'nothing'}.")
        return body_type, self.properties(self.mapping(content[body_type]).get("schema") or {})

    def properties(self, schema: Any) -> list[ToolParameter]:
        found = self.mapping(schema)
        required, properties = found.get("required") or [], self.mapping(found.get("properties") or {})
        return [self._of_schema(str(name), item, name in required, None) for name, item in properties.items()]

    def _of_schema(self, name: str, schema: Any, required: bool, description: Any) -> ToolParameter:
        found = self.mapping(schema)
        kind = TYPES.get(str(found.get("type", "string")), "any")
        options = tuple(map(str, found.get("enum") or ()))
        text = str(description or found.get("description") or "")
        # The schema goes to models, which cannot follow references; where there are any, the type has to do.
        shown = found if "$ref" not in json.dumps(found, default=str) else None
        return ToolParameter(name, kind, required, found.get("default"), text, options, schema=shown)
