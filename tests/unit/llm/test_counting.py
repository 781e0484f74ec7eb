"""Estimates against four tokenizers (cl100k, o200k, an old Claude's, DeepSeek's): litellm ships their vocabularies; asked once."""

import json
import time
from pathlib import Path

import pytest

from worker.engine.inbox import Inbox
from worker.engine.models import MediaPart, Message, ModelRef, ModelRequest, ToolCall, ToolSpec, Usage
from worker.engine.variables import File
from worker.llm.calls import Call, Timeouts
from worker.llm.counting import tokens_of, used
from worker.llm.drafts import Draft

#: Texts with the mean of their tokens, the least and the most.
COUNTED = json.loads(Path(__file__).with_name("token_counts.json").read_text("utf-8"))


@pytest.mark.parametrize("counted", COUNTED, ids=[item["text"][:12] for item in COUNTED])
def test_an_estimate_is_near_what_tokenizers_count(counted):
    estimate = tokens_of(counted["text"])
    assert 0.69 * counted["mean"] <= estimate <= 1.21 * counted["mean"] + 1
    assert 0.7 * counted["least"] <= estimate <= 1.25 * counted["most"] + 1


def test_no_text_has_no_tokens_and_any_other_has_some():
    assert (tokens_of(""), tokens_of(" "), tokens_of("a"), tokens_of("\n")) == (0, 1, 1, 1)


@pytest.mark.parametrize("piece", [" ", "\x0b", "\t\n", "a", "9", "-", "\u6587", "a\u6587 9-"])
def test_long_texts_are_counted_in_time(piece):
    begun = time.perf_counter()
    tokens_of(piece * 50_000)
    assert time.perf_counter() - begun < 2


def draft(*said, usage=None, reasoning="", calls=()):
    made = Draft(Call(Inbox(), Timeouts()), lambda delta: None)
    for text in said:
        made.say(text)
    made.think(reasoning)
    for number, (name, arguments) in enumerate(calls):
        made.call_tool(number, f"c{number}", name, arguments)
    made.usage = usage
    return made


def request(*messages, **more):
    return ModelRequest(ModelRef("p", "m"), messages or [Message.of("user", "one two three")], **more)


@pytest.mark.parametrize("usage", [Usage(7, 5), Usage(7, 5, 40)])
def test_what_a_provider_counts_is_what_counts(usage):
    assert used(request(), draft("Hi.", usage=usage)) == usage


def test_an_answer_without_a_word_may_have_no_tokens():
    assert used(request(), draft(usage=Usage(7, 0))) == Usage(7, 0)


@pytest.mark.parametrize(
    ("told", "prompt", "completion", "total"),
    [
        (None, 7, 2, 9),
        (Usage(100, 0), 100, 2, 102),
        (Usage(0, 50), 7, 50, 57),
        (Usage(0, 0, 40), 7, 33, 40),
        (Usage(0, 0, 3), 3, 0, 3),
    ],
)
def test_what_nobody_counted_is_estimated(told, prompt, completion, total):
    found = used(request(), draft("Hi.", usage=told))
    assert (found.prompt_tokens, found.completion_tokens, found.total_tokens) == (prompt, completion, total)


def test_everything_that_flows_counts():
    plain = used(request(), draft("Hi."))
    call = ToolCall("c", "weather", json.dumps({"city": "Reykjavik"}))
    picture = MediaPart(File("image", "local_file", "a.png", ".png", "image/png", 3), "low", b"abc")
    tool = ToolSpec("weather", "Tells the weather.", {"type": "object"})

    assert used(request(), draft("Hi.", reasoning="let me think")).completion_tokens > plain.completion_tokens
    assert used(request(), draft(calls=[("weather", "{}")])).completion_tokens > 0
    assert used(request(tools=[tool]), draft("Hi.")).prompt_tokens > plain.prompt_tokens
    assert used(request(json_schema={"type": "object"}), draft("Hi.")).prompt_tokens > plain.prompt_tokens
    assert used(request(Message("assistant", (), (call,))), draft("Hi.")).prompt_tokens > 10
    assert used(request(Message("user", (picture,))), draft("Hi.")).prompt_tokens == 4 + 85
