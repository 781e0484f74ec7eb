"""The knowledge port: how nodes find passages for a question (nodes.md section 6.11). ``worker/knowledge`` holds the adapters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from worker.engine.errors import NodeError
from worker.engine.models import ModelRef

if TYPE_CHECKING:
    from worker.engine.ports import Cancellation

#: Passages of one retrieval where the document does not say; the reference server's default.
TOP_K = 4

#: How a metadata condition may compare.
METADATA_OPERATORS = (
    *("contains", "not contains", "start with", "end with", "is", "is not", "empty", "not empty", "in", "not in"),
    *("=", "≠", ">", "<", "≥", "≤", "before", "after"),
)

#: Those of them that compare with nothing.
UNARY_OPERATORS = frozenset({"empty", "not empty"})


class KnowledgeError(NodeError):
    """Knowledge cannot be retrieved."""

    code = "knowledge_error"
    error_type = "KnowledgeRetrievalNodeError"


class DatasetNotMapped(KnowledgeError):
    """A document names a dataset that nobody mapped to a knowledge base of this deployment."""

    code = "dataset_not_mapped"

    def __init__(self, dataset_id: str) -> None:
        super().__init__(
            f"No knowledge base is mapped to the dataset '{dataset_id}': run `penstock knowledge map {dataset_id} --local NAME`, "
            f"or `penstock knowledge map {dataset_id} --endpoint URL --knowledge-id ID`."
        )


@dataclass(frozen=True, slots=True)
class MetadataCondition:
    #: Of the metadata field.
    name: str
    #: One of ``METADATA_OPERATORS``.
    operator: str
    #: Text, number, list of texts, or None.
    value: Any = None


@dataclass(frozen=True, slots=True)
class MetadataFilter:
    logic: Literal["and", "or"]
    conditions: Sequence[MetadataCondition]


@dataclass(frozen=True, slots=True)
class MetadataField:
    """What documents can be told apart by."""

    name: str
    #: ``number``, or ``text``: dates are texts or epoch seconds.
    type: Literal["text", "number"]
    #: Some that occur.
    values: Sequence[str | float] = ()


@dataclass(frozen=True, slots=True)
class Weights:
    """What the words in common and the nearness in meaning count for in a score."""

    keyword: float
    vector: float


@dataclass(frozen=True, slots=True)
class RetrievalConfig:
    top_k: int = TOP_K
    #: Passages below it are left out; 0: none is.
    score_threshold: float = 0.0
    filter: MetadataFilter | None = None
    #: None: those of the knowledge base.
    weights: Weights | None = None
    #: Model that puts the passages in order; None: their scores do.
    reranker: ModelRef | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset that a document names, and what is mapped to it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document. What an external service does not say is None."""

    dataset: Dataset
    content: str
    #: Nearness to the query, 0 to 1.
    score: float
    document_name: str
    document_id: str
    #: ``upload_file`` or ``external``.
    source: str
    segment_id: str | None = None
    #: 1-based place in its document.
    segment_position: int | None = None
    #: SHA-256 of the content, in hex.
    segment_hash: str | None = None
    #: Of the document.
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Knowledge(Protocol):
    """Every knowledge base of a deployment, by the dataset ids that documents have."""

    def describe(self, dataset_ids: Sequence[str]) -> list[Dataset]:
        """What is mapped to each id, in order. Raises ``DatasetNotMapped``."""

    def metadata_fields(self, dataset_ids: Sequence[str]) -> list[MetadataField]:
        """Fields that documents of these datasets have. External services do not tell theirs. Raises ``DatasetNotMapped``."""

    def retrieve(self, dataset_ids: Sequence[str], query: str, config: RetrievalConfig, cancellation: Cancellation) -> list[Passage]:
        """The passages of all datasets that fit best, best first, ``config.top_k`` at most.

        Raises ``DatasetNotMapped``, and ``NodeError`` for a service that fails.
        """


class NoKnowledge:
    """A deployment without any knowledge base."""

    def describe(self, dataset_ids: Sequence[str]) -> list[Dataset]:
        for dataset_id in dataset_ids:
            raise DatasetNotMapped(dataset_id)
        return []

    def metadata_fields(self, dataset_ids: Sequence[str]) -> list[MetadataField]:
        self.describe(dataset_ids)
        return []

    def retrieve(self, dataset_ids: Sequence[str], query: str, config: RetrievalConfig, cancellation: Cancellation) -> list[Passage]:
        self.describe(dataset_ids)
        return []
