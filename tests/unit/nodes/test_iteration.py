import sys
import threading
import tracemalloc

import pytest

from tests.unit.engine.building import end, graph, run_of, start
from tests.unit.nodes.containing import body, completed, inside, marker, story
from worker.engine.errors import GraphError, NodeError
from worker.engine.events import NodeFinished, NodeStarted, NodeStatus, RunStatus
from worker.engine.graph import GraphNode
from worker.engine.limits import Limits
from worker.engine.memory import MemoryJournal
from worker.engine.node import NodeResult, NodeSpec
from worker.engine.start import Resume
from worker.nodes.iteration import IterationNode


def iteration(node_id="it", source=("start", "items"), output=("body", "out"), **data):
    config = {"start_node_id": f"{node_id}start", "iterator_selector": list(source), "output_selector": list(output), **data}
    spec = NodeSpec(node_id, "iteration", node_id.upper(), "1", config, path="workflow.graph.nodes[1]")
    return GraphNode.of(spec, IterationNode(spec))


def item_of(pool, context, container_id="it"):
    return pool.get((container_id, "item"))


def shout(pool, context):
    item = item_of(pool, context)
    if item == "bad":
        raise NodeError("bad item", error_type="CodeExecutionError")
    return NodeResult({"out": str(item).upper()})


def app_of(items, script=shout, is_pure=True, **data):
    nodes = [
        start(items=items),
        iteration(**data),
        marker("itstart", "iteration-start", "it"),
        body(script, container_id="it", is_pure=is_pure),
        end(("out", ("it", "output"))),
    ]
    return graph(nodes, "start>it", "itstart>body", "it>end")


def test_each_item_is_a_round_with_its_own_events():
    run, journal, _ = run_of(app_of(["a", "b"]))

    result = run.execute()

    assert (result.status, result.outputs, result.total_steps) == (RunStatus.SUCCEEDED, {"out": ["A", "B"]}, 3)
    assert story(journal.events) == ["ns", "nf", "CS", "next 0", "ns", "nf", "next 1", "ns", "nf", "CC", "ns", "nf"]
    inner = [event for event in journal.events if isinstance(event, NodeFinished) and event.node_id == "body"]
    assert [(event.scope.iteration_id, event.metadata["iteration_index"]) for event in inner] == [("it", 0), ("it", 1)]
    assert len({event.execution_id for event in inner}) == 2


def test_completed_event_tells_items_results_and_steps():
    run, journal, _ = run_of(app_of(["a"]))
    run.execute()

    event = completed(journal.events)
    assert (event.status, event.inputs, event.outputs) == (
        NodeStatus.SUCCEEDED,
        {"iterator_selector": ["a"]},
        {"output": ["A"]},
    )
    assert event.steps == 1
    assert set(event.metadata["iteration_duration_map"]) == {"0"}


@pytest.mark.parametrize("items", [[], None])
def test_nothing_to_go_through_is_an_empty_list_without_events(items):
    run, journal, _ = run_of(app_of(items))

    result = run.execute()

    assert (result.outputs, result.total_steps) == ({"out": []}, 3)
    assert "CS" not in story(journal.events)


def test_something_that_is_no_list_fails_the_run_without_container_events():
    run, journal, _ = run_of(app_of("text"))

    result = run.execute()

    assert result.status is RunStatus.FAILED
    assert result.error.startswith("invalid iterator value: value_type=<SegmentType.STRING: 'string'> value='text'")
    assert (result.total_steps, result.exceptions_count) == (2, 1)
    assert "CS" not in story(journal.events)


@pytest.mark.parametrize(("mode", "output"), [("continue-on-error", ["A", None, "C"]), ("remove-abnormal-output", ["A", "C"])])
@pytest.mark.parametrize("is_parallel", [False, True])
def test_a_failed_item_is_swallowed_by_the_error_mode(mode, output, is_parallel):
    run, _, _ = run_of(app_of(["a", "bad", "c"], error_handle_mode=mode, is_parallel=is_parallel))

    result = run.execute()

    assert (result.status, result.outputs, result.exceptions_count) == (RunStatus.SUCCEEDED, {"out": output}, 0)


def test_terminated_starts_no_further_round_and_fails_the_run():
    run, journal, _ = run_of(app_of(["a", "bad", "c"]))

    result = run.execute()

    assert (result.status, result.error, result.exceptions_count, result.total_steps) == (RunStatus.FAILED, "bad item", 1, 2)
    event = completed(journal.events)
    assert (event.status, event.error, event.outputs) == (NodeStatus.FAILED, "bad item", {"output": ["A"]})
    assert "next 2" not in story(journal.events)


def test_results_keep_the_order_of_items_when_rounds_run_together():
    barrier = threading.Barrier(3)

    def meet(pool, context):
        barrier.wait(10)
        return NodeResult({"out": item_of(pool, context)})

    run, _, _ = run_of(app_of([1, 2, 3], meet, is_pure=False, is_parallel=True, parallel_nums=3))

    assert run.execute().outputs == {"out": [1, 2, 3]}


def test_no_more_rounds_run_at_once_than_allowed():
    lock, now, most = threading.Lock(), [0], [0]

    def count(pool, context):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        context.cancellation.wait(0.01)
        with lock:
            now[0] -= 1
        return NodeResult({"out": 1})

    run, _, _ = run_of(app_of(list(range(8)), count, is_pure=False, is_parallel=True, parallel_nums=2))
    run.execute()

    assert most[0] == 2


@pytest.mark.parametrize(
    ("flatten", "results", "output"),
    [
        (True, [[1], [2, 3]], [1, 2, 3]),
        (False, [[1], [2, 3]], [[1], [2, 3]]),
        (True, [[1], 2], [[1], 2]),
        (True, [None, [1]], [1]),
        (True, [None, None], [None, None]),
    ],
)
def test_lists_are_joined_only_if_all_results_are_lists(flatten, results, output):
    def pick(pool, context):
        return NodeResult({"out": results[pool.get(("it", "index"))]})

    run, _, _ = run_of(app_of([0] * len(results), pick, flatten_output=flatten))

    assert run.execute().outputs == {"out": output}


def test_what_a_round_writes_is_invisible_outside_and_in_other_rounds():
    seen = []

    def look(pool, context):
        seen.append(bool(pool.get(("body", "out"))))
        return NodeResult({"out": 1})

    run, _, _ = run_of(app_of([1, 2], look))
    run.execute()

    assert seen == [False, False]


def test_an_iteration_stands_inside_another_one():
    inner = inside(iteration("inner", ("it", "item"), ("innerbody", "out")), "it")

    def tell(pool, context):
        return NodeResult({"out": f"{pool.get(('it', 'index'))}{pool.get(('inner', 'item'))}"})

    nodes = [
        start(items=[["a", "b"], ["c"]]),
        iteration(output=("inner", "output"), flatten_output=False),
        marker("itstart", "iteration-start", "it"),
        inner,
        marker("innerstart", "iteration-start", "inner"),
        body(tell, container_id="inner", node_id="innerbody"),
        end(("out", ("it", "output"))),
    ]
    run, journal, _ = run_of(graph(nodes, "start>it", "itstart>inner", "innerstart>innerbody", "it>end"))

    assert run.execute().outputs == {"out": [["0a", "0b"], ["1c"]]}
    assert len({event.execution_id for event in journal.events if isinstance(event, NodeStarted) and event.node_id == "innerbody"}) == 3


class ForgetfulJournal(MemoryJournal):
    """Keeps nothing, as one does that has told and stored everything: what grows is the engine's."""

    def emit(self, event):
        pass

    def record(self, record, *, durable):
        pass


def long_run(count):
    made = app_of(list(range(count)))
    return run_of(made, journal=ForgetfulJournal(), limits=Limits(workflow_max_execution_steps=2 * count))[0]


def test_ten_thousand_rounds_need_little_memory():
    run = long_run(10_000)
    tracemalloc.start()
    try:
        result = run.execute()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert result.outputs == {"out": [str(number) for number in range(10_000)]}
    # Its result, its duration and what the last event tells of them; nothing of the round itself, which has some 3 KB.
    assert peak / 10_000 < 1000


def calls_during(work):
    """Functions that are called, in Python and in C, by this thread."""
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def test_each_round_costs_as_much_as_the_one_before():
    first, second, third = (calls_during(long_run(count).execute) for count in (500, 1000, 1500))

    assert third - second == pytest.approx(second - first, rel=0.02)


@pytest.mark.parametrize("is_parallel", [False, True])
def test_a_resumed_iteration_keeps_the_items_that_were_done(is_parallel):
    calls = []

    def count(pool, context):
        calls.append(item_of(pool, context))
        return NodeResult({"out": item_of(pool, context)})

    def build():
        return app_of([0, 1, 2, 3, 4], count, is_pure=False, is_parallel=is_parallel, parallel_nums=2)

    first, journal, _ = run_of(build())
    whole = first.execute()
    kept = journal.records[:4]
    done = {record.outputs["out"] for record in kept if record.node_id == "body"}
    calls.clear()
    second, again, _ = run_of(build(), resume=Resume(kept))

    result = second.execute()

    assert result.outputs == whole.outputs
    assert sorted(calls) == sorted({0, 1, 2, 3, 4} - done)
    assert sorted(story(again.events)) == sorted(story(journal.events))
    assert result.total_steps == whole.total_steps


def test_a_run_that_was_recorded_to_its_end_is_restored_without_executing_anything():
    def build(script):
        return app_of(["a", "b"], script, is_pure=False)

    first, journal, _ = run_of(build(shout))
    whole = first.execute()

    def never(pool, context):
        raise AssertionError("executed again")

    second, again, _ = run_of(build(never), resume=Resume(journal.records))

    assert second.execute().outputs == whole.outputs
    assert again.records == []


def test_the_iterations_own_error_strategy_applies():
    default = [{"key": "output", "type": "array[string]", "value": '["none"]'}]
    run, _, _ = run_of(app_of(["bad"], error_strategy="default-value", default_value=default))

    result = run.execute()

    assert (result.status, result.outputs) == (RunStatus.PARTIAL_SUCCEEDED, {"out": ["none"]})


def test_a_stop_ends_an_iteration_in_the_middle():
    begun = threading.Event()

    def hang(pool, context):
        begun.set()
        context.cancellation.wait(30)
        context.cancellation.check()

    run, journal, inbox = run_of(app_of([1, 2], hang, is_pure=False))
    threading.Thread(target=lambda: (begun.wait(10), inbox.stop())).start()

    assert run.execute().status is RunStatus.STOPPED
    assert "next 1" not in story(journal.events)


def test_a_configuration_without_a_start_child_is_refused():
    with pytest.raises(GraphError, match="start_node_id"):
        IterationNode(NodeSpec("it", "iteration", "It", "1", {}, path="workflow.graph.nodes[0]"))
