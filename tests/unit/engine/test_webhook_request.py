from __future__ import annotations

from typing import Any

import pytest

from worker.engine.webhook_request import (
    Declared,
    WebhookConfig,
    WebhookRefused,
    checked_headers,
    checked_json,
    checked_raw,
    checked_texts,
)


def needed(name: str, kind: str = "string") -> Declared:
    return Declared(name, kind, is_required=True)


def test_the_data_of_a_node_is_read_with_what_the_editor_begins_with() -> None:
    assert WebhookConfig.of({}) == WebhookConfig("GET", "application/json", (), (), (), 200, "")
    data = {
        "method": "post",
        "content_type": "text/plain",
        "headers": [{"name": "X-A", "type": "string", "required": True}, {"name": ""}, "odd"],
        "params": [{"name": "page", "type": "number", "required": False}],
        "body": [{"name": "doc", "type": "file"}],
        "status_code": 202,
        "response_body": "ok",
    }
    found = WebhookConfig.of(data)
    assert found.headers == (needed("X-A"),)
    assert found.params == (Declared("page", "number"),)
    assert found.files == (Declared("doc", "file"),)
    assert (found.method, found.content_type, found.status_code, found.response_body) == ("POST", "text/plain", 202, "ok")


@pytest.mark.parametrize("sent", ["X-Tenant-Id", "x-tenant-id", "X_Tenant_Id"])
def test_headers_are_kept_as_they_came(sent: str) -> None:
    assert checked_headers((needed("X-Tenant-Id"),), {sent: "a", "Other": "b"}) == {sent: "a", "Other": "b"}


def test_texts_become_the_declared_types() -> None:
    declared = (Declared("n", "number"), Declared("f", "number"), Declared("b", "boolean"), Declared("s"), Declared("gone"))
    sent = {"n": "-3", "f": "2.5", "b": "False", "s": "3", "unasked": "x"}

    assert checked_texts(declared, sent, "parameter") == {"n": -3, "f": 2.5, "b": False, "s": "3", "unasked": "x"}


@pytest.mark.parametrize(
    ("declared", "sent", "words"),
    [
        (needed("a"), {}, "The parameter a is required"),
        (Declared("a", "number"), {"a": "three"}, "must be a number"),
        (Declared("a", "number"), {"a": "nan"}, "must be a number"),
        (Declared("a", "number"), {"a": ""}, "must be a number"),
        (Declared("a", "boolean"), {"a": "perhaps"}, "must be true or false"),
    ],
)
def test_texts_that_do_not_fit_are_refused(declared: Declared, sent: dict[str, str], words: str) -> None:
    with pytest.raises(WebhookRefused, match=words) as caught:
        checked_texts((declared,), sent, "parameter")
    assert caught.value.name == "a"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", "x"),
        ("number", 1.5),
        ("boolean", False),
        ("object", {"a": 1}),
        ("array[string]", ["x"]),
        ("array[number]", []),
        ("array", [1, "x"]),
        ("anything", 1),
    ],
)
def test_json_of_the_declared_type_is_taken(kind: str, value: Any) -> None:
    assert checked_json((needed("a", kind),), {"a": value, "more": None}) == {"a": value, "more": None}


@pytest.mark.parametrize(
    ("kind", "value"),
    [("string", 1), ("number", "1"), ("number", True), ("boolean", 0), ("object", []), ("array[string]", [1]), ("array[object]", "x")],
)
def test_json_of_another_type_is_refused(kind: str, value: Any) -> None:
    with pytest.raises(WebhookRefused, match="The field a must be of type"):
        checked_json((Declared("a", kind),), {"a": value})


def test_json_that_is_no_object_is_one_value() -> None:
    assert checked_json((), [1, 2]) == {"raw": [1, 2]}
    assert checked_json((Declared("a"),), "x") == {"raw": "x"}
    for sent in ([1], {"a": None}, {}):
        with pytest.raises(WebhookRefused, match="The field a is required"):
            checked_json((needed("a"),), sent)


def test_a_body_without_fields_may_be_required() -> None:
    assert checked_raw((), "") == {"raw": ""}
    assert checked_raw((needed("text"),), "x") == {"raw": "x"}
    with pytest.raises(WebhookRefused, match="The body is required"):
        checked_raw((needed("text"),), "")
