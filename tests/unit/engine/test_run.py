import itertools
import threading

import pytest

from tests.unit.engine.building import end, graph, node, run_of, start
from worker.engine.errors import NodeError, Partial, RunDrained, RunFenced
from worker.engine.events import (
    AgentLog,
    AgentLogged,
    NodeFinished,
    NodeRetried,
    NodeStarted,
    NodeStatus,
    ReasoningChunk,
    RunStarted,
    RunStatus,
    TextChunk,
)
from worker.engine.graph import GraphNode
from worker.engine.inbox import Inbox
from worker.engine.limits import Limits
from worker.engine.memory import MemoryJournal
from worker.engine.node import NodeResult
from worker.engine.start import Resume
from worker.engine.state import Done
from worker.engine.variables import Secret


def failing(message="broken", error_type="CodeExecutionError", times=10**9, **partial):
    failures = []

    def run(pool, context):
        if len(failures) < times:
            failures.append(1)
            raise NodeError(message, error_type=error_type, partial=Partial(**partial))
        return NodeResult({"out": "ok"})

    return run


def code(node_id, script=None, **data):
    return node(node_id, script, kind="code", is_pure=False, **data)


def story(events):
    """Events in short: ``+a`` started, ``-a`` finished, ``~a`` retried, text in quotes."""
    told = []
    for event in events:
        if isinstance(event, NodeStarted):
            told.append(f"+{event.node_id}")
        elif isinstance(event, NodeRetried):
            told.append(f"~{event.node_id}")
        elif isinstance(event, NodeFinished):
            told.append(f"-{event.node_id}")
        elif isinstance(event, TextChunk):
            told.append(repr(event.text))
    return told


def finished(journal, node_id):
    return next(e for e in journal.events if isinstance(e, NodeFinished) and not isinstance(e, NodeRetried) and e.node_id == node_id)


def test_a_chain_runs_in_order_and_its_end_gives_the_outputs():
    made = graph([start(q="hi"), node("a"), end(("x", ("a", "out")))], "start>a", "a>end")
    run, journal, _ = run_of(made)

    result = run.execute()

    assert result.status is RunStatus.SUCCEEDED
    assert result.outputs == {"x": "a"}
    assert (result.total_steps, result.exceptions_count, result.error) == (3, 0, None)
    assert isinstance(journal.events[0], RunStarted)
    assert story(journal.events) == ["+start", "-start", "+a", "'a'", "-a", "+end", "-end"]


def test_started_inputs_list_form_values_then_system_ones_without_the_time():
    run, journal, _ = run_of(graph([start()]), inputs={"q": 1})
    run.execute()

    assert journal.events[0].inputs == {"q": 1, "sys.user_id": "u"}


def test_indexes_and_predecessors_follow_the_order_of_starts():
    made = graph([start(), node("a"), node("b"), node("j")], "start>a", "start>b", "a>j", "b>j")
    run, journal, _ = run_of(made)
    run.execute()

    started = {e.node_id: (e.index, e.predecessor_node_id) for e in journal.events if isinstance(e, NodeStarted)}
    assert started == {"start": (1, None), "a": (2, "start"), "b": (3, "start"), "j": (4, "b")}


def test_nodes_that_wait_are_in_flight_together():
    barrier = threading.Barrier(3)

    def meet(pool, context):
        barrier.wait(10)
        return NodeResult({"out": 1})

    made = graph([start(), code("a", meet), code("b", meet), code("c", meet)], "start>a", "start>b", "start>c")
    run, _, _ = run_of(made)

    assert run.execute().status is RunStatus.SUCCEEDED


def test_no_more_nodes_are_in_flight_than_the_limit_allows():
    lock, now, most = threading.Lock(), [0], [0]

    def count(pool, context):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        context.cancellation.wait(0.01)
        with lock:
            now[0] -= 1
        return NodeResult()

    names = [f"n{i}" for i in range(8)]
    made = graph([start(), *[code(name, count) for name in names]], *[f"start>{name}" for name in names])
    run, _, _ = run_of(made, limits=Limits(graph_engine_max_workers=2))

    assert run.execute().total_steps == 9
    assert most[0] == 2


def test_a_failed_node_ends_the_run_with_its_text_and_starts_nothing_more():
    made = graph([start(), code("a", failing("boom")), node("b")], "start>a", "a>b")
    run, journal, _ = run_of(made)

    result = run.execute()

    assert (result.status, result.error, result.exceptions_count, result.total_steps) == (RunStatus.FAILED, "boom", 1, 2)
    assert story(journal.events)[-1] == "-a"
    assert finished(journal, "a").status is NodeStatus.FAILED


def test_a_failure_leaves_running_siblings_without_an_end():
    def hang(pool, context):
        context.cancellation.wait(30)
        context.cancellation.check()

    made = graph([start(), code("slow", hang), code("bad", failing())], "start>slow", "start>bad")
    run, journal, _ = run_of(made)

    assert run.execute().status is RunStatus.FAILED
    assert "-slow" not in story(journal.events)


def test_an_unknown_exception_is_a_failure_with_its_class_name():
    def crash(pool, context):
        return {}["gone"]

    made = graph([start(), node("a", crash, kind="code", error_strategy="fail-branch"), node("b")], "start>a", "a:fail-branch>b")
    run, journal, _ = run_of(made)
    run.execute()

    assert finished(journal, "a").outputs == {"error_message": "'gone'", "error_type": "KeyError"}


def test_a_handled_failure_makes_the_run_partial_and_hides_its_text_in_the_event():
    default = [{"key": "out", "type": "string", "value": "fallback"}]
    made = graph(
        [start(), code("a", failing(inputs={"i": 1}), error_strategy="default-value", default_value=default), end(("x", ("a", "out")))],
        "start>a",
        "a>end",
    )
    run, journal, _ = run_of(made)

    result = run.execute()

    event = finished(journal, "a")
    assert (result.status, result.exceptions_count, result.outputs) == (RunStatus.PARTIAL_SUCCEEDED, 1, {"x": "fallback"})
    assert (event.status, event.error, event.inputs) == (NodeStatus.EXCEPTION, "Unknown error", {"i": 1})
    assert event.metadata["error_strategy"] == "default-value"


@pytest.mark.parametrize(
    ("times", "retries", "status", "steps", "exceptions"),
    [(2, 3, RunStatus.PARTIAL_SUCCEEDED, 4, 2), (9, 2, RunStatus.FAILED, 4, 3)],
)
def test_retries_count_as_steps_and_as_exceptions(times, retries, status, steps, exceptions):
    config = {"retry_enabled": True, "max_retries": retries, "retry_interval": 1}
    made = graph([start(), code("a", failing(times=times), retry_config=config)], "start>a")
    run, journal, _ = run_of(made)

    result = run.execute()

    assert (result.status, result.total_steps, result.exceptions_count) == (status, steps, exceptions)
    retried = [e for e in journal.events if isinstance(e, NodeRetried)]
    assert [e.retry_index for e in retried] == [1, 2]
    assert {e.status for e in retried} == {NodeStatus.RETRY}
    assert len({e.execution_id for e in journal.events if isinstance(e, NodeStarted | NodeFinished) and e.node_id == "a"}) == 1


def test_waiting_for_a_retry_holds_no_other_branch():
    config = {"retry_enabled": True, "max_retries": 1, "retry_interval": 200}
    made = graph([start(), code("a", failing(times=1), retry_config=config), code("b"), node("c")], "start>a", "start>b", "b>c")
    run, journal, _ = run_of(made)
    run.execute()

    told = story(journal.events)
    assert told.index("-c") < told.index("-a")


def test_a_stop_ends_a_waiting_run_at_once_and_keeps_what_end_nodes_gave():
    begun = threading.Event()

    def hang(pool, context):
        begun.set()
        context.cancellation.wait(30)
        context.cancellation.check()

    made = graph([start(q=1), end(("x", ("start", "q"))), code("slow", hang), node("after")], "start>end", "start>slow", "slow>after")
    run, journal, inbox = run_of(made)
    threading.Thread(target=lambda: (begun.wait(10), inbox.stop())).start()

    result = run.execute()

    assert (result.status, result.error, result.outputs) == (RunStatus.STOPPED, "Stopped by user.", {"x": 1})
    assert "-slow" not in story(journal.events)
    assert "+after" not in story(journal.events)


def test_a_stop_ends_a_run_of_pure_nodes_too():
    inbox_of = []

    def stop(pool, context):
        inbox_of[0].stop()
        return NodeResult()

    made = graph([start(), node("a", stop), node("b"), node("c")], "start>a", "a>b", "b>c")
    run, journal, inbox = run_of(made)
    inbox_of.append(inbox)

    assert run.execute().status is RunStatus.STOPPED
    assert story(journal.events)[-1] == "-a"


def test_the_step_limit_ends_the_run_and_starts_nothing_behind_it():
    names = [f"n{i}" for i in range(9)]
    made = graph([start(), *[node(name) for name in names]], "start>n0", *[f"{a}>{b}" for a, b in itertools.pairwise(names)])
    run, _, _ = run_of(made, limits=Limits(workflow_max_execution_steps=5))

    result = run.execute()

    assert (result.status, result.error) == (RunStatus.FAILED, "Aborted: Maximum execution steps exceeded: 6 > 5")
    assert result.total_steps == 6


def test_the_time_limit_ends_a_run_whose_node_hangs():
    def hang(pool, context):
        context.cancellation.wait(30)
        context.cancellation.check()

    run, _, _ = run_of(graph([start(), code("slow", hang)], "start>slow"), limits=Limits(workflow_max_execution_time=0.05))

    result = run.execute()

    assert result.status is RunStatus.FAILED
    assert result.error.startswith("Aborted: Maximum execution time exceeded: 0.0")


def test_time_spent_by_earlier_attempts_counts():
    run, _, _ = run_of(graph([start(), node("a")], "start>a"), limits=Limits(workflow_max_execution_time=10), elapsed_s=60)

    assert run.execute().status is RunStatus.FAILED


def test_only_nodes_with_effects_are_committed_on_their_own():
    made = graph([start(), node("pure"), code("effect"), node("last")], "start>pure", "pure>effect", "effect>last")
    run, journal, _ = run_of(made)
    run.execute()

    assert [record.node_id for record in journal.records] == ["start", "pure", "effect", "last"]
    assert journal.durable == 3


def test_an_effect_is_durable_before_its_end_is_told():
    made = graph([start(), code("effect")], "start>effect")
    durable_at_event = []
    run, journal, _ = run_of(made)
    journal.on_event = lambda event: durable_at_event.append((story([event]), journal.durable))
    run.execute()

    assert (["-effect"], 2) in durable_at_event


class CountingInbox(Inbox):
    """Knows when as many nodes as it waits for have mailed their end."""

    def __init__(self, awaited):
        super().__init__()
        self.all_ended = threading.Event()
        self._ends = itertools.count(1)
        self._awaited = awaited

    def put(self, item):
        super().put(item)
        if isinstance(item, Done) and next(self._ends) == self._awaited:
            self.all_ended.set()


def story_of_nodes_that_end_together(second=lambda pool, context: NodeResult({})):
    """Nodes ``a`` and ``b`` end while the loop is held up by the start of ``c``; ``!`` marks a commit."""
    inbox, journal, is_held = CountingInbox(2), DurableStory(), threading.Event()

    def hold(pool, context):
        is_held.set()
        return NodeResult({"in time": inbox.all_ended.wait(5)})

    def after_hold(script):
        return lambda pool, context: NodeResult({"in time": is_held.wait(5)}) and script(pool, context)

    first = after_hold(lambda pool, context: NodeResult({}))
    made = graph([start(), code("a", first), code("b", after_hold(second)), node("c", hold)], "start>a", "start>b", "start>c")
    result = run_of(made, journal=journal, inbox=inbox)[0].execute()
    return result, journal.told


class DurableStory(MemoryJournal):
    def __init__(self):
        super().__init__()
        self.told = []

    def emit(self, event):
        self.told += story([event])

    def record(self, record, *, durable):
        super().record(record, durable=durable)
        self.told.append(record.node_id + ("!" if durable else ""))


def test_nodes_that_ended_together_share_one_commit_made_before_either_end_is_told():
    result, told = story_of_nodes_that_end_together()

    assert result.status is RunStatus.SUCCEEDED
    ending = told[told.index("-c") + 1 :]
    assert sorted(ending[:2], key=len) in (["a", "b!"], ["b", "a!"])
    assert sorted(ending[2:]) == ["-a", "-b"]
    assert [name.strip("!") for name in ending[:2]] == [name.strip("-") for name in ending[2:]]


def test_a_failure_shares_no_commit_with_what_ended_beside_it():
    result, told = story_of_nodes_that_end_together(second=failing("broken"))

    assert (result.status, result.error) == (RunStatus.FAILED, "broken")
    ending = told[told.index("-c") + 1 :]
    # Whichever mailed first: the failure ends the run, and what came after it is neither kept nor told.
    assert ending in (["a!", "-a", "b", "-b"], ["b", "-b"])


def presented(node_id, extras=None, strategy=None):
    made = code(node_id, lambda pool, context: NodeResult({"out": node_id}))
    made.node.extras, made.node.agent_strategy = extras or {}, strategy
    return GraphNode.of(made.spec, made.node)


def test_the_start_of_a_node_tells_what_its_class_offers_also_when_it_is_told_again():
    strategy = {"name": "ReAct", "icon": None}

    def told(**more):
        made = graph([start(), presented("t", {"icon": "x"}), presented("a", strategy=strategy)], "start>t", "t>a")
        run, journal, _ = run_of(made, **more)
        run.execute()
        return journal, [(event.extras, event.agent_strategy) for event in journal.events if isinstance(event, NodeStarted)]

    journal, first = told()
    assert first == [({}, None), ({"icon": "x"}, None), ({}, strategy)]
    assert told(resume=Resume(journal.records))[1] == first


def test_a_resumed_run_executes_only_what_was_not_recorded():
    calls = []

    def count(name):
        def run(pool, context):
            calls.append(name)
            return NodeResult({"out": name})

        return run

    def build():
        return graph(
            [start(), code("a", count("a")), code("b", count("b")), end(("x", ("a", "out")), ("y", ("b", "out")))],
            "start>a",
            "a>b",
            "b>end",
        )

    first, journal, _ = run_of(build())
    whole = first.execute()
    calls.clear()
    begun = next(e for e in journal.events if isinstance(e, NodeStarted) and e.node_id == "b")
    second, again, _ = run_of(build(), resume=Resume(journal.records[:2], {begun.execution_id: (begun.index, begun.created_at)}))

    result = second.execute()

    assert calls == ["b"]
    assert (result.status, result.outputs, result.total_steps) == (whole.status, whole.outputs, whole.total_steps)
    assert story(again.events) == story(journal.events)
    assert [e.index for e in again.events if isinstance(e, NodeStarted)] == [1, 2, 3, 4]


def test_a_restored_failure_fails_the_run_again_without_executing():
    made = graph([start(), code("a", failing("boom"))], "start>a")
    first, journal, _ = run_of(made)
    first.execute()
    second, _, _ = run_of(graph([start(), code("a")], "start>a"), resume=Resume(journal.records))

    result = second.execute()

    assert (result.status, result.error, result.exceptions_count) == (RunStatus.FAILED, "boom", 1)


def test_draining_lets_the_node_in_flight_finish_and_starts_no_other():
    made = graph([start(), code("a"), code("b")], "start>a", "a>b")
    run, journal, inbox = run_of(made)
    journal.on_event = lambda event: inbox.drain(10) if story([event]) == ["+a"] else None

    with pytest.raises(RunDrained):
        run.execute()

    assert [record.node_id for record in journal.records] == ["start", "a"]
    assert "+b" not in story(journal.events)


def test_draining_gives_up_on_a_node_that_does_not_end():
    def hang(pool, context):
        context.cancellation.wait(30)
        context.cancellation.check()

    run, journal, inbox = run_of(graph([start(), code("a", hang)], "start>a"))
    inbox.drain(0.05)

    with pytest.raises(RunDrained):
        run.execute()

    assert [record.node_id for record in journal.records] in ([], ["start"])


def test_a_failure_that_may_be_retried_is_not_final_while_draining():
    config = {"retry_enabled": True, "max_retries": 1, "retry_interval": 1}
    run, journal, inbox = run_of(graph([start(), code("a", failing(), retry_config=config)], "start>a"))
    journal.on_event = lambda event: inbox.drain(10) if story([event]) == ["+a"] else None

    with pytest.raises(RunDrained):
        run.execute()

    assert [record.node_id for record in journal.records] == ["start"]


def test_a_fenced_run_ends_without_a_word():
    run, _, inbox = run_of(graph([start(), code("a")], "start>a"))
    inbox.fence()

    with pytest.raises(RunFenced):
        run.execute()


def test_secrets_are_masked_in_inputs_process_data_and_errors_but_not_in_outputs():
    secret = Secret("s3cr3t-value")

    def leak(pool, context):
        return NodeResult({"out": f"got {secret}"}, {"key": secret}, {"request": f"x {secret}"})

    made = graph(
        [start(), code("a", leak), code("b", failing(f"no {secret}", inputs={"k": secret})), end(("x", ("a", "out")))],
        "start>a",
        "a>end",
        "end>b",
    )
    run, journal, _ = run_of(made, environment={"KEY": secret})
    result = run.execute()

    shown = finished(journal, "a")
    assert secret not in repr((shown.inputs, shown.process_data, finished(journal, "b").inputs, finished(journal, "b").error, result.error))
    assert shown.outputs == {"out": "got s3cr3t-value"}
    assert result.outputs == {"x": "got s3cr3t-value"}


@pytest.mark.parametrize(("output", "thoughts"), [("text", ["hm", ""]), ("usage", [])])
def test_thoughts_are_told_to_whom_the_answer_is_told(output, thoughts):
    def ask(pool, context):
        context.think("hm", False)
        context.think("", True)
        return NodeResult({"text": "Yes.", "usage": {}})

    made = graph([start(), node("ask", ask, kind="llm", is_pure=False), end(("x", ("ask", output)))], "start>ask", "ask>end")
    run, journal, _ = run_of(made)
    run.execute()
    assert [event.text for event in journal.events if isinstance(event, ReasoningChunk)] == thoughts


def test_steps_of_an_agent_are_told_between_its_start_and_its_end_without_secrets():
    def agent(pool, context):
        context.log(AgentLog("step", "ROUND 1", "start"))
        context.log(AgentLog("step", "ROUND 1", "error", {"said": "key 0123456789"}, error="0123456789 is wrong"))
        return NodeResult({"text": "0123456789"})

    made = graph([start(), node("agent", agent, kind="agent", is_pure=False), end()], "start>agent", "agent>end")
    run, journal, _ = run_of(made, environment={"KEY": Secret("0123456789")})
    run.execute()

    events = [event for event in journal.events if getattr(event, "node_id", "") == "agent"]
    assert [type(event) for event in events] == [NodeStarted, AgentLogged, AgentLogged, NodeFinished]
    assert {event.execution_id for event in events} == {events[0].execution_id}
    assert events[2].log.data == {"said": "key 012345************89"}
    assert events[2].log.error == "012345************89 is wrong"
