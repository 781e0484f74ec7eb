"""Asks services that speak Dify's External Knowledge API: ``POST <endpoint>/retrieval``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from worker.config import Config
from worker.engine.errors import NodeError
from worker.engine.knowledge import Dataset, KnowledgeError, MetadataFilter, Passage, RetrievalConfig
from worker.engine.ports import Cancellation, HTTPClient, OutboundRequest, OutboundResponse
from worker.store.errors import SealError
from worker.store.knowledge_maps import SEALED_FOR, ExternalTarget
from worker.store.sealing import Sealing

#: Bytes of an answer.
MAX_ANSWER = 10 * 1024 * 1024

#: Seconds that a service may take to begin to answer.
READ_TIMEOUT_S = 60.0

#: Characters of a service's own words about a failure that are shown.
SHOWN = 500


class ExternalBases:
    def __init__(self, config: Config, http: HTTPClient) -> None:
        self._config = config
        self._http = http

    def search(
        self, dataset: Dataset, target: ExternalTarget, query: str, config: RetrievalConfig, cancellation: Cancellation
    ) -> list[Passage]:
        """What the service answers, in its order. Raises ``KnowledgeError``."""
        request = OutboundRequest(
            "POST",
            f"{target.endpoint.rstrip('/')}/retrieval",
            headers=self._headers(dataset.id, target),
            body=json.dumps(_body(target.knowledge_id, query, config), ensure_ascii=False).encode("utf-8", "replace"),
            read_timeout_s=READ_TIMEOUT_S,
            max_bytes=MAX_ANSWER,
        )
        try:
            response = self._http.send(request, cancellation)
        except NodeError as error:
            raise KnowledgeError(f"The knowledge service of the dataset '{dataset.id}' cannot be asked: {error.message}") from error
        return [_passage(dataset, record) for record in _records(dataset.id, response)]

    def _headers(self, dataset_id: str, target: ExternalTarget) -> list[tuple[str, str]]:
        headers = [("Content-Type", "application/json")]
        if target.api_key is not None:
            headers.append(("Authorization", f"Bearer {self._key(dataset_id, target.api_key)}"))
        return headers

    def _key(self, dataset_id: str, sealed: bytes) -> str:
        try:
            return Sealing.find(self._config).open(SEALED_FOR, dataset_id, sealed)
        except SealError as error:
            raise KnowledgeError(
                f"The API key of the dataset '{dataset_id}' cannot be opened: the PENSTOCK_SECRET_KEY that sealed it is missing or "
                "another one; run `penstock knowledge map` for it again."
            ) from error


def _body(knowledge_id: str, query: str, config: RetrievalConfig) -> dict[str, Any]:
    body: dict[str, Any] = {
        "knowledge_id": knowledge_id,
        "query": query,
        "retrieval_setting": {"top_k": config.top_k, "score_threshold": config.score_threshold},
    }
    return {**body, "metadata_condition": _conditions(config.filter)} if config.filter is not None else body


def _conditions(chosen: MetadataFilter) -> dict[str, Any]:
    conditions = [
        {"name": condition.name, "comparison_operator": condition.operator, "value": condition.value} for condition in chosen.conditions
    ]
    return {"logical_operator": chosen.logic, "conditions": conditions}


def _records(dataset_id: str, response: OutboundResponse) -> list[Mapping[str, Any]]:
    answer = _json(response.body)
    if response.status != 200:
        raise KnowledgeError(f"The knowledge service of the dataset '{dataset_id}' answered {response.status}{_words(answer, response)}")
    records = answer.get("records") if isinstance(answer, Mapping) else None
    if not isinstance(records, list) or not all(isinstance(record, Mapping) for record in records):
        raise KnowledgeError(f"The knowledge service of the dataset '{dataset_id}' answered without a list of records.")
    return records


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _words(answer: Any, response: OutboundResponse) -> str:
    """What a service says about its failure, in the form of the API or any other."""
    if isinstance(answer, Mapping) and answer.get("error_msg"):
        return f": {answer['error_msg']} (error code {answer.get('error_code')})"[:SHOWN]
    text = " ".join(response.body[: 4 * SHOWN].decode("utf-8", "replace").split())[:SHOWN]
    return f": {text}" if text else "."


def _passage(dataset: Dataset, record: Mapping[str, Any]) -> Passage:
    """A record as far as it is there: the reference server refuses none for a field that is missing."""
    metadata = record.get("metadata")
    title = _text(record.get("title"))
    return Passage(
        dataset=dataset,
        content=_text(record.get("content")),
        score=_score(record.get("score")),
        document_name=title,
        document_id=_text(metadata.get("document_id")) or title if isinstance(metadata, Mapping) else title,
        source="external",
        metadata=metadata if isinstance(metadata, Mapping) else {},
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _score(value: Any) -> float:
    """0 for what is no number; a number as text counts."""
    try:
        score = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return score if abs(score) < float("inf") else 0.0
