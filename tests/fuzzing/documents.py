"""The workflows of the fuzzed apps, and values that their forms take."""

from __future__ import annotations

from typing import Any

from tests.services.documents import Document, chain, end, http_get, human_input, node, start, variable, workflow

#: The `user` of everything that exists.
USER = "abc-123"

GREETED = {"query": "hello"}

SCHEDULE = {"name": "nightly", "cron": "0 3 * * *", "timezone": "Europe/Berlin", "inputs": GREETED}

#: An environment variable that the documents of expendable apps declare.
VARIABLE = "GREETING"


def hello_document(name: str = "hello") -> Document:
    """Takes a text, a number, a choice and files, and ends at once; it speaks and listens."""
    files = {"allowed_file_types": ["document", "image"], "allowed_file_upload_methods": ["local_file", "remote_url"], "max_length": 5}
    variables = [
        variable("query", required=True, max_length=100),
        variable("count", "number"),
        variable("kind", "select", options=["a", "b"]),
        variable("paper", "file", **files),
        variable("papers", "file-list", **files),
    ]
    spoken = {"text_to_speech": {"enabled": True, "voice": "alloy", "language": "en-US"}, "speech_to_text": {"enabled": True}}
    nodes = [start(*variables), end(text=["start", "query"], paper=["start", "paper"])]
    return declaring(workflow(name, nodes, [("start", "end")], **spoken))


def asking_document() -> Document:
    """Waits for an answer to a form that has a page."""
    page = {"id": "page", "type": "webapp", "enabled": True, "config": {}}
    nodes = [
        start(variable("query", required=True, max_length=100)),
        human_input("ask", "{{#start.query#}}? {{#$output.reason#}}", "reason", delivery_methods=[page]),
        end(reason=["ask", "reason"]),
    ]
    return workflow("asks", nodes, [("start", "ask"), ("ask", "end", "yes")])


def drawing_document(url: str) -> Document:
    """Makes a file of what it gets from an address."""
    nodes = [start(variable("query", required=True, max_length=100)), http_get("fetch", url), end(files=["fetch", "files"])]
    return chain("draws", nodes)


def hook_document(name: str) -> Document:
    """Begins with a request to its trigger, the node ``hook``."""
    settings = {
        "method": "post",
        "content_type": "application/json",
        "params": [{"name": "page", "type": "number", "required": False}],
        "headers": [],
        "body": [{"name": "order", "type": "number", "required": False}],
        "status_code": 200,
        "response_body": '{"taken": true}',
    }
    return declaring(chain(name, [node("hook", "trigger-webhook", **settings), end(order=["hook", "order"])]))


def declaring(document: Document) -> Document:
    declared = {"id": VARIABLE.lower(), "name": VARIABLE, "value_type": "string", "value": "", "description": ""}
    document["workflow"]["environment_variables"] = [declared]
    return document


def api_description(url: str) -> dict[str, Any]:
    """An OpenAPI document of one operation at ``url``."""
    parameter = {"name": "q", "in": "query", "required": True, "schema": {"type": "string"}}
    operation = {"operationId": "look", "summary": "Look", "parameters": [parameter], "responses": {"200": {"description": "Found."}}}
    return {"openapi": "3.0.0", "info": {"title": "API", "version": "1"}, "servers": [{"url": url}], "paths": {"/look": {"get": operation}}}
