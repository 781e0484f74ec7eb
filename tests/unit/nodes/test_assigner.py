import pytest

from tests.unit.engine.building import end, graph, run_of, start
from tests.unit.nodes.containing import inside, marker
from worker.engine.errors import GraphError, NodeError
from worker.engine.events import NodeFinished, RunStatus, TextChunk
from worker.engine.graph import GraphNode
from worker.engine.node import NodeSpec
from worker.engine.variables import File, Secret, VariablePool
from worker.nodes.assigner import NODES, AssignerNode, BatchAssignerNode
from worker.nodes.loop import LoopNode
from worker.nodes.registry import Registry

FILE = File("document", "local_file", "note.txt", ".txt", "text/plain", 38)


@pytest.fixture
def pool():
    pool = VariablePool()
    pool.add_outputs("lp", {"i": 5, "text": "old", "names": ["a"], "empty": [], "object": {"k": 1}, "null": None})
    pool.declare("lp", "empty", "array[string]")
    pool.add_outputs("code", {"text": "new", "number": 7, "list": ["x", "y"], "object": {"deep": "down"}, "null": None})
    pool.set("env", "KEY", Secret("sk-secret"))
    pool.set("start", "files", [FILE])
    return pool


def item(target, operation, value=None, input_type="variable"):
    return {"variable_selector": list(target), "input_type": input_type, "operation": operation, "value": value}


def constant(target, operation, value):
    return item(target, operation, value, "constant")


def batch(*items, **data):
    data = {"items": list(items), "desc": "", **data}
    return BatchAssignerNode(NodeSpec("as", "assigner", "Assign", "2", data, path="workflow.graph.nodes[2]"))


def single(target, mode, source=(), **data):
    config = {"assigned_variable_selector": list(target), "write_mode": mode, "input_variable_selector": list(source), **data}
    return AssignerNode(NodeSpec("as", "assigner", "Assign", "1", config, path="workflow.graph.nodes[2]"))


def failure_of(node, pool):
    with pytest.raises(NodeError) as caught:
        node.run(pool, None)
    return caught.value


def test_versions_are_two_different_nodes():
    registry = Registry()
    assert registry.node_class("assigner", "1") is NODES["1"] is AssignerNode
    assert registry.node_class("assigner", "2") is NODES["2"] is BatchAssignerNode
    assert registry.node_class("assigner", "3") is BatchAssignerNode


# ---- the second version


def test_operations_run_in_order_and_see_what_earlier_ones_wrote(pool):
    node = batch(
        item(("lp", "text"), "over-write", ["code", "text"]),
        item(("lp", "names"), "append", ["lp", "text"]),
        constant(("lp", "i"), "+=", 1),
        constant(("lp", "i"), "*=", 2),
    )
    result = node.run(pool, None)
    assert list(result.writes) == [(("lp", "text"), "new"), (("lp", "names"), ["a", "new"]), (("lp", "i"), 12)]
    assert result.outputs == {}
    assert pool.node_values("lp")["text"] == "old"


def test_process_data_tells_the_new_values(pool):
    node = batch(constant(("lp", "i"), "+=", 1), item(("lp", "empty"), "append", ["code", "text"]))
    assert node.run(pool, None).process_data == {
        "i": 6,
        "empty": ["new"],
        "__updated_variables": [
            {"name": "i", "selector": ["lp", "i"], "value_type": "integer", "new_value": 6},
            {"name": "empty", "selector": ["lp", "empty"], "value_type": "array[string]", "new_value": ["new"]},
        ],
    }


def test_inputs_are_the_configuration_without_what_does_not_belong_to_it(pool):
    operation = item(("lp", "text"), "over-write", ["code", "text"])
    node = batch({**operation, "extra": 1}, selected=True, desc="why", retry_config={"retry_enabled": True, "max_retries": 2})
    assert node.run(pool, None).inputs == {
        "title": "Assign",
        "desc": "why",
        "version": "2",
        "error_strategy": None,
        "default_value": None,
        "retry_config": {"max_retries": 2, "retry_interval": 0, "retry_enabled": True},
        "items": [operation],
    }


def test_if_one_item_fails_nothing_is_written_and_the_inputs_are_still_shown(pool):
    node = batch(constant(("lp", "i"), "+=", 1), constant(("lp", "text"), "+=", 1))
    error = failure_of(node, pool)
    assert (str(error), error.error_type) == ("Operation += is not supported for type string", "")
    assert [shown["variable_selector"] for shown in error.partial.inputs["items"]] == [["lp", "i"], ["lp", "text"]]
    assert error.partial.process_data == {}
    assert pool.get(("lp", "i")) == 5


@pytest.mark.parametrize(
    "target",
    [("conversation", "cv"), ("lp", "ghost"), ("lp",), (), ("lp", "object", "k"), ("env", "KEY")],
)
def test_a_target_must_be_a_variable_that_is_there_and_may_change(pool, target):
    error = failure_of(batch(constant(target, "set", "x")), pool)
    assert str(error) == f"Variable {list(target)} not found"


@pytest.mark.parametrize(("value", "shown"), [(["ghost", "x"], "['ghost', 'x']"), (["lp"], "['lp']"), ("", ""), ("lp.i", "lp.i")])
def test_a_value_must_be_there(pool, value, shown):
    assert str(failure_of(batch(item(("lp", "text"), "over-write", value)), pool)) == f"Variable {shown} not found"


def test_a_value_that_was_never_chosen_is_invalid(pool):
    assert str(failure_of(batch(item(("lp", "text"), "over-write")), pool)) == "Invalid input value None"


def test_a_null_that_comes_in_changes_nothing(pool):
    node = batch(item(("lp", "text"), "over-write", ["code", "null"]), item(("lp", "names"), "append", ["code", "null"]))
    result = node.run(pool, None)
    assert list(result.writes) == []
    assert result.process_data == {"__updated_variables": []}


def test_a_null_target_takes_nothing(pool):
    assert str(failure_of(batch(item(("lp", "null"), "over-write", ["code", "text"])), pool)) == "Invalid input value new"


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (constant(("lp", "names"), "over-write", []), "Input type constant is not supported for operation over-write"),
        (constant(("lp", "names"), "remove-first", None), "Input type constant is not supported for operation remove-first"),
        (item(("lp", "i"), "+=", ["code", "number"]), "Input type variable is not supported for operation +="),
        (item(("lp", "empty"), "append", ["code", "number"]), "Invalid input value 7"),
        (item(("lp", "names"), "extend", ["code", "text"]), "Invalid input value new"),
        (item(("start", "files"), "extend", ["start", "files"]), f"Invalid input value {[FILE]}"),
        (item(("start", "files"), "clear"), "unsupported variable type: array[file]"),
        (constant(("lp", "i"), "/=", 0), "Invalid input value 0"),
        (constant(("lp", "object"), "set", "{"), "Invalid input value {"),
    ],
)
def test_what_does_not_fit_is_refused(pool, operation, text):
    assert str(failure_of(batch(operation), pool)) == text


@pytest.mark.parametrize(
    ("operation", "written"),
    [
        (item(("lp", "text"), "over-write", ["code", "object", "deep"]), "down"),
        (item(("lp", "names"), "extend", ["code", "list"]), ["a", "x", "y"]),
        (item(("lp", "empty"), "over-write", ["code", "list"]), ["x", "y"]),
        (item(("lp", "names"), "remove-first", "ignored"), []),
        (item(("lp", "empty"), "remove-last", ["ghost", "x"]), []),
        (item(("lp", "names"), "clear"), []),
        (item(("lp", "i"), "clear"), 0),
        (constant(("lp", "object"), "set", '{"n": 1}'), {"n": 1}),
        (constant(("lp", "object"), "over-write", {"n": 1}), {"n": 1}),
        (constant(("lp", "i"), "set", 2.5), 2.5),
        (constant(("lp", "i"), "/=", 2), 2.5),
        (item(("start", "files"), "remove-first"), []),
        (constant(("code", "text"), "set", "changed"), "changed"),
    ],
)
def test_operations_end_to_end(pool, operation, written):
    assert list(batch(operation).run(pool, None).writes) == [(tuple(operation["variable_selector"]), written)]


def test_a_secret_is_written_as_the_text_that_it_is(pool):
    (write,) = batch(item(("lp", "text"), "over-write", ["env", "KEY"])).run(pool, None).writes
    assert write == (("lp", "text"), "sk-secret")
    assert not isinstance(write[1], Secret)


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"operation": "explode"}, "items[0].operation"),
        ({"operation": None}, "items[0].operation"),
        ({"input_type": "magic"}, "items[0].input_type"),
        ({"variable_selector": "lp.i"}, "items[0].variable_selector"),
        ({"value": [{}]}, "items[0].value"),
    ],
)
def test_items_that_make_no_sense_are_found_at_import(wrong, path):
    with pytest.raises(GraphError) as caught:
        batch({**item(("lp", "i"), "append", ["code", "text"]), **wrong})
    assert [finding.path for finding in caught.value.findings] == [f"workflow.graph.nodes[2].data.{path}"]


# ---- the first version


@pytest.mark.parametrize(
    ("target", "mode", "source", "incoming", "written", "kind"),
    [
        (("lp", "text"), "over-write", ("code", "text"), "new", "new", "string"),
        (("lp", "text"), "over-write", ("code", "number"), 7, 7, "string"),
        (("lp", "text"), "over-write", ("code", "null"), None, None, "string"),
        (("lp", "names"), "append", ("code", "list"), ["x", "y"], ["a", ["x", "y"]], "array[string]"),
        (("lp", "i"), "clear", (), 0, 0, "integer"),
        (("lp", "names"), "clear", ("ghost", "x"), [], [], "array[string]"),
    ],
)
def test_the_first_version_writes_one_variable(pool, target, mode, source, incoming, written, kind):
    result = single(target, mode, source).run(pool, None)
    assert list(result.writes) == [(target, written)]
    assert (result.inputs, result.outputs) == ({"value": incoming}, {})
    update = {"name": target[1], "selector": list(target), "value_type": kind, "new_value": written}
    assert result.process_data == {"__updated_variables": [update]}


@pytest.mark.parametrize(
    ("target", "mode", "source", "error_type", "text"),
    [
        (("conversation", "cv"), "over-write", ("code", "text"), "VariableOperatorNodeError", "assigned variable not found"),
        (("lp", "text"), "over-write", ("ghost", "x"), "VariableOperatorNodeError", "input value not found"),
        (("lp", "names"), "append", ("ghost", "x"), "VariableOperatorNodeError", "input value not found"),
        (("lp", "text"), "append", ("code", "text"), "VariableOperatorNodeError", "append mode requires an array variable"),
        (("start", "files"), "clear", (), "ValueError", "unsupported variable type: array[file]"),
    ],
)
def test_what_the_first_version_refuses(pool, target, mode, source, error_type, text):
    error = failure_of(single(target, mode, source), pool)
    assert (error.error_type, str(error)) == (error_type, text)


@pytest.mark.parametrize("mode", ["", "explode", None])
def test_the_first_version_needs_a_mode(mode):
    with pytest.raises(GraphError):
        single(("lp", "text"), mode)


# ---- in a run


def counting_loop(*items):
    variables = [
        {"label": "i", "var_type": "number", "value_type": "constant", "value": 0},
        {"label": "seen", "var_type": "array[number]", "value_type": "constant", "value": "[]"},
    ]
    data = {"start_node_id": "lpstart", "loop_count": 3, "break_conditions": [], "loop_variables": variables}
    spec = NodeSpec("lp", "loop", "LP", "1", data)
    assign = NodeSpec("as", "assigner", "Assign", "2", {"items": list(items)})
    nodes = [
        start(),
        GraphNode.of(spec, LoopNode(spec)),
        marker("lpstart", "loop-start", "lp"),
        inside(GraphNode.of(assign, BatchAssignerNode(assign)), "lp"),
        end(("seen", ("lp", "seen")), ("i", ("lp", "i"))),
    ]
    return graph(nodes, "start>lp", "lpstart>as", "lp>end")


def test_what_a_round_writes_is_there_in_the_next_round_and_after_the_loop():
    run, journal, _ = run_of(counting_loop(item(("lp", "seen"), "append", ["lp", "i"]), constant(("lp", "i"), "+=", 1)))

    result = run.execute()

    assert (result.status, result.outputs) == (RunStatus.SUCCEEDED, {"seen": [0, 1, 2], "i": 3})
    ends = [event for event in journal.events if isinstance(event, NodeFinished) and event.node_id == "as"]
    assert [event.process_data["i"] for event in ends] == [1, 2, 3]


def test_an_empty_list_of_a_loop_takes_only_what_it_was_declared_for():
    run, _, _ = run_of(counting_loop(constant(("lp", "i"), "+=", 1), item(("lp", "seen"), "append", ["sys", "user_id"])))

    result = run.execute()

    assert (result.status, result.error) == (RunStatus.FAILED, "Invalid input value u")


def test_a_value_that_an_assigner_may_still_change_is_not_streamed_before():
    assign = NodeSpec("as", "assigner", "Assign", "2", {"items": [constant(("start", "q"), "set", "changed")]})
    nodes = [start(q="given"), GraphNode.of(assign, BatchAssignerNode(assign)), end(("q", ("start", "q")))]
    run, journal, _ = run_of(graph(nodes, "start>as", "as>end"))

    assert run.execute().outputs == {"q": "changed"}
    assert [event.text for event in journal.events if isinstance(event, TextChunk)] == ["changed"]
