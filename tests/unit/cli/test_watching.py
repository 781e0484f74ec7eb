import io
import json

import pytest
from rich.console import Console

from app.cli.frames import line_of
from app.cli.watching import LineView, TreeView, brief, seconds
from worker.engine.events import (
    ROOT,
    ContainerCompleted,
    ContainerStarted,
    NodeFinished,
    NodeRetried,
    NodeStarted,
    NodeStatus,
    RunFinished,
    RunStatus,
    Scope,
)


def started(node_id, scope=ROOT):
    return NodeStarted(f"e-{node_id}", node_id, "code", node_id.upper(), 1, None, 0.0, scope)


def finished(node_id, status=NodeStatus.SUCCEEDED, error=None, scope=ROOT, kind=NodeFinished, **more):
    facts = {"inputs": {}, "process_data": {}, "outputs": {}, "error": error, "elapsed_s": 0.5, "created_at": 0.0, "finished_at": 0.5}
    return kind(f"e-{node_id}", node_id, "code", node_id.upper(), 1, None, status, **facts, scope=scope, **more)


def ended(status=RunStatus.SUCCEEDED):
    return RunFinished(status, {}, None, 1.25, 0, 1, 0, 0.0, 1.25)


@pytest.fixture
def drawn():
    """Shows events in a tree and answers what it looks like."""
    views = []

    def draw(*events):
        view = TreeView("Demo")
        views.append(view)
        for event in events:
            view.show(event)
        page = io.StringIO()
        Console(file=page, width=100).print(view.tree())
        return [line.rstrip() for line in page.getvalue().splitlines()]

    yield draw
    for view in views:
        view.close()


def test_the_tree_lists_nodes_in_the_order_of_their_start(drawn):
    tree = drawn(started("a"), started("b"), finished("b"), finished("a", NodeStatus.FAILED, "broken"), ended(RunStatus.FAILED))

    assert tree == ["Demo  failed in 1.25 s", "├── ✗ A  code  500 ms  broken", "└── ✓ B  code  500 ms"]


def test_a_node_that_runs_shows_its_time_so_far(drawn):
    assert drawn(started("a"))[1].startswith("└── … A  code  ")


def test_retries_are_counted(drawn):
    assert drawn(started("a"), finished("a", NodeStatus.RETRY, "once", kind=NodeRetried, retry_index=1), finished("a"))[1] == (
        "└── ✓ A  code  500 ms  retry 1"
    )


def test_rounds_of_a_container_hang_below_it(drawn):
    first, second = (Scope("it", number, path=(("it", number),)) for number in (0, 1))
    begin = ContainerStarted("it", "iteration", "IT", 0.0, {}, {})
    end = ContainerCompleted("it", "iteration", "IT", 0.0, 1.0, {}, {}, NodeStatus.SUCCEEDED, None, 1.0, 0, 2)

    tree = drawn(begin, started("x", first), finished("x", scope=first), started("x", second), finished("x", scope=second), end)

    assert tree == [
        "Demo",
        "└── ✓ IT  iteration  1.00 s",
        "    ├── round 1",
        "    │   └── ✓ X  code  500 ms",
        "    └── round 2",
        "        └── ✓ X  code  500 ms",
    ]


def test_without_a_terminal_each_node_that_ended_is_a_line(capsys):
    view = LineView()
    for event in (started("a"), finished("a", NodeStatus.EXCEPTION, "handled"), finished("x", scope=Scope(path=(("it", 0),)))):
        view.show(event)
    view.close()

    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "! A  500 ms  handled\n  ✓ X  500 ms\n"


def test_of_a_traceback_its_end_is_shown():
    traceback = (
        'Traceback (most recent call last):\n  File "<code>", line 1, in main\n    1/0\nZeroDivisionError: division\nerror: exit status 1\n'
    )

    assert brief(traceback) == "ZeroDivisionError: division"
    assert brief("two\nlines") == "two lines"
    assert brief("Traceback") == "Traceback"


@pytest.mark.parametrize(("elapsed_s", "text"), [(0.0, "0 ms"), (0.0126, "13 ms"), (1.0, "1.00 s"), (75.4, "75.40 s")])
def test_times_are_short(elapsed_s, text):
    assert seconds(elapsed_s) == text


@pytest.mark.parametrize(
    ("frame", "line"),
    [
        ({"event": "workflow_started", "data": {"id": "r1"}}, "workflow_started     r1"),
        ({"event": "node_started", "data": {"title": "A", "node_id": "a"}}, "node_started         A"),
        (
            {"event": "node_finished", "data": {"title": "A", "status": "failed", "elapsed_time": 0.1, "error": "x\ny"}},
            "node_finished        A  failed in 100 ms  x y",
        ),
        ({"event": "text_chunk", "data": {"text": "é" * 100}}, 'text_chunk           "' + "é" * 60 + '"'),
        ({"event": "error", "code": "c", "message": "m"}, "error                c: m"),
        ({"event": "text_replace", "data": {}}, "text_replace"),
    ],
)
def test_frames_of_the_stream_as_lines(frame, line):
    assert line_of(json.dumps(frame)) == line
