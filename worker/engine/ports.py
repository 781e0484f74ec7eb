"""What the engine and its nodes ask of the world. Adapters are joined in ``worker/bootstrap.py``; memory twins ship beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from worker.engine.events import Event
from worker.engine.knowledge import Knowledge, NoKnowledge
from worker.engine.limits import Limits
from worker.engine.models import Models, NoModels
from worker.engine.record import NodeRecord
from worker.engine.tools import NoTools, Tools
from worker.engine.variables import File


class Clock(Protocol):
    def now(self) -> float:
        """Epoch seconds, for what users see."""

    def monotonic(self) -> float:
        """Seconds that never jump, for durations and deadlines."""


class Journal(Protocol):
    """Where a run tells what happened. Called from the run's loop only, in order.

    All three raise ``RunFenced`` once a later attempt owns the run.
    """

    def emit(self, event: Event) -> None:
        """Add an event to the history; it may wait in memory until it is due."""

    def record(self, record: NodeRecord, *, durable: bool) -> None:
        """Keep a node's result. Durable: in SQL, with all records before it, when this returns; else with the next commit."""

    def publish_due(self, *, is_idle: bool) -> float:
        """Publish what was emitted, if it has waited long enough; seconds until what still waits is due. The loop calls it between
        two pieces of mail. Idle: no mail is there, so that waiting any longer brings company only by chance.
        """


class Cancellation(Protocol):
    """How a node in flight learns that its run is being stopped or handed over."""

    @property
    def is_cancelled(self) -> bool: ...

    def check(self) -> None:
        """Raise the signal (``RunStopped`` or ``RunDrained``) if there is one."""

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call ``callback`` once, from any thread, when the run is cancelled (at once if it already is); answers its removal."""

    def wait(self, timeout_s: float) -> bool:
        """Sleep up to ``timeout_s``; True as soon as the run is cancelled."""


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    method: str
    url: str
    #: In order, duplicates kept.
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 600.0
    write_timeout_s: float = 600.0
    verify_tls: bool = True
    follow_redirects: bool = True
    #: Lower-case names of headers that, like ``authorization``, are not carried to another origin by a redirect.
    secret_headers: frozenset[str] = frozenset()
    #: Largest decoded body that is read; more raises ``ResponseTooLarge``. None: no limit but the text/file ones of the node.
    max_bytes: int | None = None
    #: What this call is, whenever it is made again; sent as ``Idempotency-Key`` where the operator wants that. Empty: nothing is sent.
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class OutboundResponse:
    status: int
    #: Lower-case names; values of a repeated header joined with ``", "``.
    headers: Mapping[str, str]
    body: bytes
    url: str


class HTTPClient(Protocol):
    def send(self, request: OutboundRequest, cancellation: Cancellation) -> OutboundResponse:
        """One request through the outbound guard.

        Raises ``worker.outbound.errors`` (all ``NodeError``): blocked address, refused connection, time-out, too large.
        """


class CodeRunner(Protocol):
    def run(self, language: str, source: str, inputs: Mapping[str, Any], cancellation: Cancellation) -> Any:
        """``main(**inputs)`` of a source text, in a limited child process; its JSON result.

        Raises ``NodeError`` with ``error_type`` ``CodeExecutionError`` and the traceback as text.
        """


class TemplateRenderer(Protocol):
    def render(self, template: str, inputs: Mapping[str, Any], cancellation: Cancellation) -> str:
        """Jinja2 in a sandbox. Raises ``NodeError`` with a traceback as text."""


class DocumentReader(Protocol):
    def extract_text(self, content: bytes, extension: str, mime_type: str, cancellation: Cancellation) -> str:
        """The text of a document, found in a limited child process (nodes.md section 6.17).

        Raises ``NodeError`` with ``error_type`` ``UnsupportedFileTypeError`` or ``TextExtractionError``.
        """


class Files(Protocol):
    """The files of one app, as nodes see them."""

    def read(self, file: File) -> bytes:
        """Content, wherever it lies (remote files are fetched through the outbound guard). Raises ``NodeError``."""

    def save(self, content: bytes, *, extension: str, mime_type: str) -> File:
        """Store a file that a node produced; ``transfer_method`` is ``tool_file``, the name 32 hex digits + extension."""

    def url(self, file: File) -> str:
        """A URL that needs no header; signed and time-limited for stored files (api-contract.md section 2.7)."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything a node may reach the world through."""

    http: HTTPClient
    code: CodeRunner
    templates: TemplateRenderer
    documents: DocumentReader
    files: Files
    clock: Clock
    limits: Limits = field(default_factory=Limits)
    models: Models = field(default_factory=NoModels)
    tools: Tools = field(default_factory=NoTools)
    knowledge: Knowledge = field(default_factory=NoKnowledge)
