"""Which address answers what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from app.dev_model import anthropic_replies, anthropic_requests, openai_replies, openai_requests, other_models
from app.dev_model.answering import JSON, Answering
from app.dev_model.asked import Asked, Body
from app.dev_model.delivery import GARBAGE, Delivery
from app.dev_model.directives import without_directives
from app.dev_model.replies import Reply, reply_to
from app.dev_model.sounds import MEDIA_TYPES, spoken
from app.dev_model.steps import Pause, Step
from app.dev_model.tokens import tokens_of

EVENT_STREAM = "text/event-stream; charset=utf-8"


@dataclass(frozen=True, slots=True)
class ChatWire:
    """A vendor's words for one address at which a model answers in text."""

    read: Callable[[Body], Asked]
    body: Callable[[Asked, Reply], Body]
    steps: Callable[[Asked, Reply], Iterator[Step]]
    error_frame: Callable[[str], bytes]


#: By the end of the path: vendors put different things in front.
CHAT_WIRES: Mapping[str, ChatWire] = {
    "/chat/completions": ChatWire(openai_requests.chat, openai_replies.chat_body, openai_replies.chat_steps, openai_replies.error_frame),
    "/completions": ChatWire(
        openai_requests.completion, openai_replies.completion_body, openai_replies.completion_steps, openai_replies.error_frame
    ),
    "/messages": ChatWire(
        anthropic_requests.messages, anthropic_replies.message_body, anthropic_replies.message_steps, anthropic_replies.error_frame
    ),
}


#: Answers the body of a request in pieces.
Answerer = Callable[[Body, Delivery, Answering], Iterator[bytes]]


def _chat(wire: ChatWire) -> Answerer:
    def answer(body: Body, delivery: Delivery, answering: Answering) -> Iterator[bytes]:
        asked = wire.read(body)
        reply = reply_to(asked, delivery.script)
        if asked.stream:
            answering.open(EVENT_STREAM)
            yield from delivery.stream(wire.steps(asked, reply), wire.error_frame)
        else:
            delivery.wait_for(reply.size)
            yield _whole(wire.body(asked, reply), delivery, answering)

    return answer


def _simple(make: Callable[[Body], Body]) -> Answerer:
    def answer(body: Body, delivery: Delivery, answering: Answering) -> Iterator[bytes]:
        made = make(body)
        delivery.wait_for(1)
        yield _whole(made, delivery, answering)

    return answer


def _whole(body: Body, delivery: Delivery, answering: Answering) -> bytes:
    if delivery.script.garbage or delivery.script.garbage_after is not None:
        answering.open(JSON)
        return GARBAGE.encode()
    return answering.json(body)


def _speech(body: Body, delivery: Delivery, answering: Answering) -> Iterator[bytes]:
    """A sound a word, each after the delay of a token."""
    text, media = other_models.speech(body)
    answering.open(MEDIA_TYPES[media])
    for sound in spoken(without_directives(text), media):
        yield from delivery.stream(iter((Pause.TOKEN, sound)), openai_replies.error_frame)


def _transcription(body: Body, delivery: Delivery, answering: Answering) -> Iterator[bytes]:
    text = other_models.transcription(body, delivery.script.text)
    delivery.wait_for(len(tokens_of(text)))
    if body.get("response_format") == "text":
        answering.open("text/plain; charset=utf-8")
        yield f"{text}\n".encode()
    else:
        yield _whole({"text": text}, delivery, answering)


ANSWERERS: Mapping[str, Answerer] = {
    **{ending: _chat(wire) for ending, wire in CHAT_WIRES.items()},
    "/embeddings": _simple(other_models.embeddings),
    "/rerank": _simple(other_models.rerank),
    "/audio/speech": _speech,
    "/audio/transcriptions": _transcription,
}


def answerer_of(path: str) -> Answerer | None:
    return next((answerer for ending, answerer in ANSWERERS.items() if path.endswith(ending)), None)


def chat_wire_of(path: str) -> ChatWire | None:
    return next((wire for ending, wire in CHAT_WIRES.items() if path.endswith(ending)), None)
