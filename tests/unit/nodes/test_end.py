import pytest

from worker.engine.errors import GraphError
from worker.engine.node import NodeSpec
from worker.engine.variables import File, Secret, VariablePool
from worker.nodes.end import EndNode


def end(*outputs):
    written = [{"variable": name, "value_selector": selector} for name, selector in outputs]
    return EndNode(NodeSpec("end", "end", "End", "1", {"outputs": written}))


def test_outputs_are_the_values_under_their_new_names():
    file = File("image", "tool_file", "a.png", ".png", "image/png", 1)
    pool = VariablePool()
    pool.add_outputs("n", {"text": "x", "float": 1.0, "null": None, "file": file, "object": {"a": {"b": 2}}})
    node = end(("t", ["n", "text"]), ("f", ["n", "float"]), ("z", ["n", "null"]), ("d", ["n", "file"]), ("b", ["n", "object", "a", "b"]))
    result = node.run(pool, None)
    assert list(result.outputs.items()) == [("t", "x"), ("f", 1.0), ("z", None), ("d", file), ("b", 2)]
    assert result.inputs == result.outputs


@pytest.mark.parametrize("selector", [["ghost", "x"], ["n"], [], None])
def test_what_is_missing_is_null(selector):
    assert end(("x", selector)).run(VariablePool(), None).outputs == {"x": None}


def test_a_secret_goes_out_as_its_text():
    pool = VariablePool()
    pool.set("env", "KEY", Secret("s3cr3t"))
    assert type(end(("key", ["env", "KEY"])).run(pool, None).outputs["key"]) is str


def test_the_later_of_two_outputs_of_one_name_counts():
    pool = VariablePool()
    pool.add_outputs("n", {"a": 1, "b": 2})
    assert end(("x", ["n", "a"]), ("x", ["n", "b"])).run(pool, None).outputs == {"x": 2}


A, B = ("n", "a"), ("n", "b", "c")


@pytest.mark.parametrize(
    ("selectors", "segments"),
    [
        ([], ()),
        ([A], (A,)),
        ([A, B], (A, "\n", B)),
        ([A, [], B], (A, "\n", "\n", B)),
        ([[], A], ("\n", A)),
        ([A, []], (A,)),
        ([[]], ()),
        ([[], []], ()),
    ],
)
def test_what_is_streamed(selectors, segments):
    assert end(*(("x", list(selector)) for selector in selectors)).segments == segments


def test_an_output_needs_a_name():
    with pytest.raises(GraphError, match="'variable' is required"):
        end((None, ["n", "a"]))
