import itertools

from tests.unit.engine.building import end, graph, node, start
from worker.engine.graph import plan
from worker.engine.scheduler import Ready, Schedule


def schedule_of(made):
    return Schedule(made, made.plan(made.root))


def ready_after(schedule, node_id, handle="source"):
    return [ready.node_id for ready in schedule.complete(node_id, handle).ready]


def test_successors_become_ready_in_document_order():
    made = graph([start(), node("a"), node("b"), node("c")], "start>b", "start>a", "start>c")

    assert ready_after(schedule_of(made), "start") == ["b", "a", "c"]


def test_a_join_waits_for_every_branch():
    made = graph([start(), node("a"), node("b"), node("join")], "start>a", "start>b", "a>join", "b>join")
    schedule = schedule_of(made)
    schedule.complete("start", "source")

    assert ready_after(schedule, "a") == []
    assert schedule.complete("b", "source").ready == [Ready("join", "b")]


def test_a_branch_takes_only_its_handle_and_skips_the_rest_behind():
    made = graph(
        [start(), node("if", is_branch=True), node("yes"), node("no"), node("behind")],
        "start>if",
        "if:true>yes",
        "if:false>no",
        "no>behind",
    )
    schedule = schedule_of(made)
    schedule.complete("start", "source")

    assert ready_after(schedule, "if", "true") == ["yes"]
    assert schedule.is_skipped("no")
    assert schedule.is_skipped("behind")


def test_a_join_of_a_taken_and_a_skipped_branch_runs_once():
    made = graph(
        [start(), node("if", is_branch=True), node("yes"), node("no"), node("join")],
        "start>if",
        "if:true>yes",
        "if:false>no",
        "yes>join",
        "no>join",
    )
    schedule = schedule_of(made)
    schedule.complete("start", "source")
    schedule.complete("if", "true")

    assert schedule.complete("yes", "source").ready == [Ready("join", "yes")]


def test_a_handle_that_no_edge_carries_skips_everything_behind():
    made = graph([start(), node("if", is_branch=True), node("yes"), end()], "start>if", "if:true>yes", "yes>end")
    schedule = schedule_of(made)
    schedule.complete("start", "source")

    assert ready_after(schedule, "if", "false") == []
    assert schedule.is_skipped("end")


def test_a_node_without_branches_takes_all_edges_whatever_their_handle():
    made = graph([start(), node("a"), node("b"), node("c")], "start>a", "a>b", "a:fail-branch>c")
    schedule = schedule_of(made)
    schedule.complete("start", "source")

    assert ready_after(schedule, "a") == ["b", "c"]


def test_edges_from_nodes_that_the_root_does_not_reach_do_not_hold_a_join():
    made = graph([start(), node("a"), node("lost")], "start>a", "lost>a")

    assert ready_after(schedule_of(made), "start") == ["a"]


def test_two_edges_between_the_same_nodes_count_as_two():
    made = graph([start(), node("if", is_branch=True), node("a")], "start>if", "if:x>a", "if:y>a")
    schedule = schedule_of(made)
    schedule.complete("start", "source")

    assert ready_after(schedule, "if", "y") == ["a"]


def test_a_node_on_a_cycle_never_becomes_ready():
    made = graph([start(), node("a"), node("b")], "start>a", "a>b", "b>a")

    assert ready_after(schedule_of(made), "start") == []


def test_skipping_a_long_chain_needs_no_deep_stack():
    names = [f"n{i}" for i in range(5000)]
    made = graph(
        [start(), node("if", is_branch=True), *[node(name) for name in names]],
        "start>if",
        "if:true>n0",
        *[f"{a}>{b}" for a, b in itertools.pairwise(names)],
    )
    schedule = schedule_of(made)
    schedule.complete("start", "source")
    schedule.complete("if", "false")

    assert schedule.is_skipped(names[-1])


def test_a_plan_of_another_root_holds_only_what_that_root_reaches():
    made = graph([start(), node("a"), node("b")], "start>a", "b>a")

    assert set(plan(made, "b").incoming) == {"b", "a"}
