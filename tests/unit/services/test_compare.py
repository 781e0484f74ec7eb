"""The comparison with recordings lets pass what may differ, and nothing else."""

import pytest

from tests.golden.compare import differences, stream_differences


@pytest.mark.parametrize(
    ("want", "got"),
    [
        ("$UUID", "anything"),
        ("run $UUID ended", "run 17 ended"),
        ({"a": 1}, {"a": 1, "more": 2}),
        ({"id": "x"}, {}),
        ('Traceback\n  File "a", line 1\nValueError: no\n', 'File "elsewhere"\nValueError: no\n'),
        ('{"headers": {"host": "a"}, "n": 1}', '{"n": 1, "headers": {"host": "b"}}'),
    ],
)
def test_what_may_differ_is_no_difference(want, got):
    assert list(differences(want, got, "x")) == []


@pytest.mark.parametrize(
    ("want", "got"),
    [
        (1, 1.0),
        (1, True),
        (None, ""),
        ("a", "b"),
        ([1], [1, 2]),
        ({"a": None}, {}),
        ('  File "a"\nValueError: no', "ValueError: yes"),
        ("run $UUID ended", "run 17 ends"),
    ],
)
def test_what_must_not_differ_is_found(want, got):
    assert list(differences(want, got, "x")) != []


def event(name: str, **data: object) -> dict[str, object]:
    return {"event": name, "task_id": "t", "workflow_run_id": "r", "data": data}


STREAM = [
    event("workflow_started"),
    event("node_started", id="1", node_id="n"),
    event("node_finished", id="1", node_id="n", node_type="code", status="succeeded", outputs={"x": 1}, error=None),
    event("text_chunk", text="a", from_variable_selector=["n", "x"]),
    event("text_chunk", text="b", from_variable_selector=["n", "x"]),
    event("workflow_finished", status="succeeded", outputs={"x": 1}, error=None),
]


def test_text_may_come_in_other_pieces():
    joined = [*STREAM[:3], event("text_chunk", text="ab", from_variable_selector=["n", "x"]), STREAM[-1]]

    assert list(stream_differences(STREAM, joined)) == []


@pytest.mark.parametrize("lost", range(len(STREAM)))
def test_a_lost_event_is_found(lost):
    assert list(stream_differences(STREAM, STREAM[:lost] + STREAM[lost + 1 :])) != []


@pytest.mark.parametrize("doubled", [0, 1, 2, 3, 5])
def test_a_doubled_event_is_found(doubled):
    assert list(stream_differences(STREAM, [*STREAM[:doubled], STREAM[doubled], *STREAM[doubled:]])) != []
