"""Searches the knowledge bases in the database: by words, and where a base has an embedding model by meaning too."""

from __future__ import annotations

import heapq
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256

from sqlalchemy.orm import Session

from worker.engine.knowledge import Dataset, MetadataFilter, Passage, RetrievalConfig, Weights
from worker.engine.models import ModelRef, Models
from worker.engine.ports import Cancellation
from worker.knowledge.filters import fits
from worker.knowledge.scoring import keyword_scores, nearness, pack
from worker.knowledge.terms import document_terms, query_terms
from worker.store.knowledge import list_documents
from worker.store.knowledge_index import FoundChunk, each_vector, load_chunks, match_terms
from worker.store.knowledge_maps import LocalTarget
from worker.store.session import Database

#: Chunks that the index finds by words, and those found by vectors: what is scored.
CANDIDATES = 100

#: Vectors that are compared before the next look at whether the run was stopped.
CHECK_EVERY = 1000

#: Terms of a query that are looked for; a longer one is a text, not a question.
QUERY_TERMS = 128

#: Where neither document nor base says what counts for more.
WEIGHTS = Weights(keyword=0.3, vector=0.7)

KEYWORDS_ALONE = Weights(keyword=1.0, vector=0.0)


class LocalBases:
    def __init__(self, database: Database, models: Models) -> None:
        self._database = database
        self._models = models

    def search(
        self, dataset: Dataset, target: LocalTarget, query: str, config: RetrievalConfig, cancellation: Cancellation
    ) -> list[Passage]:
        """The best ``top_k`` passages, best first, scored. Raises ``ModelError`` if the query cannot be embedded."""
        weights = (config.weights or WEIGHTS) if target.embedding else KEYWORDS_ALONE
        vector = self._embed(target.embedding, query, cancellation) if target.embedding and weights.vector else None
        terms = query_terms(query)[:QUERY_TERMS]
        found = self._candidates(target.base_id, terms, vector, config.filter, cancellation)
        scores = _scores(found, terms, vector, weights)
        best = heapq.nlargest(config.top_k, zip(scores, found, strict=True), key=lambda pair: pair[0])
        return [_passage(dataset, chunk, score) for score, chunk in best if score > 0]

    def _embed(self, embedding: tuple[str, str], query: str, cancellation: Cancellation) -> bytes:
        embeddings = self._models.embed(ModelRef(*embedding), [query], cancellation)
        return pack(embeddings.vectors[0])

    def _candidates(
        self, base_id: str, terms: Sequence[str], vector: bytes | None, chosen: MetadataFilter | None, cancellation: Cancellation
    ) -> list[FoundChunk]:
        def find(session: Session) -> list[FoundChunk]:
            documents = None
            if chosen is not None:
                documents = [document.id for document in list_documents(session, base_id) if fits(chosen, document.details)]
            found = match_terms(session, base_id, terms, CANDIDATES, documents)
            if vector is not None:
                near = heapq.nlargest(CANDIDATES, _distances(each_vector(session, base_id, documents), vector, cancellation))
                known = {chunk.id for chunk in found}
                found += load_chunks(session, base_id, [chunk_id for _, chunk_id in near if chunk_id not in known])
            return found

        return self._database.fetch(find)


def _distances(vectors: Iterable[tuple[int, bytes]], query: bytes, cancellation: Cancellation) -> Iterator[tuple[float, int]]:
    for number, (chunk_id, vector) in enumerate(vectors):
        if number % CHECK_EVERY == 0:
            cancellation.check()
        yield nearness(query, vector), chunk_id


def _scores(found: Sequence[FoundChunk], terms: Sequence[str], vector: bytes | None, weights: Weights) -> list[float]:
    by_words = keyword_scores(terms, [Counter(document_terms(chunk.content)) for chunk in found])
    if vector is None:
        return by_words
    by_meaning = [nearness(vector, chunk.vector) if chunk.vector else 0.0 for chunk in found]
    return [weights.keyword * word + weights.vector * meaning for word, meaning in zip(by_words, by_meaning, strict=True)]


def _passage(dataset: Dataset, chunk: FoundChunk, score: float) -> Passage:
    return Passage(
        dataset=dataset,
        content=chunk.content,
        score=score,
        document_name=chunk.document_name,
        document_id=chunk.document_id,
        source="upload_file",
        # The same in every retrieval, without a column that only says what others say already.
        segment_id=str(uuid.uuid5(uuid.UUID(chunk.document_id), str(chunk.position))),
        segment_position=chunk.position,
        segment_hash=sha256(chunk.content.encode()).hexdigest(),
        metadata=chunk.details,
    )
