"""nodes.md section 6.11."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from worker.engine.errors import GraphError, NodeError
from worker.engine.events import ROOT
from worker.engine.inbox import Inbox
from worker.engine.knowledge import (
    METADATA_OPERATORS,
    Dataset,
    DatasetNotMapped,
    MetadataCondition,
    MetadataField,
    MetadataFilter,
    NoKnowledge,
    Passage,
    RetrievalConfig,
    Weights,
)
from worker.engine.memory import SystemClock
from worker.engine.models import Answer, Features, ModelError, ModelRef, NoModels, ToolCall, Usage
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.ports import Ports
from worker.engine.variables import VariablePool
from worker.llm.memory import ScriptedModels
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


FIELDS = [MetadataField("kind", "text", ("faq", "manual")), MetadataField("year", "number", (2023, 2024))]


class ScriptedKnowledge:
    def __init__(self, passages: Sequence[Passage] = (), fields: Sequence[MetadataField] = ()) -> None:
        self.passages = list(passages)
        self.fields = list(fields)
        self.asked: list[tuple[list[str], str, RetrievalConfig]] = []

    def describe(self, dataset_ids):
        return [Dataset(dataset_id, dataset_id.upper()) for dataset_id in dataset_ids]

    def metadata_fields(self, dataset_ids):
        return self.fields

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

    conditions = [MetadataCondition("year", "=", 2024), MetadataCondition("kind", "empty"), MetadataCondition("n", ">", 5)]
    assert found.filter == MetadataFilter("or", conditions)


def test_a_condition_without_a_value_is_none():
    assert asked(**filtering({"name": "kind", "comparison_operator": "is"})).filter is None


def test_a_filter_that_is_switched_off_filters_nothing():
    assert asked(**filtering(YEAR, metadata_filtering_mode="disabled")).filter is None


@pytest.mark.parametrize(
    ("value", "rendered"),
    [
        ("{{#start.year#}}", 2024),
        ("from {{#start.year#}}", "from 2024"),
        ("  {{#start.kind#}}\r\n and\tmore ", "faq and more"),
        (["{{#start.kind#}}", 7], ["faq", 7]),
        ("{{#start.gone#}}", "start.gone"),
        (2.5, 2.5),
        ("", ""),
    ],
)
def test_values_of_conditions_keep_what_they_are(value, rendered):
    found = asked(**filtering({"name": "year", "comparison_operator": "is", "value": value}))
    assert found.filter.conditions == [MetadataCondition("year", "is", rendered)]


@pytest.mark.parametrize("operator", METADATA_OPERATORS)
def test_every_operator_may_be_named(operator):
    found = asked(**filtering({"name": "year", "comparison_operator": operator, "value": "x"}))
    assert found.filter.conditions[0].operator == operator


# ---- conditions by a model

AUTOMATIC = {
    "metadata_filtering_mode": "automatic",
    "metadata_model_config": {"provider": "openai", "name": "gpt", "mode": "chat", "completion_params": {"temperature": 0}},
}


def derived(answer: str, *, fields: Sequence[MetadataField] = FIELDS, features: Features | None = None, **data: Any):
    """The filter that came of an answer, the model that gave it, and the node's result."""
    knowledge, models = ScriptedKnowledge([LOCAL], fields), ScriptedModels([Answer(answer, usage=Usage(5, 2))], features=features)
    result = run(knowledge, models, **{**AUTOMATIC, **data})
    return knowledge.asked[0][2].filter, models, result


def conditions(*found: dict[str, Any]) -> str:
    return json.dumps({"conditions": found})


KIND = {"name": "kind", "comparison_operator": "is", "value": "faq"}


def test_in_automatic_mode_a_model_makes_the_conditions():
    year = {"name": "year", "comparison_operator": "≥", "value": 2024}
    found, models, result = derived(conditions(KIND, year))

    assert found == MetadataFilter("or", [MetadataCondition("kind", "is", "faq"), MetadataCondition("year", "≥", 2024)])
    [request] = models.requests
    assert (request.model, request.parameters) == (ModelRef("openai", "gpt"), {"temperature": 0})
    asked_for = request.messages[-1].text
    assert all(word in asked_for for word in ("refund?", "kind", "manual", "year", "2023"))
    assert (result.total_tokens, result.metadata["total_tokens"], result.process_data["usage"]["total_tokens"]) == (7, 7, 7)


def test_the_document_says_how_the_conditions_are_joined():
    found, _, _ = derived(conditions(KIND), metadata_filtering_conditions={"logical_operator": "and", "conditions": []})
    assert found.logic == "and"


@pytest.mark.parametrize(
    "answer",
    [
        f"<think>year?</think>```json\n{conditions(KIND)}\n```",
        json.dumps([KIND]),
        json.dumps(KIND),
        json.dumps([{"metadata_field_name": "kind", "comparison_operator": "is", "metadata_field_value": "faq"}]),
        conditions(KIND, {"name": "author", "comparison_operator": "is", "value": "x"}, {**KIND, "comparison_operator": "~"}),
        conditions(KIND, {**KIND, "value": {"a": 1}}, {**KIND, "value": None}, {"name": "kind"}),
        conditions(KIND)[:-2] + ",]}",
    ],
)
def test_answers_are_read_as_far_as_they_make_sense(answer):
    assert derived(answer)[0] == MetadataFilter("or", [MetadataCondition("kind", "is", "faq")])


@pytest.mark.parametrize("answer", ["", "I do not know.", "{}", "[]", conditions(), "5", '{"conditions": "none"}'])
def test_without_conditions_nothing_is_left_out(answer):
    assert derived(answer)[0] is None


def test_conditions_on_nothing_need_no_value():
    assert derived(conditions({"name": "kind", "comparison_operator": "not empty"}))[0].conditions == [
        MetadataCondition("kind", "not empty")
    ]


def test_a_model_that_takes_a_schema_is_given_one():
    request = derived(conditions(KIND), features=Features(json_schema=True))[1].requests[0]
    item = request.json_schema["properties"]["conditions"]["items"]["properties"]
    assert item["name"]["enum"] == ["kind", "year"]
    assert derived(conditions(KIND))[1].requests[0].json_schema is None


def test_where_documents_have_no_fields_no_model_is_asked():
    found, models, result = derived(conditions(KIND), fields=[])
    assert (found, models.requests, result.total_tokens) == (None, [], 0)


def test_a_completion_model_is_asked_with_one_text():
    model = {**AUTOMATIC["metadata_model_config"], "mode": "completion"}
    [message] = derived(conditions(KIND), metadata_model_config=model)[1].requests[0].messages
    assert message.role == "user"


def test_automatic_without_a_model_fails_the_node():
    with pytest.raises(NodeError, match="names no model"):
        run(ScriptedKnowledge([], FIELDS), **{**AUTOMATIC, "metadata_model_config": None})


def test_a_model_that_fails_fails_the_node():
    with pytest.raises(NodeError, match="quota"):
        run(ScriptedKnowledge([], FIELDS), ScriptedModels([ModelError("quota")]), **AUTOMATIC)


def test_choosing_and_filtering_are_both_paid_for():
    knowledge = ScriptedKnowledge([LOCAL], FIELDS)
    choice = Answer("", tool_calls=(ToolCall("c", "knowledge_base_2", "{}"),), usage=Usage(5, 2))
    result = run(knowledge, ScriptedModels([choice, Answer(conditions(KIND), usage=Usage(10, 3))]), **{**SINGLE, **AUTOMATIC})
    assert (result.total_tokens, result.process_data["usage"]["prompt_tokens"]) == (20, 15)


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
