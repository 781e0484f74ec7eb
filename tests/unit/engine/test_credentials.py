import pytest

from worker.engine.credentials import is_credential, names_credential


@pytest.mark.parametrize(
    "name",
    ["api_key", "apikey", "API-KEY", "X-Api-Key", "xi-api-key", "Ocp-Apim-Subscription-Key", "accessToken", "client_secret", "Cookie"],
)
def test_names_of_credentials(name: str) -> None:
    assert names_credential(name)


@pytest.mark.parametrize("name", ["", "max_tokens", "tokenizer", "sort_key", "author", "passage", "Content-Type", "secretary", "7"])
def test_names_of_other_things(name: str) -> None:
    assert not names_credential(name)


@pytest.mark.parametrize(
    ("name", "value", "expected"), [("key", "AIza-0123456789abc", True), ("Key ", "name", False), ("token", "x", True)]
)
def test_a_bare_key_opens_something_if_it_is_long(name: str, value: str, expected: bool) -> None:
    assert is_credential(name, value) is expected
