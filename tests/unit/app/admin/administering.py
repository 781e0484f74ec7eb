"""The operator of a service: a client with the admin token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.config import ApiConfig
from tests.services import documents
from tests.unit.app.serving import Service, form, served
from worker.config import Config

TOKEN = "token-of-the-operator-0123456789"


@dataclass
class Operator:
    service: Service

    @property
    def client(self) -> FlaskClient:
        return self.service.app.test_client()

    def open(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {TOKEN}", **options.pop("headers", {})}
        return self.client.open(f"/admin/v1{path}", method=method, headers=headers, **options)

    def get(self, path: str, **query: Any) -> Any:
        """The body of a successful GET."""
        answer = self.open("GET", path, query_string=query)
        assert answer.status_code == 200, answer.json
        return answer.json

    def post(self, path: str, **options: Any) -> TestResponse:
        return self.open("POST", path, **options)

    def put(self, path: str, **options: Any) -> TestResponse:
        return self.open("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> TestResponse:
        return self.open("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        return self.open("DELETE", path, **options)

    def import_app(self, document: dict[str, Any] | None = None, **query: Any) -> Any:
        """A new app; facts of its import."""
        answer = self.post("/apps", data=text_of(document or hello()), content_type="application/yaml", query_string=query)
        assert answer.status_code == 201, answer.json
        return answer.json

    def publish(self, app: str, document: dict[str, Any]) -> Any:
        answer = self.post(f"/apps/{app}/versions", data=text_of(document), content_type="application/yaml")
        assert answer.status_code == 200, answer.json
        return answer.json


def hello(name: str = "Hello", **features: Any) -> dict[str, Any]:
    """A document with one required text."""
    made = form(documents.variable("q", required=True, max_length=100), **features)
    return {**made, "app": {**made["app"], "name": name}}


def text_of(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def refusal(answer: TestResponse) -> tuple[int, str, str]:
    """Status, code and blamed field of an error."""
    body = answer.json
    assert body is not None
    assert body["status"] == answer.status_code
    return answer.status_code, body["code"], body.get("params", "")


@contextmanager
def operated(**config: Any) -> Iterator[Operator]:
    settings = Config(**{"database_url": "sqlite://", "secret_key": "a key that seals", **config})
    with served(ApiConfig(admin_token=TOKEN), settings) as service:
        yield Operator(service)
