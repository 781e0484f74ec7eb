"""Requests on the wire, and answers as loosely as servers keep to it."""

import httpx2
import pytest

from worker.engine.inbox import Inbox
from worker.engine.models import MediaPart, Message, ModelRef, ModelRequest, TextPart, ToolCall, Usage
from worker.engine.variables import File
from worker.llm import anthropic_messages, openai_messages
from worker.llm.calls import Call, Timeouts
from worker.llm.drafts import Draft
from worker.llm.openai_answers import chunks_of, events_of, take_chunk
from worker.llm.providers import Provider


def media(kind, extension, mime_type):
    return MediaPart(File(kind, "local_file", f"a{extension}", extension, mime_type, 3), "low", b"abc")


PICTURE, SOUND = media("image", ".png", "image/png"), media("audio", ".mp3", "audio/mpeg")
FILM, PAPER = media("video", ".mp4", "video/mp4"), media("document", ".pdf", "application/pdf")


def request(*messages, **more):
    return ModelRequest(ModelRef("openai", "m", more.pop("mode", "chat")), messages, **more)


def test_media_become_the_parts_of_the_api():
    body = openai_messages.body_of(request(Message("user", (PICTURE, SOUND, FILM, PAPER, TextPart("What?")))), Provider("x", "openai"))
    assert body["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,YWJj", "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": "YWJj", "format": "mp3"}},
        {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,YWJj"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,YWJj"}},
        {"type": "text", "text": "What?"},
    ]


def test_texts_alone_are_sent_plainly_and_stops_with_them():
    body = openai_messages.body_of(request(Message.of("user", "a"), stop=["END"]), Provider("x", "openai"))
    assert (body["messages"], body["stop"]) == ([{"role": "user", "content": "a"}], ["END"])


def test_a_completion_is_one_text():
    body = openai_messages.body_of(request(Message.of("user", "a"), mode="completion"), Provider("x", "openai"))
    assert body["prompt"] == "a"
    assert "messages" not in body


def test_anthropic_gets_system_texts_apart_and_turns_in_turn():
    calls = (ToolCall("1", "f", '{"a": 1}'), ToolCall("2", "g", "broken"))
    body = anthropic_messages.body_of(
        request(
            Message.of("system", "Be brief."),
            Message("user", (PICTURE, TextPart("Look."))),
            Message("assistant", (), calls),
            Message("tool", (TextPart("one"),), tool_call_id="1"),
            Message("tool", (TextPart("two"),), tool_call_id="2"),
            stop=["END", "\n"],
        )
    )
    assert (body["system"], body["stop_sequences"]) == ("Be brief.", ["END"])
    user, assistant, results = body["messages"]
    assert user["content"][0] == {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "YWJj"}}
    assert [block["input"] for block in assistant["content"]] == [{"a": 1}, {}]
    assert [(block["tool_use_id"], block["content"]) for block in results["content"]] == [("1", "one"), ("2", "two")]


NOTE = MediaPart(File("document", "local_file", "a.md", ".md", "text/markdown", 3), "low", "# Ü".encode())


def test_anthropic_reads_texts_as_texts_and_other_papers_as_they_are():
    [message] = anthropic_messages.body_of(request(Message("user", (PAPER, NOTE))))["messages"]
    assert [block["source"] for block in message["content"]] == [
        {"type": "base64", "media_type": "application/pdf", "data": "YWJj"},
        {"type": "text", "media_type": "text/plain", "data": "# Ü"},
    ]
    assert [block["title"] for block in message["content"]] == ["a.pdf", "a.md"]


def test_media_by_address_are_sent_as_addresses():
    part = MediaPart(PICTURE.file, "low", url="https://a.example/a.png")
    openai = openai_messages.body_of(request(Message("user", (part,))), Provider("x", "openai"))["messages"][0]["content"]
    anthropic = anthropic_messages.body_of(request(Message("user", (part,))))["messages"][0]["content"]
    assert openai[0]["image_url"]["url"] == "https://a.example/a.png"
    assert anthropic[0]["source"] == {"type": "url", "url": "https://a.example/a.png"}


def test_anthropic_is_never_without_a_question():
    assert anthropic_messages.body_of(request(Message.of("system", "x")))["messages"][0]["role"] == "user"


def draft():
    return Draft(Call(Inbox(), Timeouts()), lambda delta: None)


def test_servers_that_do_not_stream_are_understood():
    told = {"choices": [{"message": {"content": "Hi."}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    response = httpx2.Response(200, json=told)
    made = draft()
    for chunk in chunks_of(response, Call(Inbox(), Timeouts())):
        take_chunk(made, chunk)
    assert (made.text, made.finish_reason, made.usage) == ("Hi.", "stop", Usage(1, 2, 3))


def test_content_may_come_in_parts_with_thoughts_among_them():
    made = draft()
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Yes."}]
    take_chunk(made, {"choices": [{"delta": {"content": parts}}]})
    answer = made.answer(Usage())
    assert (answer.reasoning, answer.text) == ("hm", "Yes.")


def test_calls_without_an_index_or_an_id_are_kept_apart():
    made = draft()
    calls = [{"function": {"name": "f", "arguments": {"a": 1}}}, {"function": {"name": "g"}}]
    take_chunk(made, {"choices": [{"delta": {"tool_calls": calls}}]})
    found = made.answer(Usage()).tool_calls
    assert [(call.name, call.arguments) for call in found] == [("f", '{"a": 1}'), ("g", "{}")]
    assert found[0].id != found[1].id


@pytest.mark.parametrize("chunk", [[], "x", 1, None, {"choices": [{"delta": "x"}]}])
def test_what_is_no_chunk_is_refused(chunk):
    with pytest.raises(ValueError, match="no chunk"):
        take_chunk(draft(), chunk)


def test_events_may_be_torn_anywhere_and_hold_any_line_separator():
    text = 'data: {"a": "\u2028 \x85"}\r\n\r\n: ping\n\ndata:{"b":1}\n\ndata: last'.encode()
    pieces = [text[index : index + 3] for index in range(0, len(text), 3)]
    assert [event.decode() for event in events_of(pieces)] == ['{"a": "\u2028 \x85"}', '{"b":1}', "last"]
