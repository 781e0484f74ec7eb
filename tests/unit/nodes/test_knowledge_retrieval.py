"""nodes.md section 6.11."""

from collections.abc import Sequence
from typing import Any

import pytest

from worker.engine.errors import GraphError, NodeError
from worker.engine.events import ROOT
from worker.engine.inbox import Inbox
from worker.engine.knowledge import (
    Dataset,
    DatasetNotMapped,
    MetadataCondition,
    MetadataFilter,
    NoKnowledge,
    Passage,
    RetrievalConfig,
    Weights,
)
from worker.engine.memory import SystemClock
from worker.engine.models import Answer, ModelRef, NoModels, ToolCall, Usage
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.ports import Ports
from worker.engine.variables import VariablePool
from worker.nodes.knowledge_retrieval import KnowledgeRetrievalNode
from worker.nodes.registry import Registry

LOCAL = Passage(
    Dataset("d1", "Handbook"),
    "Refunds take 14 days.",
    0.75,
    "refunds.md",
    "doc-1",
    "upload_file",
    "seg-1",
    3,
    "f00d",
    {"year": 2024},
)
EXTERNAL = Passage(Dataset("d2", "k-1"), "退款", 0.5, "a.md", "a.md", "external", metadata={"url": "https://docs.example/a"})


class ScriptedKnowledge:
    def __init__(self, passages: Sequence[Passage] = ()) -> None:
        self.passages = list(passages)
        self.asked: list[tuple[list[str], str, RetrievalConfig]] = []

    def describe(self, dataset_ids):
        return [Dataset(dataset_id, dataset_id.upper()) for dataset_id in dataset_ids]

    def retrieve(self, dataset_ids, query, config, cancellation):
        self.asked.append((list(dataset_ids), query, config))
        return self.passages


class Chooser(NoModels):
    """Calls one tool, or none."""

    def __init__(self, tool: str | None) -> None:
        self.tool = tool
        self.requests = []

    def stream(self, request, cancellation, on_delta):
        self.requests.append(request)
        calls = (ToolCall("c", self.tool, "{}"),) if self.tool else ()
        return Answer("", tool_calls=calls, usage=Usage(5, 2))


def node(**data: Any) -> KnowledgeRetrievalNode:
    data = {"query_variable_selector": ["start", "q"], "dataset_ids": ["d1"], "retrieval_mode": "multiple", **data}
    return KnowledgeRetrievalNode(NodeSpec("k", "knowledge-retrieval", "K", "1", data, path="workflow.graph.nodes[1]"))


def run(knowledge: Any, models: Any = None, *, query: Any = "refund?", **data: Any) -> NodeResult:
    pool = VariablePool()
    pool.add_outputs("start", {"q": query, "year": 2024, "kind": "faq"})
    ports = Ports(None, None, None, None, None, SystemClock(), knowledge=knowledge, models=models or NoModels())
    context = NodeContext("run", "app", "execution", ROOT, ports, Inbox(), stream=lambda key, text, is_final: None)
    return node(**data).run(pool, context)


def asked(**data: Any) -> RetrievalConfig:
    knowledge = ScriptedKnowledge()
    run(knowledge, **data)
    return knowledge.asked[0][2]


def test_the_registry_knows_the_type():
    assert Registry().node_class("knowledge-retrieval", "1") is KnowledgeRetrievalNode


def test_passages_are_put_out_as_the_reference_server_does():
    result = run(ScriptedKnowledge([LOCAL, EXTERNAL]))
    first, second = result.outputs["result"]

    assert first == {
        "content": "Refunds take 14 days.",
        "title": "refunds.md",
        "files": [],
        "metadata": {
            "_source": "knowledge",
            "dataset_id": "d1",
            "dataset_name": "Handbook",
            "document_id": "doc-1",
            "document_name": "refunds.md",
            "data_source_type": "upload_file",
            "segment_id": "seg-1",
            "retriever_from": "workflow",
            "score": 0.75,
            "position": 1,
            "segment_hit_count": 0,
            "segment_word_count": 21,
            "segment_position": 3,
            "segment_index_node_hash": "f00d",
            "doc_metadata": {"year": 2024},
            "child_chunks": [],
        },
    }
    assert (second["url"], second["metadata"]["position"], second["metadata"]["segment_id"]) == ("https://docs.example/a", 2, None)
    assert list(second["metadata"]) == list(first["metadata"])
    assert result.inputs == {"query": "refund?"}
    assert (result.process_data["usage"]["total_tokens"], result.total_tokens) == (0, 0)


def test_nothing_found_is_an_empty_result():
    assert run(ScriptedKnowledge()).outputs == {"result": []}


def test_without_any_selector_the_node_succeeds_without_outputs():
    assert run(NoKnowledge(), query_variable_selector=[]) == NodeResult()


def test_attachments_alone_find_nothing():
    knowledge = ScriptedKnowledge()

    assert run(knowledge, query_variable_selector=None, query_attachment_selector=["start", "files"]).outputs == {"result": []}
    assert knowledge.asked[0][1] == ""


@pytest.mark.parametrize("query", [None, 5, ["a"], {"a": 1}])
def test_a_query_must_be_a_text(query):
    with pytest.raises(NodeError) as failure:
        run(NoKnowledge(), query=query)

    assert (failure.value.message, failure.value.error_type) == ("Query variable is not string type.", "KnowledgeRetrievalNodeError")


def test_a_missing_query_fails_the_same_way():
    with pytest.raises(NodeError, match=r"^Query variable is not string type\.$"):
        run(NoKnowledge(), query_variable_selector=["start", "absent"])


def test_an_unmapped_dataset_fails_the_node_with_what_to_do():
    with pytest.raises(DatasetNotMapped, match="dataset 'd1': run `penstock knowledge map d1") as failure:
        run(NoKnowledge())

    assert failure.value.partial.inputs == {"query": "refund?"}


def test_settings_of_the_document_are_asked_for():
    weights = {"keyword_setting": {"keyword_weight": 0.4}, "vector_setting": {"vector_weight": 0.6}}
    multiple = {"top_k": 6, "score_threshold": 0.5, "reranking_enable": True, "reranking_mode": "weighted_score", "weights": weights}

    assert asked(multiple_retrieval_config=multiple) == RetrievalConfig(6, 0.5, weights=Weights(0.4, 0.6))


@pytest.mark.parametrize("multiple", [{}, None, {"score_threshold": None, "reranking_model": {"provider": "", "model": ""}}])
def test_what_a_document_leaves_out_has_defaults(multiple):
    assert asked(multiple_retrieval_config=multiple) == RetrievalConfig(4, 0.0)


def test_the_number_of_passages_is_bounded():
    assert [asked(multiple_retrieval_config={"top_k": top_k}).top_k for top_k in (0, -1, 10**9)] == [1, 1, 100]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ModelRef("cohere", "rerank-3")),
        ({"reranking_enable": False}, None),
        ({"reranking_mode": "weighted_score"}, None),
    ],
)
def test_a_reranking_model_counts_when_it_is_switched_on(changes, expected):
    multiple = {"top_k": 2, "reranking_model": {"provider": "cohere", "model": "rerank-3"}, **changes}

    assert asked(multiple_retrieval_config=multiple).reranker == expected


def filtering(*conditions: dict[str, Any], **changes: Any) -> dict[str, Any]:
    conditions_of = {"logical_operator": "or", "conditions": list(conditions)}
    return {"metadata_filtering_mode": "manual", "metadata_filtering_conditions": conditions_of, **changes}


YEAR = {"id": "1", "name": "year", "comparison_operator": "=", "value": "{{#start.year#}}"}


def test_values_of_a_manual_filter_are_rendered():
    blank = {"name": "kind", "comparison_operator": "empty", "value": None}
    found = asked(**filtering(YEAR, blank, {"name": "n", "comparison_operator": ">", "value": 5}))

    conditions = [MetadataCondition("year", "=", "2024"), MetadataCondition("kind", "empty"), MetadataCondition("n", ">", 5)]
    assert found.filter == MetadataFilter("or", conditions)


def test_a_condition_without_a_value_is_none():
    assert asked(**filtering({"name": "kind", "comparison_operator": "is"})).filter is None


@pytest.mark.parametrize("mode", ["disabled", "automatic"])
def test_only_the_manual_mode_filters(mode):
    assert asked(**filtering(YEAR, metadata_filtering_mode=mode)).filter is None


SINGLE = {
    "retrieval_mode": "single",
    "dataset_ids": ["d1", "d2"],
    "single_retrieval_config": {"model": {"provider": "openai", "name": "gpt", "mode": "chat", "completion_params": {}}},
    "multiple_retrieval_config": {"top_k": 9},
}


def test_in_single_mode_a_model_chooses_the_dataset():
    knowledge, models = ScriptedKnowledge([LOCAL]), Chooser("knowledge_base_2")
    result = run(knowledge, models, **SINGLE)

    assert knowledge.asked == [(["d2"], "refund?", RetrievalConfig())]
    assert [tool.description for tool in models.requests[0].tools] == ["D1", "D2"]
    assert models.requests[0].model == ModelRef("openai", "gpt")
    assert (result.total_tokens, result.metadata["total_tokens"], result.process_data["usage"]["total_tokens"]) == (7, 7, 7)


@pytest.mark.parametrize("tool", [None, "something_else"])
def test_a_model_may_choose_none(tool):
    knowledge = ScriptedKnowledge()
    run(knowledge, Chooser(tool), **SINGLE)

    assert knowledge.asked[0][0] == []


def test_a_single_dataset_is_not_chosen_by_a_model():
    knowledge = ScriptedKnowledge()
    run(knowledge, NoModels(), **{**SINGLE, "dataset_ids": ["d1"]})

    assert knowledge.asked[0][0] == ["d1"]


def test_a_model_that_is_not_configured_fails_the_node():
    with pytest.raises(NodeError, match="Model provider openai is not configured") as failure:
        run(ScriptedKnowledge(), **SINGLE)
    assert failure.value.partial.inputs == {"query": "refund?"}


def test_every_mistake_of_the_configuration_is_found():
    with pytest.raises(GraphError) as failure:
        node(
            retrieval_mode="double",
            dataset_ids="d1",
            multiple_retrieval_config={"top_k": "many"},
            **filtering({"name": "", "comparison_operator": "~"}),
        )

    assert {finding.path.removeprefix("workflow.graph.nodes[1].data.") for finding in failure.value.findings} == {
        "retrieval_mode",
        "dataset_ids",
        "multiple_retrieval_config.top_k",
        "metadata_filtering_conditions.conditions[0].name",
        "metadata_filtering_conditions.conditions[0].comparison_operator",
    }
