from typing import Any

import pytest

from worker.engine.document_secrets import find_secrets, with_texts

KEY = "sk-1f9a-77b0-46c2-a1"


def document(data: dict[str, Any] | None = None, **workflow: Any) -> dict[str, Any]:
    nodes = [{"id": "n", "data": {"type": "http-request", **(data or {})}}]
    return {"app": {"name": "a"}, "workflow": {"graph": {"nodes": nodes}, **workflow}}


def found(data: dict[str, Any]) -> list[str]:
    """Places of secrets inside the data of the only node."""
    return [".".join(map(str, path[5:])) for path in find_secrets(document(data))]


def test_values_of_secret_variables_are_secrets_and_others_are_not() -> None:
    variables = [
        {"name": "A", "value_type": "string", "value": "plain"},
        {"name": "B", "value_type": "secret", "value": KEY},
        {"name": "C", "value_type": "secret", "value": ""},
        {"name": "PASSWORD", "value_type": "string", "value": "declared as no secret"},
    ]

    secrets = find_secrets(document(environment_variables=variables, conversation_variables=variables[1:2]))

    assert secrets == {
        ("workflow", "environment_variables", 1, "value"): KEY,
        ("workflow", "conversation_variables", 0, "value"): KEY,
    }


@pytest.mark.parametrize(
    ("data", "places"),
    [
        ({"authorization": {"type": "api-key", "config": {"type": "bearer", "api_key": KEY}}}, ["authorization.config.api_key"]),
        ({"headers": f"Accept: text/html\nX-API-Key:{KEY}"}, ["headers"]),
        ({"headers": f"authorization: Bearer {KEY}", "params": f"access_token:{KEY}"}, ["headers", "params"]),
        ({"params": f"q:x\nkey:{KEY}"}, ["params"]),
        ({"url": f"https://a.example/x?q=1&key={KEY}#top"}, ["url"]),
        ({"url": f"https://ada:{KEY}@a.example/x"}, ["url"]),
        ({"body": {"type": "form-data", "data": [{"key": "password", "type": "text", "value": KEY}]}}, ["body.data.0.value"]),
        ({"tool_parameters": {"api_key": {"type": "constant", "value": KEY}}}, ["tool_parameters.api_key.value"]),
        ({"tool_configurations": {"clientSecret": KEY}}, ["tool_configurations.clientSecret"]),
        ({"tools": {"value": [{"settings": {"token": {"value": KEY}}}]}}, ["tools.value.0.settings.token.value"]),
        ({"authorization": {"config": {"api_key": f"{{{{#env.USER#}}}}:{KEY}"}}}, ["authorization.config.api_key"]),
    ],
)
def test_credentials_in_the_data_of_nodes_are_found_by_their_names(data: dict[str, Any], places: list[str]) -> None:
    assert found(data) == places


@pytest.mark.parametrize(
    "data",
    [
        {"authorization": {"type": "api-key", "config": {"type": "bearer", "api_key": "{{#env.KEY#}}"}}},
        {"authorization": {"type": "no-auth", "config": None}},
        {"headers": "Authorization: Bearer {{#env.KEY#}}\nContent-Type: application/json"},
        {"headers": "X-API-Key:"},
        {"params": "api_key: {{#env.KEY#}}\nmax_tokens: 100"},
        {"url": "https://a.example/x?key={{#env.KEY#}}&q=token"},
        {"url": "https://a.example/x?key=name", "params": "key: {{#env.A_KEY_OF_THE_SERVICE#}}"},
        {"url": "https://a.example:8080/token/secret?q=a@b"},
        {"tool_parameters": {"token": {"type": "variable", "value": ["env", "TOKEN"]}, "api_key": {"type": "mixed", "value": ""}}},
        {"outputs": {"token": {"type": "string", "children": None}}},
        {"parameters": [{"name": "password", "type": "string", "description": "What the user wants"}]},
        {"completion_params": {"max_tokens": "100", "stop": ["token"]}},
        {"authorization": True, "headers": None, "params": 3, "url": None},
    ],
)
def test_references_and_other_texts_are_no_secrets(data: dict[str, Any]) -> None:
    assert found(data) == []


@pytest.mark.parametrize(
    "broken", [{}, {"workflow": 1}, {"workflow": {"graph": {"nodes": [1, {"data": 2}]}, "environment_variables": [3]}}]
)
def test_what_is_no_document_has_no_secrets(broken: dict[str, Any]) -> None:
    assert find_secrets(broken) == {}


def test_texts_are_replaced_in_a_copy() -> None:
    original = document({"api_key": KEY}, environment_variables=[{"name": "B", "value_type": "secret", "value": KEY}])
    paths = list(find_secrets(original))

    blank = with_texts(original, dict.fromkeys(paths, ""))

    assert KEY not in repr(blank)
    assert repr(original).count(KEY) == 2
    assert with_texts(blank, dict.fromkeys(paths, KEY)) == original


def test_a_place_that_is_not_there_cannot_be_replaced() -> None:
    with pytest.raises(LookupError):
        with_texts(document(), {("workflow", "environment_variables", 7, "value"): KEY})
