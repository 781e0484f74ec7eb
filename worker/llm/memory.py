"""The in-memory twin of the model providers: answers from a script, for tests and for trying a workflow in one process."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from worker.engine.errors import NodeError
from worker.engine.models import (
    Answer,
    Delta,
    Embeddings,
    Features,
    ModelRef,
    ModelRequest,
    RankedDocument,
    Stopper,
    Usage,
)

#: An answer, its text, or the failure of the call.
Reply = Answer | str | NodeError

#: A text in pieces as a model would send it: each word with the space after it.
PIECES = re.compile(r"\S+\s*|\s+")


class ScriptedModels:
    """Gives one reply after the other, or what ``script`` makes of each request; keeps the requests.

    The last reply of a list is given again and again. Threads may share it: who calls first gets the next reply.
    """

    def __init__(self, script: Callable[[ModelRequest], Reply] | Sequence[Reply] = ("ok",), *, features: Features | None = None) -> None:
        self._script = script if callable(script) else _each_in_turn(script)
        self._features = features or Features()
        #: In order of arrival.
        self.requests: list[ModelRequest] = []
        #: Text of every ``speak``.
        self.spoken: list[str] = []

    def features(self, model: ModelRef) -> Features:
        return self._features

    def stream(self, request: ModelRequest, cancellation: Stopper, on_delta: Callable[[Delta], None]) -> Answer:
        self.requests.append(request)
        cancellation.check()
        reply = self._script(request)
        if isinstance(reply, NodeError):
            raise reply
        answer = _counted(request, reply) if isinstance(reply, str) else reply
        for reasoning in PIECES.findall(answer.reasoning):
            on_delta(Delta(reasoning=reasoning))
        for text in PIECES.findall(answer.text):
            cancellation.check()
            on_delta(Delta(text))
        return answer

    def embed(self, model: ModelRef, texts: Sequence[str], cancellation: Stopper | None = None) -> Embeddings:
        """Three numbers a text: its length, its words, its vowels."""
        vectors = [[float(len(text)), float(len(text.split())), float(len(re.findall("[aeiou]", text)))] for text in texts]
        return Embeddings(vectors, Usage(prompt_tokens=sum(len(text.split()) for text in texts)))

    def rerank(
        self, model: ModelRef, query: str, documents: Sequence[str], top_n: int, cancellation: Stopper | None = None
    ) -> list[RankedDocument]:
        """By the share of the query's words that a document has."""
        words = set(query.lower().split())
        scores = [len(words & set(document.lower().split())) / max(len(words), 1) for document in documents]
        ranked = sorted(range(len(documents)), key=lambda index: -scores[index])
        return [RankedDocument(index, scores[index]) for index in ranked[:top_n]]

    def speak(self, model: ModelRef, text: str, voice: str = "", cancellation: Stopper | None = None) -> Iterator[bytes]:
        """The words themselves, as bytes."""
        self.spoken.append(text)
        yield from (piece.encode() for piece in PIECES.findall(text))

    def transcribe(self, model: ModelRef, audio: bytes, filename: str, mime_type: str, cancellation: Stopper | None = None) -> str:
        """What ``speak`` made, as text again."""
        return audio.decode(errors="replace")


def _each_in_turn(replies: Sequence[Reply]) -> Callable[[ModelRequest], Reply]:
    waiting = iter(replies)
    last = replies[-1]
    return lambda request: next(waiting, last)


def _counted(request: ModelRequest, text: str) -> Answer:
    """An answer that has used a token for each word."""
    asked = sum(len(message.text.split()) for message in request.messages)
    return Answer(text, usage=Usage(prompt_tokens=asked, completion_tokens=len(text.split())), finish_reason="stop")
