"""The knowledge bases that `penstock run` finds passages in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from app.cli.storage import opened
from worker.config import Config
from worker.engine.knowledge import Dataset, DatasetNotMapped, Knowledge, MetadataField, NoKnowledge, Passage, RetrievalConfig
from worker.engine.models import Models
from worker.engine.ports import Cancellation, HTTPClient
from worker.knowledge.service import KnowledgeService


@contextlib.contextmanager
def known_knowledge(config: Config, http: HTTPClient, models: Models, *, made_up: bool) -> Iterator[Knowledge]:
    """Those of the deployment; none without a database, which is not made for this.

    ``made_up``: datasets that are not mapped answer all the same, with a passage about nothing.
    """
    with contextlib.ExitStack() as stack:
        known: Knowledge = NoKnowledge()
        if config.database_url or config.sqlite_file.exists():
            known = KnowledgeService(stack.enter_context(opened(config)), config, http, models)
        yield SampleKnowledge(known) if made_up else known


class SampleKnowledge:
    """For trying workflows whose datasets are elsewhere."""

    def __init__(self, known: Knowledge) -> None:
        self._known = known

    def describe(self, dataset_ids: Sequence[str]) -> list[Dataset]:
        try:
            return self._known.describe(dataset_ids)
        except DatasetNotMapped:
            return [Dataset(dataset_id, f"Sample {number}") for number, dataset_id in enumerate(dataset_ids, 1)]

    def metadata_fields(self, dataset_ids: Sequence[str]) -> list[MetadataField]:
        try:
            return self._known.metadata_fields(dataset_ids)
        except DatasetNotMapped:
            return []

    def retrieve(self, dataset_ids: Sequence[str], query: str, config: RetrievalConfig, cancellation: Cancellation) -> list[Passage]:
        try:
            return self._known.retrieve(dataset_ids, query, config, cancellation)
        except DatasetNotMapped:
            return [_sample(dataset, query) for dataset in self.describe(dataset_ids)][: config.top_k]


def _sample(dataset: Dataset, query: str) -> Passage:
    content = f"A sample passage of {dataset.name}, made up for the query: {query}"
    return Passage(dataset, content, 0.9, "sample.txt", dataset.id, "external")
