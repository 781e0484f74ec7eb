import pytest

from tests.unit.engine.building import end, graph, run_of, start
from tests.unit.nodes.containing import body, completed, inside, marker, story
from worker.engine.errors import GraphError, NodeError
from worker.engine.events import NodeStatus, RunStatus
from worker.engine.graph import GraphNode
from worker.engine.node import NodeResult, NodeSpec
from worker.engine.start import Resume
from worker.nodes.loop import LoopNode, constant


def variable(label, value, var_type="number", value_type="constant"):
    return {"label": label, "var_type": var_type, "value_type": value_type, "value": value}


def until(operator, value, selector=("lp", "i")):
    return {"variable_selector": list(selector), "comparison_operator": operator, "value": value}


def loop(*variables, count=5, breaks=(), **data):
    config = {
        "start_node_id": "lpstart",
        "loop_count": count,
        "break_conditions": list(breaks),
        "logical_operator": "and",
        "loop_variables": list(variables),
        **data,
    }
    spec = NodeSpec("lp", "loop", "LP", "1", config, path="workflow.graph.nodes[1]")
    return GraphNode.of(spec, LoopNode(spec))


def count_up(pool, context):
    return NodeResult({"out": pool.get(("lp", "i"))}, writes=[(("lp", "i"), pool.get(("lp", "i")) + 1)])


def app_of(made, script=count_up, *, is_pure=True, more=(), edges=()):
    nodes = [
        start(lim=3),
        made,
        marker("lpstart", "loop-start", "lp"),
        body(script, container_id="lp", is_pure=is_pure),
        *more,
        end(("i", ("lp", "i")), ("rounds", ("lp", "loop_round"))),
    ]
    return graph(nodes, "start>lp", "lpstart>body", "lp>end", *edges)


def test_rounds_share_the_loop_variables_until_the_condition_holds():
    run, journal, _ = run_of(app_of(loop(variable("i", 0), count=10, breaks=[until("≥", "{{#start.lim#}}", ("lp", "i"))])))

    result = run.execute()

    assert (result.status, result.outputs, result.total_steps) == (RunStatus.SUCCEEDED, {"i": 3, "rounds": 3}, 3)
    told = story(journal.events)
    assert told == ["ns", "nf", "CS", "ns", "nf", "next 1", "ns", "nf", "next 2", "ns", "nf", "CC", "ns", "nf"]
    event = completed(journal.events)
    assert (event.inputs, event.steps, event.metadata["completed_reason"]) == ({"loop_count": 10, "i": 0}, 10, "loop_break")
    assert event.metadata["loop_variable_map"] == {"0": {"i": 1}, "1": {"i": 2}, "2": {"i": 3}}


def test_without_a_break_all_rounds_run_and_the_last_announces_too():
    run, journal, _ = run_of(app_of(loop(variable("i", 0), count=2)))

    assert run.execute().outputs == {"i": 2, "rounds": 2}
    assert [word for word in story(journal.events) if word.startswith("next")] == ["next 1", "next 2"]
    assert completed(journal.events).metadata["completed_reason"] == "loop_completed"


def test_a_condition_that_holds_at_once_means_no_round_and_readable_variables():
    run, journal, _ = run_of(app_of(loop(variable("i", 0), breaks=[until("=", "0")])))

    assert run.execute().outputs == {"i": 0, "rounds": None}
    event = completed(journal.events)
    assert (event.outputs, event.steps, event.status) == ({}, 0, NodeStatus.SUCCEEDED)


def test_loop_end_ends_the_loop_after_its_round():
    more = [inside(marker("stop", "loop-end", "lp"), "lp")]
    run, _, _ = run_of(app_of(loop(variable("i", 0)), more=more, edges=["body>stop"]))

    assert run.execute().outputs == {"i": 1, "rounds": 1}


def test_an_inner_failure_fails_loop_and_run_with_its_text():
    def fail(pool, context):
        raise NodeError("in loop")

    run, journal, _ = run_of(app_of(loop(variable("i", 0), count=3), fail))

    result = run.execute()

    assert (result.status, result.error, result.exceptions_count, result.total_steps) == (RunStatus.FAILED, "in loop", 1, 2)
    event = completed(journal.events)
    assert (event.outputs, event.steps, event.metadata["completed_reason"]) == ({}, 3, "error")


def test_each_round_forgets_what_the_nodes_inside_gave_before():
    seen = []

    def look(pool, context):
        seen.append(bool(pool.get(("body", "out"))))
        return NodeResult({"out": 1})

    run, _, _ = run_of(app_of(loop(variable("i", 0), count=2), look))
    run.execute()

    assert seen == [False, False]


def test_a_missing_variable_in_a_condition_fails_only_after_a_round():
    run, _, _ = run_of(app_of(loop(variable("i", 0), breaks=[until("=", "1", ("ghost", "x"))])))

    result = run.execute()

    assert (result.status, result.error) == (RunStatus.FAILED, "Variable ['ghost', 'x'] not found")


def test_a_loop_variable_that_points_nowhere_fails_the_loop():
    run, _, _ = run_of(app_of(loop(variable("i", ["ghost", "x"], value_type="variable"))))

    assert run.execute().error == "Invalid value for loop variable i"


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        ("string", "text", "text"),
        ("string", '{"not": "parsed"}', '{"not": "parsed"}'),
        ("boolean", True, True),
        ("boolean", "false", False),
        ("object", '{"a": 1}', {"a": 1}),
        ("object", {"a": 1}, {"a": 1}),
        ("array[string]", '["a"]', ["a"]),
        ("array[string]", ["written natively"], []),
        ("array[number]", "", []),
        ("array[number]", "[1, 2.5]", [1, 2.5]),
        ("array[object]", None, []),
        ("array[boolean]", [True], [True]),
        ("array[boolean]", "[true]", [True]),
        ("array[boolean]", [], []),
    ],
)
def test_constants_take_the_type_of_their_variable(kind, written, value):
    assert constant(kind, written) == (kind, value)


@pytest.mark.parametrize(("written", "kind", "value"), [(3, "integer", 3), (2.0, "float", 2.0), ("2.5", "float", 2.5), ("7", "integer", 7)])
def test_a_number_is_an_integer_or_a_float(written, kind, value):
    found = constant("number", written)
    assert (found, type(found[1])) == ((kind, value), type(value))


@pytest.mark.parametrize(
    ("kind", "written", "error_type", "text"),
    [
        ("string", 5, "TypeMismatchError", "Type mismatch: expected string, but got integer, value=5"),
        ("string", None, "TypeMismatchError", "Type mismatch: expected string, but got none, value=None"),
        ("number", "", "TypeMismatchError", "Type mismatch: expected number, but got string, value="),
        ("number", "x", "TypeMismatchError", "Type mismatch: expected number, but got string, value=x"),
        ("number", "true", "TypeMismatchError", "Type mismatch: expected number, but got boolean, value=True"),
        ("number", True, "TypeMismatchError", "Type mismatch: expected number, but got boolean, value=True"),
        ("object", "[1]", "TypeMismatchError", "Type mismatch: expected object, but got array[number], value=[1]"),
        ("array[string]", "[1]", "TypeMismatchError", "Type mismatch: expected array[string], but got array[number], value=[1]"),
        ("array[string]", "a, b", "JSONDecodeError", "Expecting value: line 1 column 1 (char 0)"),
        ("array[boolean]", "", "TypeMismatchError", "Type mismatch: expected array[boolean], but got string, value="),
    ],
)
def test_a_constant_that_does_not_fit_its_type_fails_the_loop(kind, written, error_type, text):
    with pytest.raises(NodeError) as caught:
        constant(kind, written)
    assert (caught.value.error_type, str(caught.value)) == (error_type, text)


def test_a_wrong_constant_fails_the_loop_before_its_first_event():
    run, journal, _ = run_of(app_of(loop(variable("i", "many"))))

    assert run.execute().error == "Type mismatch: expected number, but got string, value=many"
    assert "CS" not in story(journal.events)


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (variable("x", "[]", "array[string]"), "array[string]"),
        (variable("x", 0), "integer"),
        (variable("x", ["start", "lim"], value_type="variable"), "integer"),
    ],
)
def test_variables_keep_the_type_that_they_begin_with(made, kind):
    kinds = []

    def change(pool, context):
        kinds.append(pool.type_at("lp", "x"))
        return NodeResult(writes=[(("lp", "x"), ["list", 1])])

    run, _, _ = run_of(app_of(loop(made, count=2), change))
    run.execute()

    assert kinds == [kind, kind]


def test_a_resumed_loop_goes_on_in_the_round_it_was_in():
    calls = []

    def count(pool, context):
        calls.append(pool.get(("lp", "i")))
        return count_up(pool, context)

    def build():
        return app_of(loop(variable("i", 0), count=4), count, is_pure=False)

    first, journal, _ = run_of(build())
    whole = first.execute()
    calls.clear()
    second, again, _ = run_of(build(), resume=Resume(journal.records[:3]))

    assert second.execute().outputs == whole.outputs
    assert calls == [2, 3]
    assert story(again.events) == story(journal.events)


@pytest.mark.parametrize("data", [{"loop_count": 0}, {"loop_count": "many"}, {"start_node_id": ""}, {"loop_variables": [{"label": ""}]}])
def test_a_loop_that_cannot_run_is_refused(data):
    with pytest.raises(GraphError):
        loop(**data)
