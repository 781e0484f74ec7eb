"""The words of the OpenAI API, read by that vendor's own client."""

import base64
import io
import json
import time

import jsonschema
import openai
import pytest
from PIL import Image

from app.dev_model.tokens import tokens_of

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture(scope="module")
def client(vendor):
    with openai.OpenAI(base_url=f"{vendor}/v1", api_key="any", max_retries=0, timeout=10) as client:
        yield client


def asked(text, role="user"):
    return [{"role": role, "content": text}]


def test_an_answer_repeats_what_was_asked(client):
    answer = client.chat.completions.create(model="gpt-4o", messages=asked("Is tea ready?"))

    assert answer.model == "gpt-4o"
    assert answer.choices[0].message.content.startswith("A sample answer to “Is tea ready?”: ")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens == 3
    assert answer.usage.completion_tokens == len(tokens_of(answer.choices[0].message.content))


def test_answers_are_the_same_each_time_and_differ_by_prompt(client):
    def words(prompt):
        return client.chat.completions.create(model="dev", messages=asked(f"{prompt} [[dev: tokens=12]]")).choices[0].message.content

    assert words("One") == words("One") != words("Two")
    assert len(words("One").split()) == 12


def test_a_stream_is_the_answer_in_tokens_and_ends_with_its_usage(client):
    question = asked("Count [[dev: tokens=4]]")
    whole = client.chat.completions.create(model="dev", messages=question)
    chunks = list(client.chat.completions.create(model="dev", messages=question, stream=True, stream_options={"include_usage": True}))

    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert len(texts) == 4
    assert "".join(texts) == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]] == [None] * 5 + ["stop"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_tells_no_usage_unless_asked(client):
    chunks = client.chat.completions.create(model="dev", messages=asked("x"), stream=True)

    assert {chunk.usage for chunk in chunks} == {None}


def test_usage_can_be_scripted_or_left_out(client):
    scripted = client.chat.completions.create(model="dev", messages=asked("x [[dev: prompt_tokens=1000 completion_tokens=500]]"))
    silent = client.chat.completions.create(model="dev", messages=asked("x [[dev: usage=false]]"))

    assert (scripted.usage.prompt_tokens, scripted.usage.completion_tokens, scripted.usage.total_tokens) == (1000, 500, 1500)
    assert silent.usage is None


def test_an_exact_text_can_be_scripted_in_prompt_model_name_and_header(client):
    def said(model="dev", prompt="x", **more):
        return client.chat.completions.create(model=model, messages=asked(prompt), **more).choices[0].message.content

    assert said(prompt='x [[dev: text="In a  prompt"]]') == "In a  prompt"
    assert said(model="dev?text=in%20a%20name") == "in a name"
    assert said(extra_headers={"X-Dev": 'text="in a header"'}) == "in a header"
    assert said(model="dev?text=name", prompt='[[dev: text="prompt"]]', extra_headers={"X-Dev": "text=header"}) == "prompt"


def test_directives_in_what_a_model_said_earlier_do_not_count(client):
    messages = [*asked("Hi"), *asked("[[dev: status=500]]", "assistant"), *asked("Go on")]

    assert client.chat.completions.create(model="dev", messages=messages).choices[0].finish_reason == "stop"


def test_reasoning_has_a_field_of_its_own_and_thoughts_are_text(client):
    question = asked('x [[dev: reasoning="let me see" think="hm" text="Done."]]')
    message = client.chat.completions.create(model="dev", messages=question).choices[0].message
    deltas = [chunk.choices[0].delta for chunk in client.chat.completions.create(model="dev", messages=question, stream=True)]

    assert message.reasoning_content == "let me see"
    assert message.content == "<think>hm</think>\n\nDone."
    assert [delta.reasoning_content for delta in deltas if hasattr(delta, "reasoning_content")] == ["let ", "me ", "see"]
    assert "".join(delta.content or "" for delta in deltas) == message.content


def test_pictures_come_beside_the_text(client):
    question = asked("Draw [[dev: text=Look. images=2]]")
    whole = client.chat.completions.create(model="dev", messages=question).choices[0].message
    chunks = list(client.chat.completions.create(model="dev", messages=question, stream=True))

    streamed = [image for chunk in chunks if chunk.choices for image in getattr(chunk.choices[0].delta, "images", [])]
    assert (whole.content, whole.images) == ("Look.", streamed)
    pictures = [base64.b64decode(image["image_url"]["url"].removeprefix("data:image/png;base64,")) for image in streamed]
    assert [Image.open(io.BytesIO(picture)).size for picture in pictures] == [(16, 16), (16, 16)]
    assert pictures[0] != pictures[1]


def test_a_spoken_answer_has_its_words_beside_it(client):
    question = asked('Speak [[dev: text="Good morning." sound]]')
    whole = client.chat.completions.create(model="dev", messages=question).choices[0].message
    assert (whole.content, whole.audio.transcript) == (None, "Good morning.")
    assert base64.b64decode(whole.audio.data).startswith(b"RIFF")

    chunks = list(client.chat.completions.create(model="dev", messages=question, stream=True))
    spoken = [chunk.choices[0].delta.audio for chunk in chunks if chunk.choices and getattr(chunk.choices[0].delta, "audio", None)]
    assert "".join(piece.transcript or "" for piece in spoken) == "Good morning."
    assert sum(len(base64.b64decode(piece.data or "")) for piece in spoken) > 1000


def test_a_tool_that_is_offered_is_called_with_arguments_that_fit(client):
    answer = client.chat.completions.create(model="dev", messages=asked("How is the weather?"), tools=[WEATHER])

    [call] = answer.choices[0].message.tool_calls
    assert answer.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "weather"
    jsonschema.validate(json.loads(call.function.arguments), WEATHER["function"]["parameters"])


def test_a_tool_call_is_streamed_in_pieces(client):
    question = asked('x [[dev: tool=weather arguments={"city": "New York", "days": 3}]]')
    chunks = list(client.chat.completions.create(model="dev", messages=question, tools=[WEATHER], stream=True))

    pieces = [chunk.choices[0].delta.tool_calls[0] for chunk in chunks if chunk.choices[0].delta.tool_calls]
    assert pieces[0].function.name == "weather"
    assert pieces[0].id
    assert len(pieces) > 3
    assert json.loads("".join(piece.function.arguments for piece in pieces)) == {"city": "New York", "days": 3}
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_several_calls_can_be_scripted(client):
    question = asked('x [[dev: calls=[{"name": "a", "arguments": {"n": 1}}, {"name": "b"}]]]')

    calls = client.chat.completions.create(model="dev", messages=question, tools=[WEATHER]).choices[0].message.tool_calls

    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == [("a", {"n": 1}), ("b", {})]
    assert len({call.id for call in calls}) == 2


def test_after_its_results_a_model_answers_in_words(client):
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    messages = [
        *asked("Weather? [[dev: tool=weather]]"),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ]

    answer = client.chat.completions.create(model="dev", messages=messages, tools=[WEATHER])

    assert answer.choices[0].message.tool_calls is None
    assert answer.choices[0].message.content.startswith("A sample answer to “Weather?”")


def test_the_choice_of_tools_is_heeded(client):
    def names(choice, prompt="x"):
        other = {"type": "function", "function": {"name": "other", "parameters": {"type": "object"}}}
        tools = [WEATHER, other]
        message = client.chat.completions.create(model="dev", messages=asked(prompt), tools=tools, tool_choice=choice).choices[0].message
        return [call.function.name for call in message.tool_calls or ()]

    assert names("none") == []
    assert names("auto") == ["weather"]
    assert names("auto", "use the other tool") == ["other"]
    assert names("auto", "[[dev: tokens=2]]") == []
    assert names("required", "[[dev: tokens=2]]") == ["weather"]
    assert names({"type": "function", "function": {"name": "other"}}) == ["other"]


def test_an_answer_fits_the_schema_that_is_asked_for(client):
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 18}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True}}

    answer = client.chat.completions.create(model="dev", messages=asked("Who?"), response_format=wanted)

    jsonschema.validate(json.loads(answer.choices[0].message.content), schema)


def test_a_json_object_is_one_without_a_fence(client):
    answer = client.chat.completions.create(model="dev", messages=asked("Who?"), response_format={"type": "json_object"})

    assert list(json.loads(answer.choices[0].message.content)) == ["result"]


def test_json_that_a_prompt_asks_for_comes_in_a_fence(client):
    answer = client.chat.completions.create(model="dev", messages=asked('Answer in JSON: {"a": 1}'))

    assert answer.choices[0].message.content == '```json\n{"a": 1}\n```'


def test_stop_words_and_limits_cut_an_answer(client):
    def choice(**more):
        return client.chat.completions.create(model="dev", messages=asked('[[dev: text="one two three four"]]'), **more).choices[0]

    assert (choice(stop=["three"]).message.content, choice(stop="three").finish_reason) == ("one two ", "stop")
    assert (choice(max_tokens=2).message.content, choice(max_completion_tokens=2).finish_reason) == ("one two ", "length")


def test_media_count_as_tokens(client):
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]

    answer = client.chat.completions.create(model="dev", messages=[{"role": "user", "content": content}])

    assert answer.usage.prompt_tokens == 3 + 85


def test_a_clock_tells_when_each_token_was_sent(client):
    before = time.time_ns()
    chunks = client.chat.completions.create(model="dev", messages=asked("[[dev: clock tokens=3 delay_ms=20]]"), stream=True)
    times = [int(chunk.choices[0].delta.content) for chunk in chunks if chunk.choices[0].delta.content]

    assert before < times[0] < times[1] < times[2] <= time.time_ns()
    assert times[2] - times[0] >= 40e6


def test_completions_answer_a_text(client):
    question = {"model": "dev", "prompt": "Once upon a time [[dev: tokens=3]]"}
    whole = client.completions.create(**question)
    chunks = list(client.completions.create(**question, stream=True, stream_options={"include_usage": True}))

    assert len(whole.choices[0].text.split()) == 3
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text
    assert chunks[-1].usage == whole.usage


def test_models_are_listed(client):
    assert "dev" in [model.id for model in client.models.list()]
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"messages": []}, "Invalid 'messages': empty array. Expected an array with minimum length 1."),
        ({"model": ""}, "you must provide a model parameter"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "Invalid value: 'robot'. Supported values are: "),
        ({"messages": [{"role": "user", "content": None}]}, "Invalid value for 'content': "),
        ({"messages": [{"role": "user", "content": [{"type": "smell"}]}]}, "Invalid value: 'smell'. Supported values are: "),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}, "messages with role 'tool' must be a response"),
        (
            {"messages": [{"role": "assistant", "content": "", "tool_calls": [{"id": "1"}]}, {"role": "user", "content": "x"}]},
            "An assistant message with 'tool_calls' must be followed by tool messages",
        ),
        ({"max_tokens": 0}, "Invalid value for 'max_tokens': expected an integer above 0, got 0."),
        ({"response_format": {"type": "xml"}}, "Invalid value: 'xml'. Supported values are: "),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}, "you must provide a name parameter"),
        ({"tools": ["weather"]}, "Invalid type for 'tools': expected an array of objects."),
        ({"tool_choice": "some"}, "Invalid value: 'some'. Supported values are: "),
        ({"stop": [1]}, "Invalid type for 'stop': "),
        ({"messages": [{"role": "user", "content": "[[dev: fly]]"}]}, "There is no directive 'fly'; "),
    ],
)
def test_bodies_that_a_vendor_refuses_are_refused(http, change, message):
    answer = http.post("/v1/chat/completions", json={"model": "dev", "messages": asked("x"), **change})

    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(message)
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_body_that_is_no_json_is_refused(http):
    assert http.post("/v1/chat/completions", content=b"{").status_code == 400


def test_other_addresses_do_not_exist(http):
    assert http.post("/v1/nothing", json={}).status_code == 404
    assert http.get("/v1/chat/completions").status_code == 404


@pytest.mark.parametrize("text", ["Write Python code that adds numbers.", "使用 pandas 生成代码。python代码最终输出 Markdown"])
def test_code_is_answered_where_code_is_asked_for(chat, text):
    assert chat(text).json()["choices"][0]["message"]["content"].startswith("```python\n")
