"""Calls of models over real HTTP: answers, faults, time-outs, retries and stops, by both SDKs."""

import json
import threading
import time
from collections.abc import Iterator

import pytest

from tests.services.models import DevModel
from tests.unit.llm.asking import ANTHROPIC, BOTH, OPENAI, Asking, gateway_to
from worker.config import Config, ConfigError
from worker.engine.errors import RunStopped
from worker.engine.models import (
    NOT_INITIALIZED,
    NOT_SUPPORTED,
    QUOTA_EXCEEDED,
    REQUEST_FAILED,
    Message,
    ModelError,
    ModelRef,
    ToolCall,
    ToolSpec,
)
from worker.llm import retrying
from worker.llm.gateway import ModelGateway
from worker.llm.providers import no_providers
from worker.model_providers import gateway as open_gateway

WEATHER = ToolSpec("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})


#: Failures that may pass.
PASSING = ("status=429 times=1", "status=500 times=2", "status=503 times=1", "drop times=1", "close_after_headers times=1")


@pytest.fixture(scope="module")
def gateway(shared_dev_model: DevModel) -> Iterator[ModelGateway]:
    with gateway_to(shared_dev_model, first_token_s=0.4, token_s=0.4) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def hasty_retries(monkeypatch):
    """Seconds are not worth a wait here; what a provider asks for is waited for all the same."""
    monkeypatch.setattr(retrying, "FIRST_DELAY_S", 0.02)


@pytest.fixture
def server(shared_dev_model: DevModel) -> DevModel:
    shared_dev_model.forget()
    return shared_dev_model


def failure(asking: Asking, provider: str, script: str, text: str = "") -> ModelError:
    with pytest.raises(ModelError) as caught:
        asking.ask(provider, text, script)
    return caught.value


@pytest.mark.parametrize("provider", BOTH)
def test_an_answer_arrives_in_pieces_and_as_a_whole(gateway, provider):
    asking = Asking(gateway)
    answer = asking.ask(provider, "Hi.", 'text="Hello there you"')
    assert len(asking.deltas) == 3
    assert asking.heard == answer.text == "Hello there you"
    assert answer.finish_reason == {OPENAI: "stop", ANTHROPIC: "end_turn"}[provider]
    assert (answer.usage.completion_tokens, answer.usage.total_tokens) == (3, answer.usage.prompt_tokens + 3)


@pytest.mark.parametrize("provider", BOTH)
def test_usage_has_prices_and_times(gateway, provider):
    name = {OPENAI: "gpt-4o-mini", ANTHROPIC: "claude-3-5-sonnet-20241022"}[provider]
    usage = Asking(gateway).ask(provider, "", "prompt_tokens=1000 completion_tokens=100", name=name).usage.to_json()
    prices = {OPENAI: ("0.15", "0.0001500", "0.0000600", "0.0002100"), ANTHROPIC: ("3", "0.0030000", "0.0015000", "0.0045000")}
    assert (usage["prompt_unit_price"], usage["prompt_price"], usage["completion_price"], usage["total_price"]) == prices[provider]
    assert (usage["prompt_price_unit"], usage["currency"]) == ("0.000001", "USD")
    assert 0 <= usage["time_to_first_token"] <= usage["latency"]


@pytest.mark.parametrize("provider", BOTH)
def test_tokens_that_nobody_counted_are_estimated(gateway, provider):
    usage = Asking(gateway).ask(provider, "Count me in.", 'usage=false text="one two three four"').usage
    assert 0 < usage.completion_tokens < 18
    assert usage.prompt_tokens > 0


@pytest.mark.parametrize("provider", BOTH)
@pytest.mark.parametrize("counted", ["prompt_tokens=0", "completion_tokens=0"])
def test_what_a_provider_leaves_out_of_its_count_is_estimated(gateway, provider, counted):
    usage = Asking(gateway).ask(provider, "Count me in.", f'{counted} text="one two three four"').usage
    assert min(usage.prompt_tokens, usage.completion_tokens) > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


@pytest.mark.parametrize("provider", BOTH)
@pytest.mark.parametrize("script", ["drop_after=3", "error_after=3", "hang_after=3", "garbage_after=3"])
def test_an_answer_that_breaks_off_costs_what_came_of_it(gateway, server, provider, script):
    error = failure(Asking(gateway), provider, f"{script} tokens=10")
    assert error.partial.total_tokens > 3
    assert (error.partial.spending.total_price > 0, error.partial.metadata["currency"]) == (provider == OPENAI, "USD")


@pytest.mark.parametrize("script", ["status=400", "drop", "hang", "garbage"])
def test_a_call_without_an_answer_costs_nothing(gateway, server, script):
    assert failure(Asking(gateway), OPENAI, script).partial.total_tokens == 0


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
SONNET_4_5, SONNET_3_5 = "claude-sonnet-4-5-20250929", "claude-3-5-sonnet-20241022"


@pytest.mark.parametrize(
    ("provider", "name", "script"),
    [
        (OPENAI, "gpt-4o-mini", "usage"),
        (OPENAI, "gpt-4.1-mini", "refuses=response_format"),
        (ANTHROPIC, SONNET_4_5, "usage"),
        (ANTHROPIC, SONNET_3_5, "usage"),
        (ANTHROPIC, SONNET_4_5, "refuses=output_config"),
    ],
)
def test_an_answer_of_a_schema_streams_as_text_however_it_is_asked_for(shared_dev_model, provider, name, script):
    with gateway_to(shared_dev_model) as gateway:
        asking = Asking(gateway)
        answer = asking.ask(provider, "Where?", script, name=name, json_schema=SCHEMA)
    assert isinstance(json.loads(answer.text)["city"], str)
    assert (asking.heard, answer.tool_calls) == (answer.text, ())
    assert len(asking.deltas) > 1
    assert answer.finish_reason in ("stop", "end_turn")


@pytest.mark.parametrize(("provider", "refused"), [(OPENAI, "stream_options"), (OPENAI, "temperature,seed"), (ANTHROPIC, "top_k")])
def test_what_a_server_refuses_it_is_asked_without(shared_dev_model, server, provider, refused):
    with gateway_to(shared_dev_model) as gateway:
        for _ in range(2):
            parameters = {"temperature": 0.5, "seed": 1, "top_k": 5}
            answer = Asking(gateway).ask(provider, "Hi.", f"refuses={refused} text=Fine.", parameters=parameters)
            assert answer.text == "Fine."
    assert len(server.calls()) == len(refused.split(",")) + 2


@pytest.mark.parametrize("provider", BOTH)
def test_thoughts_of_a_model_are_told_apart_from_its_text(gateway, provider):
    answer = Asking(gateway).ask(provider, "", 'reasoning="let me see" text="Done."')
    assert (answer.reasoning, answer.text) == ("let me see", "Done.")


def test_a_model_answers_with_pictures_and_sounds(gateway):
    answer = Asking(gateway).ask(OPENAI, "Draw.", 'text="Look here." images=2 sound')
    assert answer.text == "Look here."
    assert [media.mime_type for media in answer.media] == ["image/png", "image/png", "audio/wav"]
    assert all(media.content.startswith(b"\x89PNG") for media in answer.media[:2])
    assert answer.media[2].content.startswith(b"RIFF")


@pytest.mark.parametrize("provider", BOTH)
def test_a_model_calls_tools(gateway, provider):
    script = 'calls=[{"name":"weather","arguments":{"city":"Rome"}},{"name":"weather","arguments":{"city":"Oslo"}}]'
    answer = Asking(gateway).ask(provider, "", script, tools=[WEATHER])
    assert [(call.name, call.arguments.replace(" ", "")) for call in answer.tool_calls] == [
        ("weather", '{"city":"Rome"}'),
        ("weather", '{"city":"Oslo"}'),
    ]
    assert all(call.id for call in answer.tool_calls)


@pytest.mark.parametrize("provider", BOTH)
def test_results_of_tools_are_sent_back(gateway, provider):
    calls = (ToolCall("call_1", "weather", '{"city": "Rome"}'), ToolCall("call_2", "weather", '{"city": "Oslo"}'))
    messages = [
        Message.of("system", "Be brief."),
        Message.of("user", "Where is it warmer?"),
        Message("assistant", (), calls),
        Message("tool", Message.of("tool", "20").parts, tool_call_id="call_1"),
        Message("tool", Message.of("tool", "5").parts, tool_call_id="call_2"),
    ]
    assert Asking(gateway).ask(provider, "Well?", 'text="In Rome."', messages=messages, tools=[WEATHER]).text == "In Rome."


def test_a_completion_model_gets_one_text(gateway):
    assert Asking(gateway).ask(OPENAI, "Once upon", 'text="a time"', mode="completion", name="davinci-002").text == "a time"


@pytest.mark.parametrize("provider", BOTH)
@pytest.mark.parametrize("script", PASSING)
def test_failures_that_may_pass_are_tried_again(gateway, server, provider, script):
    assert Asking(gateway).ask(provider, "", f"{script} text=Fine.").text == "Fine."


@pytest.mark.parametrize("provider", BOTH)
def test_retry_after_is_honoured(gateway, server, provider):
    begun = time.monotonic()
    Asking(gateway).ask(provider, "", "status=429 retry_after=1 times=1")
    assert time.monotonic() - begun >= 1.0


def test_a_provider_that_wants_to_be_left_alone_for_long_fails_the_call_at_once(gateway, server):
    begun = time.monotonic()
    error = failure(Asking(gateway), OPENAI, "status=429 retry_after=3600")
    assert (error.error_type, time.monotonic() - begun < 1.0) == ("InvokeRateLimitError", True)
    assert len(server.calls()) == 1


@pytest.mark.parametrize("provider", BOTH)
@pytest.mark.parametrize(
    ("script", "code", "kind"),
    [
        ("status=400", REQUEST_FAILED, "InvokeBadRequestError"),
        ("status=401", REQUEST_FAILED, "InvokeAuthorizationError"),
        ("status=402", QUOTA_EXCEEDED, "QuotaExceededError"),
        ("status=404", NOT_SUPPORTED, "ModelNotExistError"),
        ('status=429 message="You exceeded your current quota: insufficient_quota"', QUOTA_EXCEEDED, "QuotaExceededError"),
    ],
)
def test_what_is_final_is_asked_once_and_named_by_its_code(gateway, server, provider, script, code, kind):
    error = failure(Asking(gateway), provider, script)
    assert (error.code, error.error_type) == (code, kind)
    assert len(server.calls()) == 1


@pytest.mark.parametrize("provider", BOTH)
def test_errors_have_the_providers_words_but_not_its_key(gateway, provider):
    key = {OPENAI: "sk-secret-of-openai", ANTHROPIC: "sk-secret-of-anthropic"}[provider]
    error = failure(Asking(gateway), provider, f'status=401 message="No such key: {key}!"')
    assert error.message == f"[{provider.rpartition('/')[2]}] No such key: ********!"


@pytest.mark.parametrize("provider", BOTH)
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("hang", "did not begin to answer within 0.4 seconds"),
        ("hang_after=2", "fell silent for 0.4 seconds"),
        ("drop_after=2", "peer closed connection"),
        ("garbage_after=2", ""),
        ("error_after=2", "The script wants an error"),
    ],
)
def test_faults_end_the_call_with_one_sentence(gateway, server, provider, script, words):
    asking = Asking(gateway)
    error = failure(asking, provider, script)
    assert words in error.message
    # What was heard cannot be unheard, so nothing is asked for twice.
    assert len(server.calls()) == 1
    assert len(asking.deltas) == (0 if script == "hang" else 2)


@pytest.mark.parametrize("provider", BOTH)
def test_garbage_is_no_answer(gateway, provider):
    assert failure(Asking(gateway), provider, "garbage").code == REQUEST_FAILED


@pytest.mark.parametrize("provider", BOTH)
def test_closing_after_the_headers_fails_in_the_end(gateway, server, provider):
    assert "closed" in failure(Asking(gateway), provider, "close_after_headers").message
    assert len(server.calls()) == 3


def test_a_whole_call_has_an_end(shared_dev_model):
    with gateway_to(shared_dev_model, total_s=0.5) as gateway:
        error = failure(Asking(gateway), OPENAI, "tokens=1000 delay_ms=50")
    assert "longer than 0.5 seconds" in error.message


def test_a_provider_that_nobody_listens_at_is_named(shared_dev_model):
    with gateway_to(shared_dev_model, retries=0, address="http://127.0.0.1:9") as gateway:
        error = failure(Asking(gateway), OPENAI, "")
    assert error.message == "[openai] http://127.0.0.1:9: [Errno 111] Connection refused"


#: The promise is one second; the machine may be busy.
WITHIN_S = 3.0


@pytest.mark.parametrize("provider", BOTH)
@pytest.mark.parametrize(
    ("script", "state"), [("hang", "open"), ("tokens=10000 delay_ms=50", "open"), ("status=429 retry_after=20", "complete")]
)
def test_a_stop_ends_a_call_and_hangs_up(shared_dev_model, server, provider, script, state):
    """Counted from when the call is there: before that, the vendor's library is still being loaded."""
    stopped_at = []
    with gateway_to(shared_dev_model) as gateway:
        asking = Asking(gateway)

        def stop_what_is_there():
            server.wait_for_calls(state)
            stopped_at.append(time.monotonic())
            asking.inbox.stop()

        stopping = threading.Thread(target=stop_what_is_there)
        stopping.start()
        with pytest.raises(RunStopped):
            asking.ask(provider, "", script)
        assert time.monotonic() - stopped_at[0] < WITHIN_S
        stopping.join()
    if state == "open":
        server.wait_for_calls("hung up", timeout_s=WITHIN_S)


def test_a_connection_serves_one_call_after_the_other(gateway, server):
    for _ in range(3):
        Asking(gateway).ask(OPENAI, "Hi.")
    client = gateway._client(ModelRef(OPENAI, "gpt-4o-mini"))
    assert len(client._http._transport._pool.connections) == 1


def test_media_go_by_address_if_the_deployment_says_so():
    environ = {"PENSTOCK_PROVIDER_OPENAI_API_KEY": "k"}
    for setting, by_address in (("", False), ("base64", False), ("url", True)):
        config = Config.from_env({"PENSTOCK_MULTIMODAL_SEND_FORMAT": setting} if setting else {})
        made = open_gateway(config, environ, no_providers)
        assert made.features(ModelRef(OPENAI, "gpt-4o")).by_address is by_address
    with pytest.raises(ConfigError, match="PENSTOCK_MULTIMODAL_SEND_FORMAT"):
        Config.from_env({"PENSTOCK_MULTIMODAL_SEND_FORMAT": "fax"})


def test_a_provider_without_a_key_says_what_to_do(gateway):
    error = failure(Asking(gateway), "langgenius/deepseek/deepseek", "")
    assert error.code == NOT_INITIALIZED
    assert "PENSTOCK_PROVIDER_DEEPSEEK_API_KEY" in error.message


def test_texts_become_vectors_in_their_order(gateway):
    model = ModelRef(OPENAI, "text-embedding-3-small")
    texts = ["a river", "a stone"]
    together = gateway.embed(model, texts)
    assert [list(vector) for vector in together.vectors] == [list(gateway.embed(model, [text]).vectors[0]) for text in texts]
    assert together.usage.prompt_tokens > 0


def test_documents_are_ranked(gateway):
    ranked = gateway.rerank(ModelRef(OPENAI, "reranker"), "river boats", ["stones", "boats on a river", "a river"], 2)
    assert [document.index for document in ranked] == [1, 2]
    assert ranked[0].score >= ranked[1].score


def test_speech_comes_in_pieces_and_may_be_left(gateway, server):
    pieces = gateway.speak(ModelRef(OPENAI, ""), "Good morning to all of you.")
    assert next(pieces)
    pieces.close()
    assert b"".join(gateway.speak(ModelRef(OPENAI, "tts-1"), "Good morning.")).startswith(b"\xff")


def test_recordings_are_written_down(gateway):
    assert "a.mp3" in gateway.transcribe(ModelRef(OPENAI, "whisper-1"), b"x" * 100, "a.mp3", "audio/mpeg")


def test_what_a_provider_does_not_offer_is_said(gateway):
    with pytest.raises(ModelError, match="offers no embeddings") as caught:
        gateway.embed(ModelRef(ANTHROPIC, "claude"), ["a"])
    assert caught.value.code == NOT_SUPPORTED
