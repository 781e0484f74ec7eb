"""What tests of model clients need: a gateway to the scripted server, and a way to ask it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.services.models import DevModel
from worker.engine.inbox import Inbox
from worker.engine.models import Answer, Delta, Message, ModelRef, ModelRequest
from worker.llm.calls import Timeouts
from worker.llm.gateway import ModelGateway
from worker.llm.prices import Prices
from worker.llm.providers import Providers

#: Providers of the scripted server, one for each SDK.
OPENAI, ANTHROPIC = "langgenius/openai/openai", "anthropic"
BOTH = (OPENAI, ANTHROPIC)


@contextmanager
def gateway_to(server: DevModel, *, retries: int = 2, address: str = "", **timeouts: float) -> Iterator[ModelGateway]:
    """``address``: where the provider of OpenAI is instead."""
    environ = {
        "PENSTOCK_PROVIDER_OPENAI_BASE_URL": address or server.base_url,
        "PENSTOCK_PROVIDER_OPENAI_API_KEY": "sk-secret-of-openai",
        "PENSTOCK_PROVIDER_ANTHROPIC_BASE_URL": server.url,
        "PENSTOCK_PROVIDER_ANTHROPIC_API_KEY": "sk-secret-of-anthropic",
    }
    gateway = ModelGateway(Providers(environ), Prices(), Timeouts(**timeouts), retries)
    try:
        yield gateway
    finally:
        gateway.close()


@dataclass
class Asking:
    """One question; ``deltas`` are what its listener heard."""

    gateway: ModelGateway
    inbox: Inbox = field(default_factory=Inbox)
    deltas: list[Delta] = field(default_factory=list)

    def ask(self, provider: str, text: str = "", script: str = "", *, messages: Sequence[Message] = (), **more: Any) -> Answer:
        content = f"{text} [[dev: {script}]]" if script else text
        asked = [*messages, *([Message.of("user", content)] if content else [])]
        name = more.pop("name", "gpt-4o-mini")
        request = ModelRequest(ModelRef(provider, name, more.pop("mode", "chat")), asked, **more)
        return self.gateway.stream(request, self.inbox, self.deltas.append)

    @property
    def heard(self) -> str:
        return "".join(delta.text for delta in self.deltas)
