import pytest

from worker.nodes.thinking import without_thinking


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a<think>b</think>c", "ac"),
        ("<think>a</think>b<think>c</think>d", "bd"),
        ("a<think>b", "a<think>b"),
        ("a</think>b", "a</think>b"),
        ("a<thinking>b</thinking>", "a<thinking>b</thinking>"),
    ],
)
def test_closed_thoughts_are_left_out(text, kept):
    assert without_thinking(text) == kept
