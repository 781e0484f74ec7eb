"""knowledge-retrieval: the passages of knowledge bases that fit a query best (nodes.md section 6.11)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from worker.engine.errors import NodeError, Partial
from worker.engine.knowledge import KnowledgeError, MetadataCondition
from worker.engine.models import Usage
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.variables import VariablePool
from worker.nodes.dataset_choice import choose_dataset
from worker.nodes.fields import Fields
from worker.nodes.knowledge_fields import read_retrieval
from worker.nodes.knowledge_items import items_of
from worker.nodes.metadata_choice import choose_conditions
from worker.nodes.model_fields import read_model

SINGLE, MULTIPLE = "single", "multiple"


class KnowledgeRetrievalNode:
    is_pure: ClassVar[bool] = False
    is_branch: ClassVar[bool] = False

    def __init__(self, spec: NodeSpec) -> None:
        fields = Fields.of(spec)
        self._query = fields.selector("query_variable_selector")
        self._has_selector = bool(self._query or fields.selector("query_attachment_selector"))
        self._dataset_ids = [str(item) for item in fields.sequence("dataset_ids")]
        is_single = fields.choice("retrieval_mode", (SINGLE, MULTIPLE), MULTIPLE) == SINGLE
        self._retrieval = read_retrieval(fields, is_multiple=not is_single)
        model = read_model(fields.mapping("single_retrieval_config").mapping("model"))
        # Where there is but one dataset, there is nothing to choose.
        self._model = model if is_single and len(self._dataset_ids) > 1 else None
        self._metadata_model = read_model(fields.mapping("metadata_model_config"))
        fields.check()

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult:
        if not self._has_selector:
            return NodeResult()
        # A node with attachments alone finds nothing: no knowledge base here is searched by files.
        query = pool.get(self._query) if self._query else ""
        if not isinstance(query, str):
            raise KnowledgeError("Query variable is not string type.")
        shown = Partial({"query": query})
        try:
            return self._retrieve(query, pool, context, shown)
        except NodeError as error:
            error.tell(shown)
            raise

    def _retrieve(self, query: str, pool: VariablePool, context: NodeContext, shown: Partial) -> NodeResult:
        """What is known on the way is told in ``shown``."""
        usage, dataset_ids = self._chosen(query, pool, context)
        note(usage, shown)
        if self._retrieval.is_automatic:
            more, conditions = self._conditions(query, dataset_ids, pool, context)
            note(usage.add(more), shown)
        else:
            conditions = []
        config = self._retrieval.config(conditions, pool)
        passages = context.ports.knowledge.retrieve(dataset_ids, query, config, context.cancellation)
        outputs: dict[str, Any] = {"result": items_of(passages)}
        return NodeResult(outputs, shown.inputs, shown.process_data, total_tokens=shown.total_tokens, metadata=shown.metadata)

    def _chosen(self, query: str, pool: VariablePool, context: NodeContext) -> tuple[Usage, list[str]]:
        """The datasets to look into, and what it cost to know."""
        if self._model is None:
            return Usage(), self._dataset_ids
        datasets = context.ports.knowledge.describe(self._dataset_ids)
        usage, chosen = choose_dataset(self._model, query, datasets, pool, context)
        return usage, [chosen.id] if chosen else []

    def _conditions(
        self, query: str, dataset_ids: Sequence[str], pool: VariablePool, context: NodeContext
    ) -> tuple[Usage, Sequence[MetadataCondition]]:
        if not self._metadata_model.ref.provider:
            raise KnowledgeError("The node filters by metadata automatically, but names no model for it.")
        fields = context.ports.knowledge.metadata_fields(dataset_ids)
        return choose_conditions(self._metadata_model, query, fields, pool, context)


def note(usage: Usage, shown: Partial) -> None:
    shown.process_data = {"usage": usage.to_json()}
    shown.total_tokens, shown.metadata = usage.total_tokens, usage.metadata()


NODE = KnowledgeRetrievalNode
