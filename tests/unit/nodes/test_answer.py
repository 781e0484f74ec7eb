import pytest

from worker.engine.errors import GraphError
from worker.engine.node import NodeSpec
from worker.engine.variables import File, VariablePool
from worker.nodes.answer import AnswerNode

PICTURE = File("image", "remote_url", "cat.png", ".png", "image/png", 70, remote_url="https://files.example/cat.png")


def answer(text):
    return AnswerNode(NodeSpec("ans", "answer", "Answer", "1", {"answer": text}))


def test_the_answer_is_markdown_with_the_files_it_shows():
    pool = VariablePool()
    pool.add_outputs("n", {"list": ["a", "b"], "files": [PICTURE, PICTURE], "file": PICTURE})
    result = answer("{{#n.list#}}\n{{#n.files#}} {{#n.file#}} {{#n.ghost#}}").run(pool, None)
    picture = "![cat.png](https://files.example/cat.png)"
    assert result.outputs == {"answer": f"- a\n- b\n{picture}\n{picture} {picture} n.ghost", "files": [PICTURE] * 3}
    assert result.inputs == {}


def test_text_and_values_are_streamed_in_order():
    assert answer("Hi {{#n.x#}}!").segments == ("Hi ", ("n", "x"), "!")


def test_an_answer_is_a_text():
    with pytest.raises(GraphError, match="'answer' must be a text"):
        answer(["x"])
