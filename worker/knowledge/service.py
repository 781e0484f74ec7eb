"""Every knowledge base of a deployment, behind the port of ``engine/knowledge.py``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from worker.config import Config
from worker.engine.knowledge import Dataset, DatasetNotMapped, MetadataField, Passage, RetrievalConfig
from worker.engine.models import NOT_INITIALIZED, ModelError, ModelRef, Models
from worker.engine.ports import Cancellation, HTTPClient
from worker.knowledge.external import ExternalBases
from worker.knowledge.fields import fields_of
from worker.knowledge.local import LocalBases
from worker.store.knowledge import each_details
from worker.store.knowledge_maps import LocalTarget, Target, find_targets
from worker.store.session import Database


class KnowledgeService:
    """Finds passages in all datasets that a document names. Holds nothing open: one for all runs."""

    def __init__(self, database: Database, config: Config, http: HTTPClient, models: Models) -> None:
        self._database = database
        self._models = models
        self._local = LocalBases(database, models)
        self._external = ExternalBases(config, http)

    def describe(self, dataset_ids: Sequence[str]) -> list[Dataset]:
        return [_dataset(dataset_id, target) for dataset_id, target in self._targets(dataset_ids)]

    def metadata_fields(self, dataset_ids: Sequence[str]) -> list[MetadataField]:
        local = [target.base_id for _, target in self._targets(dataset_ids) if isinstance(target, LocalTarget)]
        return self._database.fetch(lambda session: fields_of(each_details(session, local)))

    def retrieve(self, dataset_ids: Sequence[str], query: str, config: RetrievalConfig, cancellation: Cancellation) -> list[Passage]:
        found: list[Passage] = []
        targets = self._targets(dataset_ids)
        for dataset_id, target in targets if query.strip() else ():
            cancellation.check()
            found += self._search(_dataset(dataset_id, target), target, query, config, cancellation)
        ranked = self._ranked(found, query, config, cancellation)
        return [passage for passage in ranked if passage.score >= config.score_threshold][: config.top_k]

    def _targets(self, dataset_ids: Sequence[str]) -> list[tuple[str, Target]]:
        ids = list(dict.fromkeys(dataset_ids))
        targets = self._database.fetch(lambda session: find_targets(session, ids))
        for dataset_id in ids:
            if dataset_id not in targets:
                raise DatasetNotMapped(dataset_id)
        return [(dataset_id, targets[dataset_id]) for dataset_id in ids]

    def _search(self, dataset: Dataset, target: Target, query: str, config: RetrievalConfig, cancellation: Cancellation) -> list[Passage]:
        if isinstance(target, LocalTarget):
            return self._local.search(dataset, target, query, config, cancellation)
        return self._external.search(dataset, target, query, config, cancellation)

    def _ranked(self, found: list[Passage], query: str, config: RetrievalConfig, cancellation: Cancellation) -> list[Passage]:
        """Best first: by the reranking model, by their own scores if there is none that can be asked."""
        if found and config.reranker is not None:
            try:
                return self._reranked(config.reranker, found, query, config.top_k, cancellation)
            except ModelError as error:
                if error.code != NOT_INITIALIZED:
                    raise
        return sorted(found, key=lambda passage: passage.score, reverse=True)

    def _reranked(self, model: ModelRef, found: list[Passage], query: str, top_k: int, cancellation: Cancellation) -> list[Passage]:
        contents = [passage.content for passage in found]
        ranks = self._models.rerank(model, query, contents, top_k, cancellation)
        return [replace(found[rank.index], score=rank.score) for rank in ranks]


def _dataset(dataset_id: str, target: Target) -> Dataset:
    return Dataset(dataset_id, target.name if isinstance(target, LocalTarget) else target.knowledge_id)
