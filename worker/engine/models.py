"""The model port: what nodes ask of model providers, whoever they are (nodes.md sections 5.1 and 6.4).

A request is plain data; the content of media has been read by the node. ``worker/llm`` holds the clients.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Protocol

from worker.engine.errors import NodeError
from worker.engine.spending import Spending
from worker.engine.values import File

SYSTEM, USER, ASSISTANT, TOOL = "system", "user", "assistant", "tool"
CHAT, COMPLETION = "chat", "completion"

#: Prices are rounded half up to this many decimals (nodes.md section 5.1).
PRICE_STEP = Decimal("0.0000001")

#: Codes of api-contract.md section 1.7.
NOT_INITIALIZED = "provider_not_initialize"
QUOTA_EXCEEDED = "provider_quota_exceeded"
NOT_SUPPORTED = "model_currently_not_support"
REQUEST_FAILED = "completion_request_error"


class ModelError(NodeError):
    """A model cannot be used, or did not answer as it should."""

    code = REQUEST_FAILED
    error_type = "InvokeError"

    def __init__(self, message: str, *, code: str = REQUEST_FAILED, error_type: str | None = None, status: int | None = None) -> None:
        super().__init__(message, error_type=error_type)
        self.code = code
        #: HTTP status of the provider's answer, if there was one.
        self.status = status


@dataclass(frozen=True, slots=True)
class ModelRef:
    #: As the document has it: ``langgenius/openai/openai``, ``openai``, ``ollama`` ...
    provider: str
    name: str
    #: ``chat`` or ``completion``; of no meaning for other than language models.
    mode: str = CHAT


@dataclass(frozen=True, slots=True)
class TextPart:
    text: str


@dataclass(frozen=True, slots=True)
class MediaPart:
    """A file that the model looks at or listens to; ``file.type`` is image, audio, video or document."""

    file: File
    #: ``high`` or ``low``; images only.
    detail: str = "high"
    content: bytes = b""
    #: Given instead of ``content`` where the provider is to fetch the file itself.
    url: str = ""

    @property
    def base64(self) -> str:
        return base64.b64encode(self.content).decode()

    @property
    def data(self) -> str:
        """What is sent: the address, or the content as a data URL."""
        return self.url or f"data:{self.file.mime_type};base64,{self.base64}"


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    #: JSON text as the model wrote it; it may be broken.
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolSpec:
    name: str
    description: str
    #: JSON schema of an object.
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    #: ``system``, ``user``, ``assistant`` or ``tool``.
    role: str
    parts: tuple[TextPart | MediaPart, ...]
    #: Only of the assistant.
    tool_calls: tuple[ToolCall, ...] = ()
    #: Only of a tool message: the call that it answers.
    tool_call_id: str | None = None

    @classmethod
    def of(cls, role: str, text: str) -> Message:
        return cls(role, (TextPart(text),))

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def media(self) -> tuple[MediaPart, ...]:
        return tuple(part for part in self.parts if isinstance(part, MediaPart))


@dataclass(frozen=True, slots=True)
class ModelRequest:
    model: ModelRef
    #: In completion mode one user message.
    messages: Sequence[Message]
    #: ``completion_params`` without ``stop``, values ready to send.
    parameters: Mapping[str, Any] = field(default_factory=dict)
    stop: Sequence[str] = ()
    tools: Sequence[ToolSpec] = ()
    #: Asks for an answer of this JSON schema; only of models with the feature ``json_schema``.
    json_schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """A picture or a sound that a model answers with."""

    #: ``image/...``, ``audio/...``, ``video/...``; of anything else, that of bytes that mean nothing.
    mime_type: str
    content: bytes = b""
    #: Given instead of ``content`` where the provider keeps it.
    url: str = ""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer as it arrives."""

    text: str = ""
    reasoning: str = ""
    media: Media | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and prices of one or more calls (nodes.md section 5.1)."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    #: 0 with other counts: their sum.
    total_tokens: int = 0
    prompt_unit_price: Decimal = Decimal("0.0")
    prompt_price_unit: Decimal = Decimal("0.0")
    prompt_price: Decimal = Decimal("0.0")
    completion_unit_price: Decimal = Decimal("0.0")
    completion_price_unit: Decimal = Decimal("0.0")
    completion_price: Decimal = Decimal("0.0")
    total_price: Decimal = Decimal("0.0")
    currency: str = "USD"
    #: Seconds.
    latency: float = 0.0
    #: Seconds; None when not streamed.
    time_to_first_token: float | None = None
    time_to_generate: float | None = None

    def __post_init__(self) -> None:
        if not self.total_tokens:
            object.__setattr__(self, "total_tokens", self.prompt_tokens + self.completion_tokens)

    @property
    def spending(self) -> Spending:
        return Spending(self.total_tokens, self.total_price, self.currency)

    def add(self, later: Usage) -> Usage:
        """Both together: sums of counts, prices and latency; units, currency and times of the later one."""
        if not self.total_tokens:
            return later
        return Usage(
            prompt_tokens=self.prompt_tokens + later.prompt_tokens,
            completion_tokens=self.completion_tokens + later.completion_tokens,
            total_tokens=self.total_tokens + later.total_tokens,
            prompt_unit_price=later.prompt_unit_price,
            prompt_price_unit=later.prompt_price_unit,
            prompt_price=self.prompt_price + later.prompt_price,
            completion_unit_price=later.completion_unit_price,
            completion_price_unit=later.completion_price_unit,
            completion_price=self.completion_price + later.completion_price,
            total_price=self.total_price + later.total_price,
            currency=later.currency,
            latency=self.latency + later.latency,
            time_to_first_token=later.time_to_first_token,
            time_to_generate=later.time_to_generate,
        )

    def to_json(self) -> dict[str, Any]:
        """The ``usage`` object of outputs and process data: prices as texts, times with 3 decimals."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "prompt_unit_price": price_text(self.prompt_unit_price),
            "prompt_price_unit": price_text(self.prompt_price_unit),
            "prompt_price": price_text(self.prompt_price),
            "completion_tokens": self.completion_tokens,
            "completion_unit_price": price_text(self.completion_unit_price),
            "completion_price_unit": price_text(self.completion_price_unit),
            "completion_price": price_text(self.completion_price),
            "total_tokens": self.total_tokens,
            "total_price": price_text(self.total_price),
            "currency": self.currency,
            "latency": round(self.latency, 3),
            "time_to_first_token": _seconds(self.time_to_first_token),
            "time_to_generate": _seconds(self.time_to_generate),
        }

    def metadata(self) -> dict[str, Any]:
        """Its part of ``execution_metadata`` (api-contract.md section 4.5)."""
        return {"total_tokens": self.total_tokens, "total_price": price_text(self.total_price), "currency": self.currency}


def price_text(price: Decimal) -> str:
    """Fixed notation: ``0.0000315``, never ``3.15E-5``."""
    return format(price, "f")


def price_of(tokens: int, unit_price: Decimal, price_unit: Decimal) -> Decimal:
    return (tokens * unit_price * price_unit).quantize(PRICE_STEP, ROUND_HALF_UP)


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; the text is the concatenation of the deltas' texts, likewise the reasoning."""

    text: str
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = field(default_factory=Usage)
    #: ``stop``, ``length``, ``tool_calls`` ... as the provider says.
    finish_reason: str | None = None
    #: In the order of the deltas.
    media: tuple[Media, ...] = ()


@dataclass(frozen=True, slots=True)
class Features:
    """What a model takes besides text, and gives besides it."""

    vision: bool = True
    audio: bool = False
    video: bool = False
    document: bool = False
    tool_call: bool = True
    #: Native structured output.
    json_schema: bool = False
    #: Pictures and films are sent as addresses.
    by_address: bool = False

    def takes(self, file_type: str) -> bool:
        return {"image": self.vision, "audio": self.audio, "video": self.video, "document": self.document}.get(file_type, False)


@dataclass(frozen=True, slots=True)
class Embeddings:
    #: One for each text, in order.
    vectors: Sequence[Sequence[float]]
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class RankedDocument:
    #: Place in the list that was handed in.
    index: int
    score: float


class Stopper(Protocol):
    """``ports.Cancellation`` as calls see it; spelled out here, since the ports are made of this module."""

    @property
    def is_cancelled(self) -> bool: ...

    def check(self) -> None: ...

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]: ...

    def wait(self, timeout_s: float) -> bool: ...


class Models(Protocol):
    """Every model provider of this deployment. All raise ``ModelError``; when cancelled, the signal of the cancellation."""

    def features(self, model: ModelRef) -> Features:
        """What the model is known, or assumed, to be able to do. Never asks the provider."""

    def stream(self, request: ModelRequest, cancellation: Stopper, on_delta: Callable[[Delta], None]) -> Answer:
        """One answer; ``on_delta`` hears each piece in this thread as it arrives."""

    def embed(self, model: ModelRef, texts: Sequence[str], cancellation: Stopper | None = None) -> Embeddings: ...

    def rerank(
        self, model: ModelRef, query: str, documents: Sequence[str], top_n: int, cancellation: Stopper | None = None
    ) -> list[RankedDocument]:
        """The best ``top_n`` documents, best first."""

    def speak(self, model: ModelRef, text: str, voice: str = "", cancellation: Stopper | None = None) -> Iterator[bytes]:
        """MP3 in pieces as they arrive; an empty model name or voice is the provider's default."""

    def transcribe(self, model: ModelRef, audio: bytes, filename: str, mime_type: str, cancellation: Stopper | None = None) -> str:
        """The words of a recording."""


class NoModels:
    """A deployment without providers: every call says so."""

    def features(self, model: ModelRef) -> Features:
        return Features()

    def stream(self, request: ModelRequest, cancellation: Stopper, on_delta: Callable[[Delta], None]) -> Answer:
        raise not_initialized(request.model.provider)

    def embed(self, model: ModelRef, texts: Sequence[str], cancellation: Stopper | None = None) -> Embeddings:
        raise not_initialized(model.provider)

    def rerank(
        self, model: ModelRef, query: str, documents: Sequence[str], top_n: int, cancellation: Stopper | None = None
    ) -> list[RankedDocument]:
        raise not_initialized(model.provider)

    def speak(self, model: ModelRef, text: str, voice: str = "", cancellation: Stopper | None = None) -> Iterator[bytes]:
        raise not_initialized(model.provider)

    def transcribe(self, model: ModelRef, audio: bytes, filename: str, mime_type: str, cancellation: Stopper | None = None) -> str:
        raise not_initialized(model.provider)


def not_initialized(provider: str) -> ModelError:
    """No credentials for a provider: what to do about it, in one sentence."""
    short = provider.rsplit("/", 1)[-1] or "NAME"
    variable = f"PENSTOCK_PROVIDER_{short.upper().replace('-', '_')}_API_KEY"
    return ModelError(
        f"Model provider {provider} is not configured: set {variable}, or run `penstock providers add {short}`.",
        code=NOT_INITIALIZED,
        error_type="ProviderTokenNotInitError",
    )


def prompts_json(messages: Sequence[Message], mode: str = CHAT) -> list[dict[str, Any]]:
    """``process_data.prompts`` (nodes.md section 5.4): texts whole, media cut short."""
    if mode == COMPLETION:
        return [_completion_json(message) for message in messages]
    return [_chat_json(message) for message in messages]


def _completion_json(message: Message) -> dict[str, Any]:
    files = [media_json(part) for part in message.media]
    return {"role": USER, "text": message.text, **({"files": files} if files else {})}


def _chat_json(message: Message) -> dict[str, Any]:
    prompt: dict[str, Any] = {"role": message.role, "text": message.text, "files": [media_json(part) for part in message.media]}
    if message.tool_calls:
        prompt["tool_calls"] = [tool_call_json(call) for call in message.tool_calls]
    return prompt


def tool_call_json(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def media_json(part: MediaPart) -> dict[str, Any]:
    data = part.data
    shown = {"type": part.file.type, "data": f"{data[:10]}...[TRUNCATED]...{data[-10:]}"}
    if part.file.type == "image":
        return {**shown, "detail": part.detail}
    return {**shown, "format": part.file.extension.lstrip(".")}
