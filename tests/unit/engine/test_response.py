from tests.unit.engine.building import end, graph, node, start
from worker.engine.response import ResponsePlan, ResponseStream
from worker.engine.scheduler import Schedule
from worker.engine.variables import VariablePool


class Stage:
    """A response stream driven by hand; ``told`` is what went out, as (text, selector)."""

    def __init__(self, made):
        self.pool, self.schedule, self.told = VariablePool(), Schedule(made, made.plan(made.root)), []
        self.stream = ResponseStream(
            made, ResponsePlan.of(made), self.pool, self.schedule, lambda chunk: self.told.append((chunk.text, tuple(chunk.selector)))
        )

    def finish(self, node_id, handle="source", **outputs):
        self.pool.add_outputs(node_id, outputs)
        self.stream.advance()
        self.stream.on_edges(self.schedule.complete(node_id, handle).taken)


def test_values_go_out_in_template_order_not_in_order_of_arrival():
    stage = Stage(graph([start(), node("a"), node("b"), end(("x", ("a", "v")), ("y", ("b", "v")))], "start>a", "start>b", "a>end", "b>end"))
    stage.finish("start")
    stage.finish("b", v="B")
    assert stage.told == []

    stage.finish("a", v="A")

    assert stage.told == [("A", ("a", "v")), ("\n", ("end", "answer")), ("B", ("b", "v"))]


def test_the_newline_follows_its_value_at_once():
    stage = Stage(graph([start(), node("a"), end(("x", ("start", "q")), ("y", ("a", "v")))], "start>a", "a>end"))

    stage.finish("start", q="hi")

    assert stage.told == [("hi", ("start", "q")), ("\n", ("end", "answer"))]


def test_streamed_values_go_out_chunk_by_chunk_and_hold_what_follows_until_closed():
    stage = Stage(graph([start(), node("llm"), end(("x", ("llm", "text")), ("y", ("start", "q")))], "start>llm", "llm>end"))
    stage.finish("start", q="q")
    stage.stream.on_chunk(("llm", "text"), "He", False)
    stage.stream.on_chunk(("llm", "text"), "y", False)
    assert [text for text, _ in stage.told] == ["He", "y"]

    stage.stream.on_chunk(("llm", "text"), "", True)

    assert [text for text, _ in stage.told] == ["He", "y", "", "\n", "q"]


def test_a_skipped_source_is_passed_over_in_silence():
    made = graph(
        [start(), node("if", is_branch=True), node("l"), node("r"), end(("l", ("l", "v")), ("r", ("r", "v")))],
        "start>if",
        "if:true>l",
        "if:false>r",
        "l>end",
        "r>end",
    )
    stage = Stage(made)
    stage.finish("start")
    stage.finish("if", "true")
    stage.finish("l", v=1)

    assert [text for text, _ in stage.told] == ["1", "\n"]


def test_nothing_goes_out_before_the_branch_to_the_response_is_taken():
    made = graph(
        [start(), node("if", is_branch=True), end(("x", ("start", "q"))), end(("x", ("start", "q")), node_id="other")],
        "start>if",
        "if:true>end",
        "if:false>other",
    )
    stage = Stage(made)
    stage.finish("start", q="hi")
    assert stage.told == []

    stage.finish("if", "false")

    assert stage.told == [("hi", ("start", "q"))]


def test_a_second_response_waits_until_the_first_is_told():
    made = graph(
        [start(), node("slow"), end(("x", ("slow", "v"))), end(("y", ("start", "q")), node_id="end2")],
        "start>slow",
        "slow>end",
        "start>end2",
    )
    stage = Stage(made)
    stage.finish("start", q="hi")
    assert stage.told == []

    stage.finish("slow", v="s")

    assert [text for text, _ in stage.told] == ["s", "hi"]


def test_a_null_value_is_an_empty_chunk_but_a_missing_one_holds():
    made = graph([start(), node("a"), end(("x", ("a", "none")), ("y", ("a", "ghost")), ("z", ("a", "v")))], "start>a", "a>end")
    stage = Stage(made)
    stage.finish("start")
    stage.finish("a", none=None, v="never told")

    assert [text for text, _ in stage.told] == ["", "\n"]


def test_a_fail_branch_blocks_like_any_branch():
    made = graph(
        [start(), node("a", kind="code", error_strategy="fail-branch"), end(("x", ("start", "q")))], "start>a", "a>end", "a:fail-branch>end"
    )
    stage = Stage(made)
    stage.finish("start", q="hi")
    assert stage.told == []

    stage.finish("a")

    assert [text for text, _ in stage.told] == ["hi"]
