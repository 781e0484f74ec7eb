"""Tables. SQL is the truth about runs; Redis only carries news (design.md invariant 6).

Times are epoch seconds as double precision, taken from the database's clock where they decide anything (``store/clock.py``).
JSON lies in text columns, encoded by ``store/encoding.py``: PostgreSQL's ``jsonb`` would reorder keys and refuse ``\\u0000``.
"""

from __future__ import annotations

from typing import cast

from sqlalchemy import (
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

UUID = String(36)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Limited:
    """Columns of what begins runs (store/limits.py). None: the deployment's setting counts; 0: no limit."""

    #: Runs that may be open at a time.
    max_concurrency: Mapped[int | None] = mapped_column(Integer)
    #: Runs that may begin in a minute.
    max_rate: Mapped[int | None] = mapped_column(Integer)
    #: Of these, how many may begin at once; None: all.
    max_burst: Mapped[int | None] = mapped_column(Integer)


class App(Limited, Base):
    """An imported workflow app; the unit of isolation: every query is filtered by its id."""

    __tablename__ = "apps"

    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text, default="")
    mode: Mapped[str] = mapped_column(String(32), default="workflow")
    icon_type: Mapped[str | None] = mapped_column(String(16))
    icon: Mapped[str | None] = mapped_column(Text)
    icon_background: Mapped[str | None] = mapped_column(Text)
    author_name: Mapped[str | None] = mapped_column(Text)
    #: ``normal`` or ``archived``; anything but ``normal`` is 403 for its keys (api-contract.md section 1.2).
    status: Mapped[str] = mapped_column(String(16), default="normal")
    api_enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    #: Current published version; None: nothing is published.
    workflow_id: Mapped[str | None] = mapped_column(UUID)
    #: Last ``sequence_number`` given out (section 9, Q10).
    last_sequence_number: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[float] = mapped_column(Float(53))


class Workflow(Base):
    """One published version of an app: immutable, runnable by id for ever (dsl.md section 9)."""

    __tablename__ = "workflows"
    __table_args__ = (Index("ix_workflows_app_id_created_at", "app_id", "created_at"),)

    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"))
    #: UTC time of publication as text, ``2025-03-14 08:22:10.123456``.
    version: Mapped[str] = mapped_column(String(40))
    #: SHA-256 over canonical JSON of graph, features and variables; keyed if there are secrets among them.
    content_hash: Mapped[str] = mapped_column(String(64))
    #: The whole DSL document as JSON, its secrets sealed (``store/sealed_documents.py``).
    document: Mapped[str] = mapped_column(Text)
    marked_name: Mapped[str] = mapped_column(String(200), default="")
    marked_comment: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[float] = mapped_column(Float(53))


class ApiKey(Limited, Base):
    """A key of an app; only a salted hash is stored (reliability.md section 3.6)."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(Text, default="")
    #: First 8 characters of the token, for display and for look-up.
    prefix: Mapped[str] = mapped_column(String(16), index=True)
    salt: Mapped[str] = mapped_column(String(32))
    #: SHA-256 hex of salt + token.
    token_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[float] = mapped_column(Float(53))
    last_used_at: Mapped[float | None] = mapped_column(Float(53))
    revoked_at: Mapped[float | None] = mapped_column(Float(53))


class AppEnvironment(Base):
    """What an operator set an environment variable of an app to (dsl.md section 7.1)."""

    __tablename__ = "app_environment"

    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    #: Sealed by ``store/sealing.py``.
    value: Mapped[bytes] = mapped_column(LargeBinary)
    updated_at: Mapped[float] = mapped_column(Float(53))


class EndUser(Base):
    """The caller's ``user`` of an app (api-contract.md section 1.3)."""

    __tablename__ = "end_users"
    __table_args__ = (UniqueConstraint("app_id", "session_id"),)

    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"))
    session_id: Mapped[str] = mapped_column(String(255))
    is_anonymous: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[float] = mapped_column(Float(53))


#: Conditions of the indexes from which runs that are old enough are removed.
ENDED_RUNS = {
    "detailed": "finished_at IS NOT NULL AND last_event > 0",
    "bare": "finished_at IS NOT NULL AND last_event = 0",
}


class Run(Base):
    """One execution of a workflow version: the durable record that decides what became of it.

    ``attempt`` is the fencing token: every write of a worker carries it, and one with an old number changes nothing.
    """

    __tablename__ = "runs"
    __table_args__ = (
        Index("ix_runs_app_id_created_at", "app_id", "created_at", "id"),
        # The sweeper's index holds the few runs that have not ended; its queries must say ``finished_at IS NULL`` too.
        Index(
            "ix_runs_unfinished",
            "status",
            "lease_until",
            postgresql_where=text("finished_at IS NULL"),
            sqlite_where=text("finished_at IS NULL"),
        ),
        # What an app and its keys have open, counted where they have a limit (store/limits.py); these queries must say it too.
        Index(
            "ix_runs_open",
            "app_id",
            "key_id",
            postgresql_where=text("finished_at IS NULL"),
            sqlite_where=text("finished_at IS NULL"),
        ),
        # A run that has ended stands in one of these two: with its node results and events, and without (store/retention.py).
        *(
            Index(f"ix_runs_{name}", "finished_at", postgresql_where=text(condition), sqlite_where=text(condition))
            for name, condition in ENDED_RUNS.items()
        ),
    )

    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    #: Also the id of the Celery task.
    task_id: Mapped[str] = mapped_column(UUID, unique=True)
    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"))
    workflow_id: Mapped[str] = mapped_column(ForeignKey("workflows.id", ondelete="CASCADE"), index=True)
    #: ``version`` of the workflow, kept here for the logs.
    workflow_version: Mapped[str] = mapped_column(String(40))
    end_user_id: Mapped[str] = mapped_column(ForeignKey("end_users.id", ondelete="CASCADE"), index=True)
    sequence_number: Mapped[int] = mapped_column(BigInteger)
    triggered_from: Mapped[str] = mapped_column(String(32), default="app-run")
    trace_id: Mapped[str | None] = mapped_column(String(128))
    #: ``RunStatus``.
    status: Mapped[str] = mapped_column(String(24))
    error: Mapped[str | None] = mapped_column(Text)
    total_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    total_steps: Mapped[int] = mapped_column(Integer, default=0)
    exceptions_count: Mapped[int] = mapped_column(Integer, default=0)
    elapsed_time: Mapped[float] = mapped_column(Float(53), default=0.0)
    created_at: Mapped[float] = mapped_column(Float(53))
    #: First claim.
    started_at: Mapped[float | None] = mapped_column(Float(53))
    finished_at: Mapped[float | None] = mapped_column(Float(53))
    #: Claims so far; the number of the claim in force while running. What a run goes on from counts as its first one.
    attempt: Mapped[int] = mapped_column(Integer, default=0)
    #: Claims that ended in a lost worker; a drained attempt is not one.
    lost_attempts: Mapped[int] = mapped_column(Integer, default=0)
    lease_owner: Mapped[str | None] = mapped_column(String(64))
    #: The worker must renew before this time; of a ``scheduled`` run: when its task was last sent; of a run that has ended: until when
    #: its worker may add speech, None if nothing follows.
    lease_until: Mapped[float | None] = mapped_column(Float(53))
    cancel_requested_at: Mapped[float | None] = mapped_column(Float(53))
    #: Speech of the run's text is to be told (api-contract.md section 7); cleared with the event that says that it was.
    wants_speech: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())
    #: Seconds from the first claim to ``deadline_at``.
    time_limit_s: Mapped[float] = mapped_column(Float(53))
    #: The sweeper ends the run as failed after this time, whatever its worker does; None until the first claim, since waiting for a
    #: free worker is no fault of the run.
    deadline_at: Mapped[float | None] = mapped_column(Float(53))
    #: Last event number that is kept in ``run_events``; 0 of a run that has ended: node results and events were removed for their age.
    last_event: Mapped[int] = mapped_column(Integer, default=0)
    #: Since when the run waits for people; it ends with the next claim, since waiting for a worker then is no fault of the run either.
    paused_at: Mapped[float | None] = mapped_column(Float(53))
    #: Seconds of all pauses that have ended: they do not count against the time limit.
    paused_s: Mapped[float] = mapped_column(Float(53), default=0.0, server_default=text("0"))
    #: Run whose results this one began with, as copies of its own; no foreign key, since it may be gone by now.
    resumed_from: Mapped[str | None] = mapped_column(UUID)
    #: Key that began it, None for an operator's run; no foreign key, since keys go with their app alone, and its runs then too.
    key_id: Mapped[str | None] = mapped_column(UUID)
    #: Node id of the trigger that began it; None: it began at the start node.
    trigger_id: Mapped[str | None] = mapped_column(String(255))
    #: Queue that its task waits in (worker/broker.py); None: that of runs that somebody waits for.
    queue: Mapped[str | None] = mapped_column(String(16))


class RunPayload(Base):
    """Inputs and outputs of a run, apart from ``runs`` so that listings never read them."""

    __tablename__ = "run_payloads"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    #: JSON object: prepared form values, then the ``sys.*`` keys (api-contract.md section 2.3).
    inputs: Mapped[str] = mapped_column(Text)
    #: JSON object; ``{}`` until the run has ended.
    outputs: Mapped[str] = mapped_column(Text, default="{}")
    #: JSON: whom the request wants to be told of the run, ``{"url", "events"}`` (store/webhooks.py).
    webhook: Mapped[str | None] = mapped_column(Text)


class NodeExecution(Base):
    """A node's result (engine/record.py): one row per node and scope, whatever the attempt that wrote it."""

    __tablename__ = "node_executions"
    __table_args__ = (UniqueConstraint("run_id", "position"),)

    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"))
    #: 1, 2, 3 ... in the order in which nodes ended: the order in which a resumed run applies them.
    position: Mapped[int] = mapped_column(Integer)
    #: Attempt of the run that wrote the row.
    attempt: Mapped[int] = mapped_column(Integer)
    node_id: Mapped[str] = mapped_column(Text)
    node_type: Mapped[str] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16))
    error: Mapped[str | None] = mapped_column(Text)
    elapsed_time: Mapped[float] = mapped_column(Float(53))
    total_tokens: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[float] = mapped_column(Float(53))
    finished_at: Mapped[float] = mapped_column(Float(53))
    #: The whole record, JSON of engine/checkpoint.py (versioned).
    record: Mapped[str] = mapped_column(Text)


class RunEvents(Base):
    """A stretch of a run's event log, word by word, written in the transaction of the checkpoint it belongs to."""

    __tablename__ = "run_events"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    #: Number of the first event of the stretch.
    first: Mapped[int] = mapped_column(Integer, primary_key=True)
    last: Mapped[int] = mapped_column(Integer)
    #: zlib of the events' JSON texts joined by newlines.
    body: Mapped[bytes] = mapped_column(LargeBinary)


class StoredFile(Base):
    """An upload, or a file that a run produced; its bytes lie in the file store."""

    __tablename__ = "files"

    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"), index=True)
    #: ``upload`` or ``tool`` (produced by a run).
    kind: Mapped[str] = mapped_column(String(16))
    #: Uploader; None for files of runs.
    end_user_id: Mapped[str | None] = mapped_column(ForeignKey("end_users.id", ondelete="SET NULL"), index=True)
    name: Mapped[str] = mapped_column(Text)
    #: Without dot, lower case; empty if there is none.
    extension: Mapped[str] = mapped_column(Text)
    mime_type: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[float] = mapped_column(Float(53), index=True)


class FileContent(Base):
    """Bytes of a file when the database is the file store (several machines, no bucket)."""

    __tablename__ = "file_contents"

    file_id: Mapped[str] = mapped_column(ForeignKey("files.id", ondelete="CASCADE"), primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class Lock(Base):
    """A named lock with a lease: who holds ``sweeper`` looks for lost runs."""

    __tablename__ = "locks"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    until: Mapped[float] = mapped_column(Float(53))


class Deployment(Base):
    """Facts of the deployment that all processes share, for example the generated signing key."""

    __tablename__ = "deployment"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class ModelProvider(Base):
    """A model provider as an operator configured it, under the name by which documents know it."""

    __tablename__ = "model_providers"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    #: Type of its client and its base URL; empty: as the catalog says (worker/llm/catalog.py).
    type: Mapped[str] = mapped_column(String(32), default="")
    base_url: Mapped[str] = mapped_column(Text, default="")
    #: Sealed (store/sealing.py).
    api_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    api_version: Mapped[str] = mapped_column(String(64), default="")
    updated_at: Mapped[float] = mapped_column(Float(53))


class ToolProvider(Base):
    """Tools that an operator registered under the name by which documents know their provider."""

    __tablename__ = "tool_providers"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    #: ``api``, ``mcp`` or ``workflow``.
    kind: Mapped[str] = mapped_column(String(16))
    #: What it is, as JSON (store/tool_providers.py).
    definition: Mapped[str] = mapped_column(Text)
    #: HTTP headers, sealed (store/sealing.py).
    headers: Mapped[bytes | None] = mapped_column(LargeBinary)
    updated_at: Mapped[float] = mapped_column(Float(53))


class KnowledgeBase(Base):
    """Documents that knowledge-retrieval nodes find passages in; all apps of a deployment may use it."""

    __tablename__ = "knowledge_bases"

    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    name: Mapped[str] = mapped_column(String(255), unique=True)
    #: Model that makes the vectors of its chunks, and its provider; None: it is searched by words alone.
    embedding_provider: Mapped[str | None] = mapped_column(Text)
    embedding_model: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[float] = mapped_column(Float(53))


class KnowledgeDocument(Base):
    """A file of a knowledge base, as text cut into chunks."""

    __tablename__ = "knowledge_documents"
    __table_args__ = (UniqueConstraint("base_id", "name"),)

    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    base_id: Mapped[str] = mapped_column(ForeignKey("knowledge_bases.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(512))
    #: JSON object: what metadata conditions compare.
    details: Mapped[str] = mapped_column(Text, default="{}")
    #: Characters of its text.
    size: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[float] = mapped_column(Float(53))


class KnowledgeChunk(Base):
    """A stretch of a document, found by its terms and its vector.

    The full-text index over ``terms`` is the database's own kind, made by the migration under the name ``knowledge_index``.
    """

    __tablename__ = "knowledge_chunks"

    #: A number, since an FTS5 index knows its rows by one.
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    base_id: Mapped[str] = mapped_column(ForeignKey("knowledge_bases.id", ondelete="CASCADE"), index=True)
    document_id: Mapped[str] = mapped_column(ForeignKey("knowledge_documents.id", ondelete="CASCADE"), index=True)
    #: 1-based place in the document.
    position: Mapped[int] = mapped_column(Integer)
    content: Mapped[str] = mapped_column(Text)
    terms: Mapped[str] = mapped_column(Text().with_variant(TSVECTOR(), "postgresql"))
    #: 32-bit floats.
    vector: Mapped[bytes | None] = mapped_column(LargeBinary)


class KnowledgeMap(Base):
    """What a dataset id of documents stands for here: a knowledge base, or one behind an external service."""

    __tablename__ = "knowledge_maps"

    #: Word by word as documents have it.
    dataset_id: Mapped[str] = mapped_column(String(512), primary_key=True)
    #: None: it is external.
    base_id: Mapped[str | None] = mapped_column(ForeignKey("knowledge_bases.id", ondelete="CASCADE"), index=True)
    endpoint: Mapped[str | None] = mapped_column(Text)
    knowledge_id: Mapped[str | None] = mapped_column(Text)
    #: Sealed (store/sealing.py).
    api_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    updated_at: Mapped[float] = mapped_column(Float(53))


class HumanInputForm(Base):
    """A form that a person is asked to fill in (nodes.md section 6.20), written in the transaction that pauses its run."""

    __tablename__ = "human_input_forms"
    __table_args__ = (
        Index(
            "ix_human_input_forms_waiting",
            "expires_at",
            postgresql_where=text("status = 'waiting'"),
            sqlite_where=text("status = 'waiting'"),
        ),
    )

    #: Id of the node execution that asks.
    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"), index=True)
    node_id: Mapped[str] = mapped_column(Text)
    node_title: Mapped[str] = mapped_column(Text)
    #: Unguessable: who knows it may answer.
    token: Mapped[str] = mapped_column(String(64), unique=True)
    #: JSON of engine/human_form.py ``HumanForm``.
    definition: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[float] = mapped_column(Float(53))
    #: Its expiry ends the run, not only the node: the deployment's limit came first.
    ends_run: Mapped[bool] = mapped_column(Boolean)
    #: ``waiting``, ``submitted`` or ``expired``.
    status: Mapped[str] = mapped_column(String(16), default="waiting")
    #: Id of the action chosen; empty until then.
    action: Mapped[str] = mapped_column(Text, default="")
    #: JSON object of engine/checkpoint.py values by input name.
    submitted: Mapped[str] = mapped_column(Text, default="{}")
    #: Who answered.
    end_user_id: Mapped[str | None] = mapped_column(ForeignKey("end_users.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[float] = mapped_column(Float(53))
    #: Its place among the forms of one pause.
    position: Mapped[int] = mapped_column(Integer)
    #: When it was answered, or found expired.
    closed_at: Mapped[float | None] = mapped_column(Float(53))


class IdempotencyKey(Base):
    """What a client called its request, so that sending it again finds the run that it made (reliability.md section 1.9)."""

    __tablename__ = "idempotency_keys"

    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"), primary_key=True)
    #: Path of the request, in lower case.
    endpoint: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    #: SHA-256 hex of the request's body in canonical form.
    fingerprint: Mapped[str] = mapped_column(String(64))
    #: The key comes first in the transaction that stores both, so that whoever waits for it holds nothing that others wait for.
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"), index=True)
    created_at: Mapped[float] = mapped_column(Float(53), index=True)


class WebhookEndpoint(Base):
    """An address that is told of the runs of an app; or, with an empty one, what signs messages to addresses that runs name."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (UniqueConstraint("app_id", "url"),)

    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    app_id: Mapped[str] = mapped_column(ForeignKey("apps.id", ondelete="CASCADE"))
    url: Mapped[str] = mapped_column(Text, default="")
    #: Names of the events that it wants, separated by blanks; empty: all.
    events: Mapped[str] = mapped_column(Text, default="")
    #: Sealed (store/sealing.py).
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[float] = mapped_column(Float(53))
    #: It answered that it is gone; nothing is sent to it any more.
    disabled_at: Mapped[float | None] = mapped_column(Float(53))


class WebhookDelivery(Base):
    """A message about a run or a batch on its way to one address; written in the transaction of what it tells."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index("ix_webhook_deliveries_endpoint_id_created_at", "endpoint_id", "created_at"),
        # Of the few that are under way; queries must say ``due_at IS NOT NULL`` too.
        Index(
            "ix_webhook_deliveries_due",
            "lane",
            "due_at",
            postgresql_where=text("due_at IS NOT NULL"),
            sqlite_where=text("due_at IS NOT NULL"),
        ),
    )

    #: Also the ``webhook-id`` of the message, however often it is sent.
    id: Mapped[str] = mapped_column(UUID, primary_key=True)
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    run_id: Mapped[str | None] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), index=True)
    #: One of the two is there.
    batch_id: Mapped[str | None] = mapped_column(ForeignKey("batches.id", ondelete="CASCADE"), index=True)
    #: One of those in ``store/webhooks.py``, and the number of the run's last event then; 0 of a batch.
    event: Mapped[str] = mapped_column(String(32))
    event_number: Mapped[int] = mapped_column(Integer)
    url: Mapped[str] = mapped_column(Text)
    #: Who waits behind whom: the app, and scheme, host and port of the address.
    lane: Mapped[str] = mapped_column(Text)
    #: ``pending``, ``delivered`` or ``failed``.
    status: Mapped[str] = mapped_column(String(16), default="pending")
    #: Attempts so far; the number of the one under way tells its sender from a later one.
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    #: Attempts that failed since the message was stored, or was asked for again.
    failures: Mapped[int] = mapped_column(Integer, default=0)
    #: When the next attempt may begin; while one is under way: when its sender counts as lost. None: there is no next one.
    due_at: Mapped[float | None] = mapped_column(Float(53))
    created_at: Mapped[float] = mapped_column(Float(53))
    ended_at: Mapped[float | None] = mapped_column(Float(53))


class WebhookAttempt(Base):
    """One attempt to deliver a message, and what came of it."""

    __tablename__ = "webhook_attempts"

    delivery_id: Mapped[str] = mapped_column(ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    ended_at: Mapped[float] = mapped_column(Float(53))
    elapsed_ms: Mapped[int] = mapped_column(Integer)
    #: HTTP status of the answer; None if there was none.
    status: Mapped[int | None] = mapped_column(Integer)
    error: Mapped[str | None] = mapped_column(Text)


#: Tables for statements whose rows need not become objects.
APPS = cast(Table, App.__table__)
API_KEYS = cast(Table, ApiKey.__table__)
END_USERS = cast(Table, EndUser.__table__)
RUNS = cast(Table, Run.__table__)
PAYLOADS = cast(Table, RunPayload.__table__)
FORMS = cast(Table, HumanInputForm.__table__)
IDEMPOTENCY_KEYS = cast(Table, IdempotencyKey.__table__)
WEBHOOK_ENDPOINTS = cast(Table, WebhookEndpoint.__table__)
WEBHOOK_DELIVERIES = cast(Table, WebhookDelivery.__table__)
