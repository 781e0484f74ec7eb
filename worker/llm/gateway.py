"""Every model provider behind the port ``engine/models.py``: one client a provider and address, shared by all runs of a process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Protocol, TypeVar

from worker.engine.errors import Partial
from worker.engine.models import (
    Answer,
    Delta,
    Embeddings,
    Features,
    ModelError,
    ModelRef,
    ModelRequest,
    RankedDocument,
    Stopper,
    Usage,
)
from worker.llm.calls import Call, Timeouts
from worker.llm.catalog import ANTHROPIC
from worker.llm.counting import used
from worker.llm.drafts import Draft
from worker.llm.features import features_of
from worker.llm.prices import Prices, priced
from worker.llm.providers import Provider, Providers
from worker.llm.retrying import attempted, with_retries

T = TypeVar("T")


class Client(Protocol):
    """One provider. All calls raise ``ModelError``."""

    def stream(self, request: ModelRequest, call: Call, draft: Draft) -> None:
        """Write the answer into the draft, and the tokens that it took as far as the provider tells them."""

    def embed(self, model: ModelRef, texts: Sequence[str], call: Call) -> Embeddings: ...

    def rerank(self, model: ModelRef, query: str, documents: Sequence[str], top_n: int, call: Call) -> list[RankedDocument]: ...

    def speak(self, model: ModelRef, text: str, voice: str, call: Call) -> Iterator[bytes]: ...

    def transcribe(self, model: ModelRef, audio: bytes, filename: str, mime_type: str, call: Call) -> str: ...

    def close(self) -> None: ...


class ModelGateway:
    """Implements ``Models``. Safe for any number of threads or greenlets; loads an SDK when it is first needed."""

    def __init__(self, providers: Providers, prices: Prices, timeouts: Timeouts, retries: int, *, sends_addresses: bool = False) -> None:
        self._providers = providers
        self._prices = prices
        self._timeouts = timeouts
        self._retries = retries
        #: Providers fetch pictures and films themselves.
        self._sends_addresses = sends_addresses
        self._lock = threading.Lock()
        #: Clients of a configuration that is no more stay, since calls may be under way.
        self._clients: dict[Provider, Client] = {}

    def close(self) -> None:
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            client.close()

    def features(self, model: ModelRef) -> Features:
        return replace(features_of(model), by_address=self._sends_addresses)

    def stream(self, request: ModelRequest, cancellation: Stopper, on_delta: Callable[[Delta], None]) -> Answer:
        client, call = self._client(request.model), Call(cancellation, self._timeouts)
        draft = with_retries(lambda: self._drafted(client, request, call, Draft(call, on_delta)), call, self._retries)
        return draft.answer(self._accounted(used(request, draft), request.model, call))

    def _drafted(self, client: Client, request: ModelRequest, call: Call, draft: Draft) -> Draft:
        try:
            client.stream(request, call, draft)
        except ModelError as error:
            if not draft.is_empty:
                # An answer that breaks off has been paid for as far as it came.
                error.partial = Partial.costing(self._accounted(used(request, draft), request.model, call).spending)
            raise
        return draft

    def embed(self, model: ModelRef, texts: Sequence[str], cancellation: Stopper | None = None) -> Embeddings:
        client, call = self._client(model), Call(cancellation, self._timeouts)
        found = with_retries(lambda: client.embed(model, texts, call), call, self._retries)
        return replace(found, usage=self._accounted(found.usage, model, call))

    def rerank(
        self, model: ModelRef, query: str, documents: Sequence[str], top_n: int, cancellation: Stopper | None = None
    ) -> list[RankedDocument]:
        client, call = self._client(model), Call(cancellation, self._timeouts)
        return with_retries(lambda: client.rerank(model, query, documents, top_n, call), call, self._retries)

    def transcribe(self, model: ModelRef, audio: bytes, filename: str, mime_type: str, cancellation: Stopper | None = None) -> str:
        client, call = self._client(model), Call(cancellation, self._timeouts)
        return with_retries(lambda: client.transcribe(model, audio, filename, mime_type, call), call, self._retries)

    def speak(self, model: ModelRef, text: str, voice: str = "", cancellation: Stopper | None = None) -> Iterator[bytes]:
        client, call = self._client(model), Call(cancellation, self._timeouts)
        sound: list[Iterator[bytes]] = []

        def begin() -> bytes | None:
            # Anew for each attempt: an iterator that failed has ended.
            sound[:] = [client.speak(model, text, voice, call)]
            return next(sound[0], None)

        piece = with_retries(begin, call, self._retries)
        try:
            while piece is not None:
                yield piece
                # The call is this thread's only while it works: between two pieces the listener may make others.
                piece = attempted(lambda: next(sound[0], None), call)
        finally:
            close_iterator(sound[0])

    def _client(self, model: ModelRef) -> Client:
        provider = self._providers.find(model.provider)
        with self._lock:
            if provider not in self._clients:
                self._clients[provider] = open_client(provider)
            return self._clients[provider]

    def _accounted(self, usage: Usage, model: ModelRef, call: Call) -> Usage:
        """With prices and times."""
        latency = time.monotonic() - call.begun_at
        first = None if call.first_token_at is None else call.first_token_at - call.begun_at
        timed = replace(usage, latency=latency, time_to_first_token=first, time_to_generate=None if first is None else latency - first)
        return priced(timed, self._prices.price(model, usage.prompt_tokens))


def open_client(provider: Provider) -> Client:
    # By name, since an SDK takes tens of megabytes and a second, and most processes need one of them or none.
    module = import_module(f"worker.llm.{'anthropic' if provider.type == ANTHROPIC else 'openai'}_client")
    client: Client = module.CLIENT(provider)
    return client


def close_iterator(iterator: Iterator[bytes]) -> None:
    """End a generator that is not read to its end; it closes its connection then."""
    close = getattr(iterator, "close", None)
    if close is not None:
        close()
