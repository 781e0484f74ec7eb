import itertools

import pytest

from tests.unit.engine.building import end, graph, node, run_of, start
from tests.unit.nodes.containing import body, marker
from tests.unit.nodes.test_iteration import app_of, iteration
from worker.engine.carrying import Carrying, unchanged_nodes
from worker.engine.errors import NodeError
from worker.engine.events import NodeFinished, NodeStarted, NodeStatus, RunStatus
from worker.engine.node import NodeResult, NodeSpec
from worker.engine.start import Resume
from worker.engine.variables import File
from worker.engine.workflow import EdgeSpec, EnvironmentVariable, Workflow


def workflow(nodes, *edges, edited=(), inside=None, data=None, environment=()):
    """Nodes by their ids, those in ``edited`` with other data, those in ``inside`` with their containers; edges as ``"a>b"``."""
    held, more = inside or {}, data or {}
    specs = tuple(NodeSpec(name, "code", name, "1", {"edited": name in edited, **more.get(name, {})}, held.get(name)) for name in nodes)
    links = tuple(EdgeSpec(*edge.split(">")) for edge in edges)
    return Workflow("w", "", "workflow", "", "", "", specs, links, tuple(environment), {}, (), {})


CHAIN = workflow("abcd", "a>b", "b>c", "c>d")


def test_the_same_workflow_has_nothing_changed():
    assert unchanged_nodes(CHAIN, CHAIN) == {"a", "b", "c", "d"}


@pytest.mark.parametrize(
    ("new", "unchanged"),
    [
        (workflow("abcd", "a>b", "b>c", "c>d", edited="b"), {"a"}),
        (workflow("abxcd", "a>b", "b>x", "x>c", "c>d"), {"a", "b"}),
        (workflow("abcde", "a>b", "b>c", "c>d", "d>e"), {"a", "b", "c", "d"}),
        (workflow("acd", "a>c", "c>d"), {"a"}),
    ],
    ids=["edited", "inserted", "appended", "removed"],
)
def test_a_change_reaches_all_that_follows_it(new, unchanged):
    assert unchanged_nodes(CHAIN, new) == unchanged


def test_what_only_the_editor_sees_is_no_change():
    seen = {"b": {"title": "New name", "desc": "Told at last.", "selected": True, "width": 300, "_connectedTargetHandleIds": ["x"]}}

    assert unchanged_nodes(CHAIN, workflow("abcd", "a>b", "b>c", "c>d", data=seen)) == {"a", "b", "c", "d"}


@pytest.mark.parametrize("data", [{"url": "{{#env.HOST#}}/x"}, {"variables": [{"variable": "h", "value_selector": ["env", "HOST"]}]}])
@pytest.mark.parametrize(
    ("host", "unchanged"),
    [
        ([EnvironmentVariable("HOST", "string", "one")], {"a", "b", "c"}),
        ([EnvironmentVariable("HOST", "string", "two")], {"a"}),
        ([], {"a"}),
    ],
    ids=["same", "other", "gone"],
)
def test_an_environment_variable_of_another_value_changes_the_nodes_that_use_it(data, host, unchanged):
    def using(environment):
        return workflow("abc", "a>b", "b>c", data={"b": data}, environment=environment)

    assert unchanged_nodes(using([EnvironmentVariable("HOST", "string", "one")]), using(host)) == unchanged


def test_a_container_changes_when_a_node_is_taken_out_of_it():
    """Nobody follows it, but it may have written a variable of the loop."""
    before = workflow(["a", "it", "x", "y"], "a>it", "x>y", inside={"x": "it", "y": "it"})

    assert unchanged_nodes(before, workflow(["a", "it", "x"], "a>it", inside={"x": "it"})) == {"a"}


@pytest.mark.parametrize("edited", [["core"], ["it"], ["deep"]])
def test_a_container_stands_or_falls_with_what_it_holds(edited):
    nodes, inside = ["a", "it", "first", "deep", "core", "z"], {"first": "it", "deep": "it", "core": "deep"}
    edges = ["a>it", "it>z", "first>deep"]

    changed = workflow(nodes, *edges, edited=edited, inside=inside)

    assert unchanged_nodes(workflow(nodes, *edges, inside=inside), changed) == {"a"}


# ---- in runs

SYSTEM = {"sys.workflow_run_id": "run-2", "sys.user_id": "bob"}


def attempt(made, resume=None):
    run, journal, _ = run_of(made, resume=resume)
    return run.execute(), journal


def over(made):
    """The workflow that a graph was made of, as far as it matters here."""
    specs = tuple(made_node.spec for made_node in made.nodes.values())
    edges = tuple(EdgeSpec(edge.source, edge.target, edge.handle) for edges in made.outgoing.values() for edge in edges)
    return Workflow("w", "", "workflow", "", "", "", specs, edges, (), {}, (), {})


def carried(made, journal, run_id="run-1"):
    """The results of one run as the next one over the same workflow gets them."""
    return list(Carrying.between(over(made), over(made)).carry(journal.records, run_id, {}))


def broken_once():
    tries = itertools.count()

    def script(pool, context):
        if not next(tries):
            raise NodeError("not yet", error_type="CodeExecutionError")
        return NodeResult({"out": "mended"})

    return script


def test_a_run_goes_on_from_its_failed_node_and_tells_the_whole_story():
    made = graph([start(), node("a"), node("b", broken_once()), end(("x", ("b", "out")))], "start>a", "a>b", "b>end")
    failed, before = attempt(made)
    assert failed.status is RunStatus.FAILED

    result, journal = attempt(made, Resume(carried(made, before)))

    assert (result.status, result.outputs, result.exceptions_count) == (RunStatus.SUCCEEDED, {"x": "mended"}, 0)
    assert [record.node_id for record in journal.records] == ["b", "end"]
    kinds = [(type(event), event.node_id) for event in journal.events if isinstance(event, NodeStarted | NodeFinished)]
    assert kinds == [(kind, name) for name in ("start", "a", "b", "end") for kind in (NodeStarted, NodeFinished)]


def test_finished_rounds_of_a_failed_iteration_are_kept():
    calls = []
    made = app_of(["a", "b", "c"], shouting(calls, fails=lambda item: item == "b" and calls.count("b") == 1))
    failed, before = attempt(made)
    assert failed.status is RunStatus.FAILED

    result, _ = attempt(made, Resume(carried(made, before)))

    assert (result.status, result.outputs) == (RunStatus.SUCCEEDED, {"out": ["A", "B", "C"]})
    assert calls == ["a", "b", "b", "c"]


def shouting(calls, fails):
    def script(pool, context):
        item = pool.get(("it", "item"))
        calls.append(item)
        if fails(item):
            raise NodeError("bad", error_type="CodeExecutionError")
        return NodeResult({"out": item.upper()})

    return script


def followed(items, body_script, late, **data):
    """An iteration, and a node behind it."""
    nodes = [
        start(items=items),
        iteration(**data),
        marker("itstart", "iteration-start", "it"),
        body(body_script, container_id="it"),
        node("late", late),
        end(("out", ("it", "output"))),
    ]
    return graph(nodes, "start>it", "itstart>body", "it>late", "late>end")


def test_a_failure_that_its_container_lived_with_is_not_tried_again():
    calls = []
    made = followed(["a", "b"], shouting(calls, fails=lambda item: item == "b"), broken_once(), error_handle_mode="continue-on-error")
    failed, before = attempt(made)
    assert failed.status is RunStatus.FAILED

    result, _ = attempt(made, Resume(carried(made, before)))

    assert result.outputs == {"out": ["A", None]}
    assert calls == ["a", "b"]


def test_a_failure_counts_that_its_container_was_living_with_when_the_run_was_cut_off():
    """Else the rounds behind it would have nobody to begin them, and be executed again."""
    calls = []
    made = app_of(["a", "b", "c", "d"], shouting(calls, fails=lambda item: item == "b"), error_handle_mode="remove-abnormal-output")
    _, before = attempt(made)
    cut_off = [record for record in carried(made, before) if record.node_id in ("start", "body")][:4]
    assert [record.status for record in cut_off] == [*["succeeded"] * 2, "failed", "succeeded"]

    result, _ = attempt(made, Resume(cut_off))

    assert result.outputs == {"out": ["A", "C", "D"]}
    assert calls == ["a", "b", "c", "d", "d"]


def test_what_led_to_a_handled_failure_of_a_container_is_not_tried_again():
    calls = []
    handled = {"error_strategy": "default-value", "default_value": [{"key": "output", "type": "string", "value": "none"}]}
    made = followed(["a", "b"], shouting(calls, fails=lambda item: item == "b"), broken_once(), **handled)
    failed, before = attempt(made)
    assert failed.status is RunStatus.FAILED

    result, _ = attempt(made, Resume(carried(made, before)))

    assert (result.status, result.outputs) == (RunStatus.PARTIAL_SUCCEEDED, {"out": "none"})
    assert calls == ["a", "b"]


def test_totals_are_those_of_the_whole_story():
    def priced(pool, context):
        return NodeResult({"out": "a"}, total_tokens=7)

    made = graph([start(), node("a", priced), node("b", broken_once()), end()], "start>a", "a>b", "b>end")
    _, before = attempt(made)

    result, _ = attempt(made, Resume(carried(made, before)))

    assert (result.total_tokens, result.total_steps) == (7, 4)


def test_executions_get_the_ids_of_the_new_run():
    made = graph([start(), node("a")], "start>a")
    _, journal = attempt(made)

    records = carried(made, journal, "run-2")

    assert [(record.node_id, record.status) for record in records] == [("start", NodeStatus.SUCCEEDED), ("a", NodeStatus.SUCCEEDED)]
    assert not {record.execution_id for record in records} & {record.execution_id for record in journal.records}


def test_the_start_node_shows_the_system_variables_of_the_new_run():
    file = File("image", "tool_file", "a.png", ".png", "image/png", 3, related_id="id-1")
    values = {"query": "hi", "file": file, "sys.workflow_run_id": "run-1", "sys.user_id": "ada"}
    made = graph([node("start", lambda pool, context: NodeResult(values, values), kind="start"), node("a")], "start>a")
    _, journal = attempt(made)

    first, second = Carrying.between(over(made), over(made)).carry(journal.records, "run-2", SYSTEM)

    assert first.inputs == first.outputs == {"query": "hi", "file": file, **SYSTEM}
    assert second.outputs == {"out": "a"}


def test_results_of_changed_nodes_are_left_behind():
    made = graph([start(), node("a"), node("b")], "start>a", "a>b")
    _, journal = attempt(made)
    old = workflow(["start", "a", "b"], "start>a", "a>b")
    new = workflow(["start", "a", "b"], "start>a", "a>b", edited="b")

    assert [record.node_id for record in Carrying.between(old, new).carry(journal.records, "run-2", {})] == ["start", "a"]
