import io
import json

import pytest

from tests.services import documents

CANARY = "sk-canary-5up3r-53cr37"


@pytest.fixture
def typed(monkeypatch):
    """What the next command finds on standard input, which is no terminal."""

    def feed(text):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))

    return feed


def listed(penstock):
    return {row["name"]: row for row in penstock("providers", "list", "--json").lines()}


def test_a_key_is_read_from_standard_input_and_kept_out_of_sight(penstock, typed, tmp_path):
    typed(f"{CANARY}\n")
    done = penstock("providers", "add", "langgenius/openai/openai")

    assert (done.code, done.out, done.err) == (0, "openai is configured.\n", "")
    row = listed(penstock)["openai"]
    assert (row["type"], row["base_url"], row["has_key"], row["source"]) == ("openai", "https://api.openai.com/v1", True, "stored")
    assert CANARY not in penstock("providers", "list").out
    kept = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert [path.name for path in kept if CANARY.encode() in path.read_bytes()] == []


def test_any_address_may_be_given_and_none_is_needed_where_one_is_known(penstock):
    assert penstock("providers", "add", "my-models", "--base-url", "http://127.0.0.1:8000/v1", "--no-key").code == 0
    assert penstock("providers", "add", "ollama").code == 0
    assert {name: row["base_url"] for name, row in listed(penstock).items()} == {
        "my_models": "http://127.0.0.1:8000/v1",
        "ollama": "http://127.0.0.1:11434/v1",
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["my-models", "--no-key"], "--base-url"),
        (["my-models", "--no-key", "--base-url", "ftp://x"], "http"),
        (["openai", "--api-key", " "], "--no-key"),
        (["openai", "--api-key", "schlüssel"], "characters"),
        (["openai", "--type", "grpc"], "grpc"),
    ],
)
def test_what_could_not_be_called_is_refused(penstock, arguments, words):
    done = penstock("providers", "add", *arguments)
    assert done.code != 0
    assert words in done.err


def test_a_provider_is_replaced_and_removed(penstock):
    for key in ("one", "two"):
        assert penstock("providers", "add", "openai", "--api-key", key).code == 0
    assert penstock("providers", "remove", "openai").code == 0
    assert listed(penstock) == {}
    assert "no model provider 'openai'" in penstock("providers", "remove", "openai").err


def test_the_environment_is_listed_too(penstock, monkeypatch):
    monkeypatch.setenv("PENSTOCK_PROVIDER_DEEPSEEK_API_KEY", CANARY)
    row = listed(penstock)["deepseek"]
    assert (row["base_url"], row["source"]) == ("https://api.deepseek.com/v1", "environment")
    assert CANARY not in str(row)


def test_known_providers_have_addresses(penstock):
    assert "https://api.deepseek.com/v1" in penstock("providers", "known").out


def test_a_workflow_asks_the_provider_that_was_added(penstock, dev_model, tmp_path):
    assert penstock("providers", "add", "tongyi", "--base-url", dev_model.base_url, "--api-key", CANARY).code == 0
    model = {"provider": "langgenius/tongyi/tongyi", "name": "qwen-max", "mode": "chat", "completion_params": {}}
    prompt = [{"role": "user", "text": "{{#start.q#}} [[dev: text=Afloat.]]"}]
    ask = documents.node("ask", "llm", model=model, prompt_template=prompt, context={"enabled": False}, vision={"enabled": False})
    nodes = [documents.start(documents.variable("q")), ask, documents.end(answer=["ask", "text"])]
    path = tmp_path / "asking.yml"
    path.write_text(json.dumps(documents.chain("Asking", nodes), ensure_ascii=False), "utf-8")

    done = penstock("run", path, "-i", "q=How?")

    assert (done.code, json.loads(done.out)) == (0, {"answer": "Afloat."})
    (call,) = dev_model.calls()
    assert (call["key"], call["body"]["model"]) == (f"Bearer {CANARY}", "qwen-max")
