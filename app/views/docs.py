"""The OpenAPI document, and a page for people made from it that needs nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, jsonify, redirect, render_template
from flask_smorest import Api

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, as the page shows it."""

    method: str
    path: str
    summary: str
    description: str
    is_open: bool
    is_deprecated: bool
    parameters: list[Mapping[str, Any]]
    #: Content type of the body; empty without one.
    takes: str
    fields: list[Field]
    answers: list[Answer]

    @property
    def anchor(self) -> str:
        return f"{self.method}-{self.path}".translate(str.maketrans("/{}", "---"))


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    type: str
    is_required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: str
    description: str
    #: Content types with their fields; errors share one form and have none here.
    contents: list[tuple[str, list[Field]]]


def docs_blueprint(api: Api) -> Blueprint:
    blueprint = Blueprint("docs", __name__)

    @blueprint.get("/openapi.json")
    def show_document() -> Response:
        return jsonify(api.spec.to_dict())

    @blueprint.get("/docs")
    def show_page() -> str:
        document = api.spec.to_dict()
        return render_template("docs.html", info=document["info"], groups=list(groups(document)))

    @blueprint.get("/")
    def show_root() -> Any:
        return redirect("/docs")

    return blueprint


def groups(document: Mapping[str, Any]) -> Iterator[tuple[str, str, list[Operation]]]:
    """Tags with their descriptions and operations."""
    schemas = document.get("components", {}).get("schemas", {})
    found = list(operations(document, schemas))
    for tag in document["tags"]:
        yield tag["name"], tag.get("description", ""), [operation for name, operation in found if name == tag["name"]]


def operations(document: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[tuple[str, Operation]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                tags = item[method].get("tags") or [""]
                yield tags[0], operation(path, method, item, schemas)


def operation(path: str, method: str, item: Mapping[str, Any], schemas: Mapping[str, Any]) -> Operation:
    spec = item[method]
    body = spec.get("requestBody", {}).get("content", {})
    content_type = next(iter(body), "")
    return Operation(
        method=method,
        path=path,
        summary=spec.get("summary", ""),
        description=spec.get("description", ""),
        is_open=spec.get("security") == [],
        is_deprecated=bool(spec.get("deprecated")),
        parameters=[*item.get("parameters", ()), *spec.get("parameters", ())],
        takes=content_type,
        fields=fields_of(body[content_type]["schema"], schemas) if content_type else [],
        answers=[answer(status, response, schemas) for status, response in spec.get("responses", {}).items() if status != "default"],
    )


def answer(status: str, response: Mapping[str, Any], schemas: Mapping[str, Any]) -> Answer:
    described = response.get("description") or response.get("$ref", "").rpartition("/")[2].replace("_", " ").capitalize()
    contents = [(kind, fields_of(content.get("schema", {}), schemas)) for kind, content in response.get("content", {}).items()]
    return Answer(status, described, contents if status < "300" else [])


def fields_of(schema: Mapping[str, Any], schemas: Mapping[str, Any], prefix: str = "") -> list[Field]:
    """Fields of an object, those of objects in it by dotted names."""
    schema = resolved(schema, schemas)
    if schema.get("type") == "array":
        return fields_of(schema["items"], schemas, f"{prefix}[].")
    required = schema.get("required", ())
    return [
        found
        for name, inner in schema.get("properties", {}).items()
        for found in (
            Field(prefix + name, type_of(inner, schemas), name in required, inner.get("description", "")),
            *fields_of(inner, schemas, f"{prefix}{name}."),
        )
    ]


def resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return found


def type_of(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    kind = resolved(schema, schemas).get("type", "any")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)
