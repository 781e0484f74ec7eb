import copy

import pytest

from worker.engine.dsl import content_hash, examine, read_workflow
from worker.engine.errors import GraphError
from worker.engine.workflow import EdgeSpec
from worker.nodes.registry import Registry

REGISTRY = Registry()


def node(node_id, node_type, **data):
    return {"id": node_id, "type": "custom", "data": {"type": node_type, "title": node_id.upper(), **data}}


def edge(text):
    """An edge from ``"a:handle>b"``."""
    left, target = text.split(">")
    source, _, handle = left.partition(":")
    return {"source": source, "target": target, "sourceHandle": handle or "source"}


START = node("start", "start", variables=[{"variable": "q", "type": "text-input"}])
END = node("end", "end", outputs=[{"variable": "q", "value_selector": ["start", "q"]}])


def document(nodes=(START, END), edges="start>end", **workflow):
    return {
        "version": "0.3.0",
        "kind": "app",
        "app": {"name": "App", "mode": "workflow"},
        "workflow": {"graph": {"nodes": list(nodes), "edges": [edge(text) for text in edges.split()]}, **workflow},
    }


def with_app(**app):
    return {**document(), "app": app}


def found(doc, registry=REGISTRY):
    return [(finding.level, finding.code) for finding in examine(doc, registry).findings]


def passthrough(node_id, *names, **data):
    return node(node_id, "variable-aggregator", variables=[list(name) for name in names], **data)


def test_a_sound_document_becomes_a_workflow_without_findings():
    features = {"opening_statement": "Hi"}
    doc = document(features=features, environment_variables=[{"name": "N", "value_type": "number", "value": 1}])
    doc["app"] = {"name": "App", "description": "d", "mode": "workflow", "icon": "x", "icon_background": "#000000"}
    examination = examine(doc, REGISTRY)
    workflow = examination.workflow
    assert examination.findings == ()
    assert (workflow.name, workflow.description, workflow.mode) == ("App", "d", "workflow")
    assert (workflow.icon, workflow.icon_type, workflow.icon_background) == ("x", "emoji", "#000000")
    assert [(item.id, item.type, item.title, item.version) for item in workflow.nodes] == [
        ("start", "start", "START", "1"),
        ("end", "end", "END", "1"),
    ]
    assert workflow.nodes[1].path == "workflow.graph.nodes[1]"
    assert workflow.edges == (EdgeSpec("start", "end", "source"),)
    assert [variable.name for variable in workflow.environment] == ["N"]
    assert workflow.features == features
    assert workflow.start_variables == ({"variable": "q", "type": "text-input"},)
    assert workflow.document is doc


@pytest.mark.parametrize(
    ("doc", "code", "path"),
    [
        (None, "invalid_document", None),
        (["x"], "invalid_document", None),
        ("text", "invalid_document", None),
        ({**document(), "version": 0.1}, "invalid_version", "version"),
        ({**document(), "version": "latest"}, "invalid_version", "version"),
        ({**document(), "version": "0.1." + "x" * 100_000}, "invalid_version", "version"),
        ({**document(), "kind": "rag_pipeline"}, "unsupported_kind", "kind"),
        ({**document(), "app": None}, "missing_app", "app"),
        ({**document(), "app": ["x"]}, "missing_app", "app"),
        (with_app(name="x"), "missing_app_mode", "app.mode"),
        (with_app(mode="colour"), "invalid_app_mode", "app.mode"),
        (with_app(mode=["workflow"]), "invalid_app_mode", "app.mode"),
        (with_app(mode="advanced-chat"), "unsupported_app_mode", "app.mode"),
        (with_app(mode="agent-chat"), "unsupported_app_mode", "app.mode"),
        (with_app(mode="completion"), "unsupported_app_mode", "app.mode"),
        ({**document(), "workflow": None}, "missing_workflow", "workflow"),
        ({**document(), "workflow": []}, "missing_workflow", "workflow"),
        ({**document(), "workflow": {}}, "missing_graph", "workflow.graph"),
        ({**document(), "workflow": {"graph": {}}}, "invalid_graph", "workflow.graph.nodes"),
        ({**document(), "workflow": {"graph": {"nodes": [], "edges": []}}}, "empty_graph", "workflow.graph.nodes"),
        ({**document(), "workflow": {"graph": {"nodes": [START], "edges": {}}}}, "invalid_graph", "workflow.graph.edges"),
        (document(features=["x"]), "invalid_features", "workflow.features"),
        (document(environment_variables={"a": 1}), "invalid_environment", "workflow.environment_variables"),
        (document(environment_variables=[{"name": "N"}]), "invalid_environment", "workflow.environment_variables[0]"),
        (document(nodes=[START, "end"]), "invalid_node", "workflow.graph.nodes[1]"),
        (document(nodes=[START, {"id": "x", "data": "end"}]), "invalid_node", "workflow.graph.nodes[1].data"),
        (document(nodes=[START, {"id": "x", "data": {"type": 5}}]), "invalid_node", "workflow.graph.nodes[1].data"),
        (document(nodes=[START, {"data": {"type": "end"}}]), "invalid_node_id", "workflow.graph.nodes[1].id"),
        (document(nodes=[START, END, END]), "duplicate_node_id", "workflow.graph.nodes[2]"),
        (document(nodes=[END], edges=""), "no_start", "workflow.graph.nodes"),
        (document(nodes=[START, node("s2", "start"), END]), "several_starts", "workflow.graph.nodes[1]"),
    ],
)
def test_errors_name_code_and_place(doc, code, path):
    examination = examine(doc, REGISTRY)
    assert examination.workflow is None
    assert (code, path) in [(finding.code, finding.path) for finding in examination.errors]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 0.1}, "Invalid version type, expected str, got <class 'float'>"),
        ({"app": None}, "Missing app data in YAML content"),
        ({"app": {"name": "x"}}, "loss app mode"),
        ({"app": {"mode": "colour"}}, "Invalid app mode"),
        ({"app": {"mode": "advanced-chat"}}, "Dify advanced-chat app is not supported by Penstock"),
        ({"workflow": None}, "Missing workflow data for workflow/advanced chat app"),
    ],
)
def test_errors_of_the_reference_server_are_worded_alike(change, message):
    assert message in [finding.message for finding in examine({**document(), **change}).errors]


@pytest.mark.parametrize("version", [None, "", "0.1.0", "0.1.5", "0.6", "0.7.0", "v0.3.1", "0.7.0rc1", "0.3.0.post1", "0.3.0.dev2"])
def test_versions_up_to_the_newest_are_taken(version):
    assert found({**document(), "version": version}) == []


@pytest.mark.parametrize("version", ["0.7.1", "0.10", "1.0.0", "9" * 5000])
def test_a_newer_version_is_taken_with_a_warning(version):
    assert found({**document(), "version": version}) == [("warning", "dsl_newer_than_supported")]


@pytest.mark.parametrize("key", ["version", "kind"])
def test_the_oldest_files_have_neither_version_nor_kind(key):
    doc = document()
    del doc[key]
    assert found(doc) == []


def test_another_kind_counts_as_an_app():
    assert found({**document(), "kind": "something"}) == []


def test_an_app_of_another_mode_is_told_of_its_nodes_too():
    doc = {**document(nodes=[START, node("x", "telepathy"), END], edges="start>x x>end"), "app": {"mode": "advanced-chat"}}
    assert found(doc) == [("error", "unsupported_app_mode"), ("error", "unsupported_node_type")]


def test_all_errors_are_found_at_once_with_the_nodes_named():
    doc = document(
        nodes=[
            START,
            node("a", "telepathy"),
            node("b", "if-else", cases=[{"case_id": "c", "conditions": [{"comparison_operator": "near"}]}]),
            END,
        ],
        edges="start>a a>b b:c>end",
        environment_variables=[{"name": "N"}],
    )
    with pytest.raises(GraphError) as caught:
        read_workflow(doc, REGISTRY)
    assert [(finding.code, finding.node_id, finding.node_title, finding.path) for finding in caught.value.findings] == [
        ("invalid_environment", None, None, "workflow.environment_variables[0]"),
        ("unsupported_node_type", "a", "A", "workflow.graph.nodes[1].data.type"),
        ("invalid_node_data", "b", "B", "workflow.graph.nodes[2].data.cases[0].conditions[0].comparison_operator"),
    ]
    assert "node type 'telepathy' is not supported (node 'A' at workflow.graph.nodes[1].data.type)" in str(caught.value)


def test_a_document_that_no_walk_ends_in_is_refused():
    doc = document()
    doc["self"] = doc
    assert found(doc) == [("error", "document_too_deep")]


def test_notes_and_nodes_without_a_type_are_dropped_with_their_edges():
    note = {"id": "note", "type": "custom-note", "data": {"type": "", "text": "x"}}
    typeless = [{"id": "t1", "data": {"type": ""}}, {"id": "t2", "data": {}}, {"id": "t3"}]
    workflow = read_workflow(document(nodes=[note, START, *typeless, END], edges="start>end note>end start>t1"), REGISTRY)
    assert [item.id for item in workflow.nodes] == ["start", "end"]
    assert workflow.edges == (EdgeSpec("start", "end"),)


def test_ids_handles_and_titles_are_texts_however_yaml_reads_them():
    doc = document(nodes=[START, node("sw", "if-else", cases=[{"case_id": True, "conditions": []}]), {"id": 17, "data": {"type": "end"}}])
    doc["workflow"]["graph"]["edges"] = [{"source": "start", "target": "sw"}, {"source": "sw", "target": 17, "sourceHandle": True}]
    workflow = read_workflow(doc, REGISTRY)
    assert [item.id for item in workflow.nodes] == ["start", "sw", "17"]
    assert workflow.edges == (EdgeSpec("start", "sw", "source"), EdgeSpec("sw", "17", "true"))


def test_the_legacy_name_of_the_aggregator_is_understood():
    doc = document(nodes=[START, node("agg", "variable-assigner", variables=[["start", "q"]]), END], edges="start>agg agg>end")
    assert [item.type for item in read_workflow(doc, REGISTRY).nodes] == ["start", "variable-aggregator", "end"]


@pytest.mark.parametrize("edges", ["start>end ghost>end", "start>end start>ghost", "start>end ghost>phantom"])
def test_a_dangling_edge_is_dropped_with_a_warning(edges):
    examination = examine(document(edges=edges), REGISTRY)
    assert [(finding.code, finding.path) for finding in examination.findings] == [("dangling_edge", "workflow.graph.edges[1]")]
    assert examination.workflow.edges == (EdgeSpec("start", "end"),)


def test_an_edge_that_is_no_mapping_is_an_error():
    doc = document()
    doc["workflow"]["graph"]["edges"].append("start>end")
    assert found(doc) == [("error", "invalid_edge")]


def test_parallel_edges_are_all_kept():
    assert len(read_workflow(document(edges="start>end start>end"), REGISTRY).edges) == 2


def test_a_cycle_is_an_error_that_names_its_nodes():
    doc = document(nodes=[START, passthrough("a", ("start", "q")), passthrough("b", ("a", "output")), END], edges="start>a a>b b>a b>end")
    (finding,) = examine(doc, REGISTRY).errors
    assert (finding.code, finding.node_id) == ("cyclic_graph", "a")
    assert "A → B → A" in finding.message


def test_unreachable_nodes_are_left_out_with_a_warning_whatever_they_are():
    stray = [passthrough("a", ("start", "q")), node("b", "telepathy"), node("c", "if-else", cases="odd")]
    examination = examine(document(nodes=[START, *stray, END], edges="start>end a>end b>c"), REGISTRY)
    assert [(finding.level, finding.code, finding.node_id) for finding in examination.findings] == [
        ("warning", "unreachable_node", "a"),
        ("warning", "unreachable_node", "b"),
        ("warning", "unsupported_node_type", "b"),
        ("warning", "unreachable_node", "c"),
        ("warning", "invalid_node_data", "c"),
    ]
    assert [item.id for item in examination.workflow.nodes] == ["start", "end"]
    assert examination.workflow.edges == (EdgeSpec("start", "end"),)


def test_without_a_registry_every_type_of_the_language_passes():
    doc = document(nodes=[START, node("a", "llm"), node("b", "telepathy"), END], edges="start>a a>b b>end")
    assert found(doc, None) == [("error", "unsupported_node_type")]


def test_start_and_triggers_exclude_each_other():
    doc = document(nodes=[START, node("t", "trigger-webhook"), END], edges="start>end t>end")
    messages = [finding.message for finding in examine(doc).errors]
    assert messages == ["Start node and trigger nodes cannot coexist in the same workflow"]


@pytest.mark.parametrize("registry", [None, REGISTRY])
def test_a_workflow_may_begin_at_triggers_which_is_said(registry):
    doc = document(nodes=[node("t", "trigger-schedule"), node("u", "trigger-webhook"), node("end", "end", outputs=[])], edges="t>end u>end")
    examination = examine(doc, registry)
    assert [(finding.level, finding.code, finding.node_id) for finding in examination.findings] == [("warning", "only_triggers", "t")]
    assert [item.id for item in examination.workflow.nodes] == ["t", "u", "end"]


def test_a_workflow_without_end_is_warned_of():
    assert found(document(nodes=[START], edges="")) == [("warning", "no_end")]


BRANCH = node("sw", "if-else", cases=[{"case_id": "c1", "conditions": []}, {"case_id": "c2", "conditions": []}])
CLASSIFIER = node("sw", "question-classifier", classes=[{"id": "1", "name": "x"}, {"id": 2, "name": "y"}])
FORM = node("sw", "human-input", user_actions=[{"id": "ok"}])
FAILING = node("sw", "code", error_strategy="fail-branch")


@pytest.mark.parametrize(
    ("source", "handle", "is_taken"),
    [
        (BRANCH, "c1", True),
        (BRANCH, "c2", True),
        (BRANCH, "false", True),
        (BRANCH, "true", False),
        (BRANCH, "source", False),
        (BRANCH, "fail-branch", False),
        (CLASSIFIER, "2", True),
        (CLASSIFIER, "3", False),
        (FORM, "ok", True),
        (FORM, "__timeout", True),
        (FORM, "cancel", False),
        (FAILING, "source", True),
        (FAILING, "fail-branch", True),
        (FAILING, "success-branch", False),
        (node("sw", "code"), "fail-branch", True),
    ],
)
def test_an_edge_of_a_handle_that_its_source_cannot_choose_is_warned_of(source, handle, is_taken):
    doc = document(nodes=[START, source, END], edges=f"start>sw sw:{handle}>end")
    assert found(doc, None) == ([] if is_taken else [("warning", "unknown_handle")])


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"variables": [["ghost", "x"]]}, "variables[0]"),
        ({"advanced_settings": {"groups": [{"variables": [["ghost", "x"]]}]}}, "advanced_settings.groups[0].variables[0]"),
        ({"variables": [{"variable": "v", "value_selector": ["ghost", "x"]}]}, "variables[0].value_selector"),
        ({"url": "https://x.example/{{#ghost.x#}}"}, "url"),
        ({"query": ["ghost", "x"]}, "query"),
        ({"tool_parameters": {"p": {"type": "variable", "value": ["ghost", "x"]}}}, "tool_parameters.p.value"),
        ({"body": {"data": [{"key": "{{#env.NONE#}}"}]}}, "body.data[0].key"),
        ({"variables": [["conversation", "x"]]}, "variables[0]"),
    ],
)
def test_selectors_that_find_nothing_are_warned_of_once_with_their_place(data, path):
    doc = document(nodes=[START, node("a", "tool", again=data, **data), END], edges="start>a a>end")
    findings = examine(doc).findings
    assert [(finding.level, finding.code, finding.node_id) for finding in findings] == [("warning", "unknown_selector", "a")]
    assert findings[0].path in (f"workflow.graph.nodes[1].data.{path}", f"workflow.graph.nodes[1].data.again.{path}")


@pytest.mark.parametrize(
    "data",
    [
        {"value_selector": ["start", "anything"]},
        {"value_selector": ["sys", "user_id"]},
        {"value_selector": ["env", "N"]},
        {"value_selector": []},
        {"value_selector": ["", ""]},
        {"options": ["ghost", "x"]},
        {"value": ["ghost", "x"]},
        {"code": "'{{#ghost.x#}}'"},
        {"desc": "see {{#ghost.x#}}"},
    ],
)
def test_what_is_no_selector_to_an_unknown_node_is_not_warned_of(data):
    environment = [{"name": "N", "value_type": "number", "value": 1}]
    assert (
        found(document(nodes=[START, node("a", "tool", **data), END], edges="start>a a>end", environment_variables=environment), None) == []
    )


def test_moderation_is_warned_of_because_it_has_no_effect():
    assert found(document(features={"sensitive_word_avoidance": {"enabled": True}})) == [("warning", "ignored_feature")]


def test_a_default_value_of_a_wrong_type_is_found_at_import():
    recovered = node(
        "a", "variable-aggregator", error_strategy="default-value", default_value=[{"key": "x", "type": "number", "value": "many"}]
    )
    assert found(document(nodes=[START, recovered, END], edges="start>a a>end")) == [("error", "invalid_node_data")]


@pytest.mark.parametrize("count", [1000, 1001])
def test_a_graph_has_at_most_a_thousand_nodes(count):
    nodes = [START, *(passthrough(f"n{index}") for index in range(count - 2)), END]
    edges = " ".join(["start>end", *(f"start>n{index}" for index in range(count - 2))])
    assert found(document(nodes=nodes, edges=edges)) == ([] if count == 1000 else [("error", "graph_too_large")])


def test_a_graph_has_at_most_ten_thousand_edges():
    assert found(document(edges="start>end " * 10_001)) == [("error", "graph_too_large")]


# Containers. Their own node types need no registry here.


def container(node_type="iteration", **data):
    return node("it", node_type, **data)


def inside(made, **data):
    return {**made, "data": {**made["data"], **data}}


CHILD = inside(node("body", "code"), iteration_id="it")
ITERATION_START = inside(node("itstart", "iteration-start"), iteration_id="it")


def contained(outer, *children, edges=""):
    return document(nodes=[START, outer, *children, END], edges=f"start>it it>end {edges}")


def test_children_know_their_container_and_the_container_its_start():
    doc = contained(container(start_node_id="itstart"), ITERATION_START, CHILD, edges="itstart>body")
    examination = examine(doc)
    assert examination.findings == ()
    assert {item.id: item.container_id for item in examination.workflow.nodes} == {
        "start": None,
        "it": None,
        "itstart": "it",
        "body": "it",
        "end": None,
    }


@pytest.mark.parametrize(
    ("data", "parent"),
    [
        ({"iteration_id": "it"}, None),
        ({"loop_id": "it"}, None),
        ({}, "it"),
        ({"iteration_id": "it"}, "ghost"),
        ({"iteration_id": "ghost"}, "it"),
    ],
)
def test_membership_is_read_from_any_of_its_three_places(data, parent):
    child = {**inside(node("body", "iteration-start"), **data), "parentId": parent}
    assert examine(contained(container(), child)).workflow.nodes[2].container_id == "it"


def test_a_node_of_an_unknown_container_stays_outside_with_a_warning():
    doc = document(nodes=[START, inside(passthrough("a"), iteration_id="ghost"), END], edges="start>a a>end")
    examination = examine(doc, REGISTRY)
    assert [finding.code for finding in examination.findings] == ["unknown_container"]
    assert examination.workflow.nodes[1].container_id is None


@pytest.mark.parametrize("named", ["body", None])
def test_a_container_of_the_oldest_shape_gets_a_start_node(named):
    other = inside(node("last", "code"), iteration_id="it")
    doc = contained(container(start_node_id=named), CHILD, other, edges="body>last")
    workflow = read_workflow(doc)
    outer = next(item for item in workflow.nodes if item.id == "it")
    added = next(item for item in workflow.nodes if item.id == "itstart0")
    assert outer.data["start_node_id"] == "itstart0"
    assert (added.type, added.container_id) == ("iteration-start", "it")
    assert EdgeSpec("itstart0", "body") in workflow.edges


def test_an_added_start_node_takes_a_free_id_and_is_never_reported():
    taken = inside(node("itstart0", "code"), iteration_id="it")
    doc = contained(container("loop", start_node_id="body"), CHILD, taken, edges="body>itstart0")
    workflow = read_workflow(doc)
    assert next(item.type for item in workflow.nodes if item.id == "itstart1") == "loop-start"
    missing = {finding.node_id for finding in examine(doc, NoNodes()).findings if finding.code == "unsupported_node_type"}
    assert missing == {"start", "it", "body", "itstart0", "end"}


class NoNodes:
    """A registry that knows no type at all."""

    def knows(self, node_type):
        return False

    def create(self, spec):
        raise AssertionError(spec)


def test_a_container_without_start_node_id_starts_at_its_only_start_child():
    workflow = read_workflow(contained(container(), CHILD, ITERATION_START, edges="itstart>body"))
    assert next(item.data["start_node_id"] for item in workflow.nodes if item.id == "it") == "itstart"


@pytest.mark.parametrize(
    ("outer", "children", "edges"),
    [
        (container(), [], ""),
        (container(start_node_id="ghost"), [ITERATION_START], ""),
        (container(start_node_id="end"), [ITERATION_START], ""),
        (container(), [CHILD, inside(node("other", "code"), iteration_id="it")], ""),
        (container(start_node_id=["odd"]), [CHILD, inside(node("other", "code"), iteration_id="it")], ""),
    ],
)
def test_a_container_without_a_certain_start_is_an_error(outer, children, edges):
    errors = examine(contained(outer, *children, edges=edges)).errors
    assert [(finding.code, finding.path) for finding in errors] == [("unresolved_start_node", "workflow.graph.nodes[1].data.start_node_id")]


def test_edges_across_the_border_of_a_container_are_dropped_with_a_warning():
    doc = contained(container(start_node_id="itstart"), ITERATION_START, CHILD, edges="itstart>body start>body body>end")
    examination = examine(doc)
    assert [finding.code for finding in examination.findings] == ["edge_crosses_container"] * 2
    assert len(examination.workflow.edges) == 3


def test_a_cycle_inside_a_container_is_an_error_too():
    other = inside(node("other", "code"), iteration_id="it")
    doc = contained(container(start_node_id="itstart"), ITERATION_START, CHILD, other, edges="itstart>body body>other other>body")
    assert [finding.code for finding in examine(doc).errors] == ["cyclic_graph"]


def test_ends_and_starts_cannot_stand_inside_a_container():
    doc = contained(
        container(start_node_id="itstart"), ITERATION_START, inside(END | {"id": "inner"}, iteration_id="it"), edges="itstart>inner"
    )
    assert [(finding.code, finding.node_id) for finding in examine(doc).errors] == [("misplaced_node", "inner")]


def test_containers_may_contain_containers_but_not_themselves():
    inner = inside(node("in", "loop", start_node_id="instart"), iteration_id="it")
    inner_start = inside(node("instart", "loop-start"), loop_id="in")
    doc = contained(container(start_node_id="itstart"), ITERATION_START, inner, inner_start, edges="itstart>in")
    assert found(doc, None) == []
    knot = document(nodes=[START, inside(container(start_node_id="it"), iteration_id="it"), END], edges="start>end")
    assert ("error", "unresolved_start_node") in found(knot, None)


# Identity.


def test_the_hash_follows_what_a_run_does_and_nothing_else():
    doc = document(environment_variables=[])
    same = copy.deepcopy(doc)
    same["app"]["name"], same["version"] = "Other", "0.1.0"
    same["workflow"] = dict(reversed(same["workflow"].items()))
    other = copy.deepcopy(doc)
    other["workflow"]["graph"]["nodes"][1]["data"]["title"] = "Other"
    assert content_hash(doc) == content_hash(same) != content_hash(other)
    assert len(content_hash({})) == 64


# Robustness: whatever stands where, the answer is a list of findings.

ODD = [None, True, 0, -1.5, "", "odd", [], ["odd", "x"], [["odd"]], [{}], {}, {"odd": 1}, {"type": [], "id": {}, "value": []}]


def places(value, path=()):
    """Path of every value in a document."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


FULL = contained(
    container(start_node_id="itstart", iterator_selector=["start", "q"], output_selector=["body", "x"]),
    ITERATION_START,
    inside(
        node(
            "body",
            "if-else",
            cases=[
                {
                    "case_id": "c",
                    "logical_operator": "and",
                    "conditions": [
                        {
                            "variable_selector": ["start", "q"],
                            "comparison_operator": "contains",
                            "value": "x",
                            "sub_variable_condition": {
                                "logical_operator": "or",
                                "conditions": [{"key": "name", "comparison_operator": "is", "value": "x"}],
                            },
                        }
                    ],
                }
            ],
        ),
        iteration_id="it",
    ),
    passthrough(
        "agg", ("start", "q"), advanced_settings={"group_enabled": True, "groups": [{"group_name": "g", "variables": [["start", "q"]]}]}
    ),
    node("ans", "answer", answer="{{#start.q#}}"),
    node("tpl", "template-transform", template="x", variables=[{"variable": "v", "value_selector": ["start", "q"]}]),
    node(
        "http",
        "http-request",
        method="get",
        url="http://x.example",
        headers="",
        params="",
        authorization={"type": "api-key", "config": {"type": "bearer", "api_key": "k"}},
        body={"type": "json", "data": [{"key": "", "type": "text", "value": "{}"}]},
        timeout={"connect": 1},
        error_strategy="default-value",
        default_value=[{"key": "body", "type": "string", "value": "x"}],
        retry_config={"retry_enabled": True, "max_retries": 1, "retry_interval": 1},
    ),
    node(
        "code",
        "code",
        code="def main(): return {}",
        code_language="python3",
        outputs={"x": {"type": "object", "children": {"y": {"type": "string"}}}},
        variables=[{"variable": "v", "value_selector": ["start", "q"]}],
    ),
    edges="itstart>body start>agg agg>ans ans>tpl tpl>http http>code",
)
FULL["workflow"]["environment_variables"] = [{"name": "N", "value_type": "number", "value": 1}]
FULL["workflow"]["features"] = {
    "file_upload": {"enabled": True, "image": {"enabled": True}},
    "sensitive_word_avoidance": {"enabled": False},
}


def with_value(doc, path, value):
    """A copy of the document with another value in one place; the places around it are copied, the rest is shared."""
    if not path:
        return value
    around = copy.copy(doc)
    around[path[0]] = with_value(doc[path[0]], path[1:], value)
    return around


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_no_value_in_any_place_breaks_the_examination(odd):
    for path in places(FULL):
        examination = examine(with_value(FULL, path, odd), REGISTRY)
        assert (examination.workflow is None) == bool(examination.errors), path


def test_the_exit_of_a_form_that_expired_goes_by_two_names():
    doc = document(nodes=[START, FORM, END], edges="start>sw sw:__timeout__>end")

    assert read_workflow(doc).edges[-1].handle == "__timeout"


def test_forms_that_would_be_sent_are_warned_of():
    methods = [{"type": "webapp", "enabled": True}, {"type": "email", "enabled": True}, {"type": "slack", "enabled": False}, "x"]
    form = node("sw", "human-input", delivery_methods=methods)

    assert found(document(nodes=[START, form, END], edges="start>sw sw>end"), None) == [
        ("warning", "unknown_handle"),
        ("warning", "unsupported_delivery"),
    ]
