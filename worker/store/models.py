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


class App(Base):
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
    #: SHA-256 over canonical JSON of graph, features and variables.
    content_hash: Mapped[str] = mapped_column(String(64))
    #: The whole DSL document as JSON, as imported.
    document: Mapped[str] = mapped_column(Text)
    marked_name: Mapped[str] = mapped_column(String(200), default="")
    marked_comment: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[float] = mapped_column(Float(53))


class ApiKey(Base):
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
    #: Claims so far; the number of the claim in force while running.
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
    #: Last event number that is kept in ``run_events``.
    last_event: Mapped[int] = mapped_column(Integer, default=0)


class RunPayload(Base):
    """Inputs and outputs of a run, apart from ``runs`` so that listings never read them."""

    __tablename__ = "run_payloads"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    #: JSON object: prepared form values, then the ``sys.*`` keys (api-contract.md section 2.3).
    inputs: Mapped[str] = mapped_column(Text)
    #: JSON object; ``{}`` until the run has ended.
    outputs: Mapped[str] = mapped_column(Text, default="{}")


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
    created_at: Mapped[float] = mapped_column(Float(53))


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


#: Tables for statements whose rows need not become objects.
APPS = cast(Table, App.__table__)
END_USERS = cast(Table, EndUser.__table__)
RUNS = cast(Table, Run.__table__)
PAYLOADS = cast(Table, RunPayload.__table__)
