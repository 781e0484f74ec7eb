import pytest

from tests.unit.engine.building import end, graph, node, run_of, start
from worker.engine.dsl import read_workflow
from worker.engine.errors import GraphError
from worker.engine.events import NodeStarted, RunStatus, TextChunk
from worker.engine.graph import Graph, compile_graph
from worker.nodes.registry import Registry


def document(*kinds):
    nodes = [{"id": f"n{index}", "data": {"type": kind}} for index, kind in enumerate(kinds)]
    nodes.append({"id": "end", "data": {"type": "end", "outputs": []}})
    edges = [{"source": f"n{index}", "target": "end"} for index in range(len(kinds))]
    return {"app": {"mode": "workflow"}, "workflow": {"graph": {"nodes": nodes, "edges": edges}}}


def compiled(*kinds) -> Graph:
    return compile_graph(read_workflow(document(*kinds)), Registry())


@pytest.mark.parametrize("kinds", [("start",), ("trigger-webhook",), ("trigger-schedule", "trigger-plugin")])
def test_a_graph_has_a_start_node_or_triggers(kinds):
    assert compiled(*kinds).root == "n0"


def triggered():
    """Two triggers, a node behind each, and one end behind both."""
    nodes = [
        node("hook", kind="trigger-webhook"),
        node("clock", kind="trigger-schedule"),
        node("a"),
        node("b"),
        end(("a", ("a", "out")), ("b", ("b", "out"))),
    ]
    made = graph(nodes, "hook>a", "clock>b", "a>end", "b>end")
    return Graph(made.nodes, made.outgoing, "hook")


@pytest.mark.parametrize(("trigger_id", "ran"), [("hook", ["hook", "a", "end"]), ("clock", ["clock", "b", "end"])])
def test_a_run_begins_at_the_trigger_that_fired_and_other_triggers_do_not_hold_it_up(trigger_id, ran):
    run, journal, _ = run_of(triggered(), trigger_id=trigger_id)

    result = run.execute()

    assert [event.node_id for event in journal.events if isinstance(event, NodeStarted)] == ran
    assert result.status is RunStatus.SUCCEEDED
    assert result.outputs == {"a": None, "b": None, ran[1]: ran[1]}


def test_what_lies_behind_another_trigger_only_counts_as_skipped_when_outputs_are_streamed():
    run, journal, _ = run_of(triggered(), trigger_id="clock")
    run.execute()

    assert [event.text for event in journal.events if isinstance(event, TextChunk)] == ["\n", "b"]


def test_without_a_trigger_that_fired_a_workflow_of_triggers_does_not_run():
    with pytest.raises(GraphError, match="no start node"):
        run_of(triggered())


@pytest.mark.parametrize("trigger_id", ["ghost", "a"])
def test_only_triggers_can_fire(trigger_id):
    with pytest.raises(GraphError, match="no trigger"):
        run_of(triggered(), trigger_id=trigger_id)


def test_a_workflow_with_a_start_node_has_no_trigger_to_fire():
    with pytest.raises(GraphError, match="no trigger"):
        run_of(graph([start(), end()], "start>end"), trigger_id="start")
