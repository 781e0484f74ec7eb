"""The words of the Anthropic API, read by that vendor's own client."""

import json

import anthropic
import jsonschema
import pytest

TOOL = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}


@pytest.fixture(scope="module")
def client(vendor):
    with anthropic.Anthropic(base_url=vendor, api_key="any", max_retries=0, timeout=10) as client:
        yield client


def request(text, **more):
    return {"model": "claude", "max_tokens": 100, "messages": [{"role": "user", "content": text}], **more}


def test_a_message_is_answered(client):
    message = client.messages.create(**request("Is tea ready?", system="Be brief."))

    assert message.content[0].text.startswith("A sample answer to “Is tea ready?”: ")
    assert message.stop_reason == "end_turn"
    assert message.usage.input_tokens == 5
    assert message.usage.output_tokens > 20


def test_a_stream_adds_up_to_the_message(client):
    question = request('Count [[dev: tokens=4 reasoning="let me see"]]')
    whole = client.messages.create(**question)
    with client.messages.stream(**question) as stream:
        events = list(stream)
        streamed = stream.get_final_message()

    assert [block.type for block in whole.content] == ["thinking", "text"]
    assert [block.model_dump() for block in streamed.content] == [block.model_dump() for block in whole.content]
    assert streamed.usage.output_tokens == whole.usage.output_tokens == 4 + 3
    assert sum(event.type == "text" for event in events) == 4
    assert streamed.stop_reason == "end_turn"


def test_tools_are_used_and_their_results_taken(client):
    with client.messages.stream(**request("Weather?", tools=[TOOL])) as stream:
        message = stream.get_final_message()
    [use] = message.content
    result = {"type": "tool_result", "tool_use_id": use.id, "content": [{"type": "text", "text": "sunny"}]}
    turns = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": [result]},
    ]
    after = client.messages.create(model="claude", max_tokens=100, messages=turns, tools=[TOOL])

    assert message.stop_reason == "tool_use"
    assert use.name == "weather"
    jsonschema.validate(use.input, TOOL["input_schema"])
    assert after.stop_reason == "end_turn"


def test_the_choice_of_tools_is_heeded(client):
    def stop_reason(**choice):
        return client.messages.create(**request("[[dev: tokens=1]]", tools=[TOOL], tool_choice=choice)).stop_reason

    assert stop_reason(type="any") == stop_reason(type="tool", name="weather") == "tool_use"
    assert stop_reason(type="auto") == stop_reason(type="none") == "end_turn"


def test_an_answer_fits_the_schema_that_is_asked_for(client):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}

    message = client.messages.create(**request("x", output_config={"format": {"type": "json_schema", "schema": schema}}))

    jsonschema.validate(json.loads(message.content[0].text), schema)


def test_limits_and_stop_words_cut_an_answer(client):
    text = '[[dev: text="one two three"]]'

    assert client.messages.create(**{**request(text), "max_tokens": 1}).stop_reason == "max_tokens"
    assert client.messages.create(**request(text, stop_sequences=["two"])).content[0].text == "one "


def test_pictures_are_taken(client):
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}

    assert client.messages.create(**request([picture, {"type": "text", "text": "What?"}])).usage.input_tokens == 86


def test_errors_have_the_vendors_shape(client):
    with pytest.raises(anthropic.RateLimitError) as limited:
        client.messages.create(**request("[[dev: status=429 retry_after=2.5]]"))
    with (
        pytest.raises(anthropic.APIStatusError, match="broken in the middle"),
        client.messages.stream(**request('[[dev: error_after=1 message="broken in the middle"]]')) as stream,
    ):
        list(stream)

    assert limited.value.response.headers["retry-after"] == "2.5"
    assert limited.value.body["error"]["type"] == "rate_limit_error"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages: Unexpected role 'system'."),
        ({"messages": [{"role": "user", "content": ""}]}, "messages: user messages must have non-empty content"),
        ({"messages": [{"role": "user", "content": [{"type": "smell"}]}]}, "messages: Input tag 'smell' found"),
    ],
)
def test_bodies_that_the_vendor_refuses_are_refused(http, change, message):
    answer = http.post("/v1/messages", json={**request("x"), **change})

    assert answer.status_code == 400
    assert answer.json()["type"] == "error"
    assert answer.json()["error"]["message"].startswith(message)
