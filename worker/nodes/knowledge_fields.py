"""How a knowledge-retrieval node is to retrieve, out of its configuration (nodes.md section 6.11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from worker.engine.knowledge import METADATA_OPERATORS, TOP_K, UNARY_OPERATORS, MetadataCondition, MetadataFilter, RetrievalConfig, Weights
from worker.engine.models import ModelRef
from worker.engine.templates import Template
from worker.engine.variables import MISSING, VariablePool, type_of
from worker.nodes.condition_fields import read_logic
from worker.nodes.fields import Fields

#: Most passages that a node may ask for.
MAX_TOP_K = 100

NUMBERS = ("integer", "float")

RERANKING_MODEL, WEIGHTED_SCORE = "reranking_model", "weighted_score"

DISABLED, AUTOMATIC, MANUAL = "disabled", "automatic", "manual"


@dataclass(frozen=True, slots=True)
class Retrieval:
    #: Without its filter, whose values may hold placeholders.
    base: RetrievalConfig
    logic: Literal["and", "or"]
    #: Values are templates where they are texts.
    conditions: Sequence[MetadataCondition]
    #: A model makes the conditions.
    is_automatic: bool = False

    def config(self, found: Sequence[MetadataCondition], pool: VariablePool) -> RetrievalConfig:
        """With the values that the run has, and the conditions that a model found.

        A condition without a value is none, as in the reference server.
        """
        rendered = [replace(condition, value=_rendered(condition.value, pool)) for condition in self.conditions]
        counting = [condition for condition in rendered if condition.value is not None or condition.operator in UNARY_OPERATORS]
        conditions = [*counting, *found]
        return replace(self.base, filter=MetadataFilter(self.logic, conditions) if conditions else None)


def read_retrieval(fields: Fields, *, is_multiple: bool) -> Retrieval:
    """``multiple_retrieval_config`` counts in that mode alone."""
    base = _read_multiple(fields.mapping("multiple_retrieval_config")) if is_multiple else RetrievalConfig()
    mode = fields.choice("metadata_filtering_mode", (DISABLED, AUTOMATIC, MANUAL), DISABLED)
    filtering = fields.mapping("metadata_filtering_conditions")
    conditions = [_read_condition(item) for item in filtering.items("conditions")] if mode == MANUAL else []
    # The reference server joins what a model finds by "or" unless the document has conditions of its own, with a logic.
    logic = read_logic(filtering) if mode == MANUAL or filtering.data else "or"
    return Retrieval(base, logic, conditions, is_automatic=mode == AUTOMATIC)


def _read_multiple(fields: Fields) -> RetrievalConfig:
    is_reranked = fields.flag("reranking_enable", True)
    mode = fields.choice("reranking_mode", (RERANKING_MODEL, WEIGHTED_SCORE), RERANKING_MODEL)
    return RetrievalConfig(
        top_k=max(1, min(MAX_TOP_K, fields.integer("top_k", TOP_K))),
        score_threshold=fields.number("score_threshold", 0.0),
        weights=_read_weights(fields.mapping("weights")) if is_reranked and mode == WEIGHTED_SCORE else None,
        reranker=_read_reranker(fields.mapping("reranking_model")) if is_reranked and mode == RERANKING_MODEL else None,
    )


def _read_weights(fields: Fields) -> Weights | None:
    if not fields.data:
        return None
    keyword = fields.mapping("keyword_setting").number("keyword_weight", 0.0)
    vector = fields.mapping("vector_setting").number("vector_weight", 0.0)
    return Weights(keyword, vector)


def _read_reranker(fields: Fields) -> ModelRef | None:
    provider, model = fields.text("provider"), fields.text("model")
    return ModelRef(provider, model) if provider and model else None


def _read_condition(fields: Fields) -> MetadataCondition:
    value = fields.value("value")
    operator = fields.choice("comparison_operator", METADATA_OPERATORS)
    parsed = [_parsed(item) for item in value] if isinstance(value, list) else _parsed(value)
    return MetadataCondition(fields.required_text("name"), operator, parsed)


def _parsed(value: Any) -> Any:
    return Template.parse(value) if isinstance(value, str) else value


def _rendered(value: Any, pool: VariablePool) -> Any:
    """A number that stands alone stays one; a text becomes one line."""
    if isinstance(value, list):
        return [_rendered(item, pool) for item in value]
    if not isinstance(value, Template):
        return value
    alone = pool.get(value.selectors[0]) if len(value.parts) == 1 and value.selectors else MISSING
    is_number = alone is not MISSING and type_of(alone) in NUMBERS
    return alone if is_number else " ".join(value.render(pool).split())
