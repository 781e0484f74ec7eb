"""nodes.md section 6.5."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.nodes.sandboxed import failure, file, run, spec, variables
from worker.engine.errors import GraphError
from worker.engine.limits import Limits
from worker.engine.variables import Secret
from worker.nodes.code import CodeNode
from worker.nodes.registry import Registry
from worker.sandbox.runner import SandboxRunner


@pytest.fixture(scope="module")
def runner() -> Iterator[SandboxRunner]:
    runner = SandboxRunner(Limits(sandbox_worker_timeout=1.0))
    yield runner
    runner.close()


def code(source: str, *inputs: dict[str, Any], **outputs: str) -> CodeNode:
    declared = {name: {"type": kind, "children": None} for name, kind in outputs.items()}
    return CodeNode(spec("code", code_language="python3", code=source, variables=list(inputs), outputs=declared))


def test_node_type_is_found_and_has_effects():
    node = Registry().create(spec("code", code_language="python3", code="", variables=[], outputs={}))

    assert isinstance(node, CodeNode)
    assert not node.is_pure


def test_inputs_reach_main_by_name_and_the_result_becomes_the_outputs(runner):
    source = "def main(a, n):\n    return {'text': a + '!', 'twice': n * 2}"

    result = run(code(source, *variables("a", "n"), twice="number", text="string"), runner, {"a": "é", "n": 21})

    assert result.inputs == {"a": "é", "n": 21}
    assert list(result.outputs.items()) == [("twice", 42), ("text", "é!")]
    assert result.process_data == {}


def test_missing_inputs_are_none(runner):
    result = run(code("def main(a):\n    return {'kind': type(a).__name__}", *variables("a"), kind="string"), runner)

    assert (result.inputs, result.outputs) == ({"a": None}, {"kind": "NoneType"})


def test_lists_of_files_are_lists_of_mappings(runner):
    node = code("def main(files):\n    return {'files': files}", *variables("files"), files="array[object]")

    result = run(node, runner, {"files": [file()]})

    assert result.inputs == {"files": [file()]}
    assert result.outputs["files"] == [
        {
            "dify_model_identity": "__dify__file__",
            "id": None,
            "tenant_id": "app",
            "type": "document",
            "transfer_method": "local_file",
            "remote_url": "https://files.example/file-1",
            "related_id": "file-1",
            "filename": "note.txt",
            "extension": ".txt",
            "mime_type": "text/plain",
            "size": 5,
            "url": "https://files.example/file-1",
        }
    ]


def test_list_of_files_that_is_empty_is_none(runner):
    source = "def main(files, texts, system):\n    return {'r': repr([files, texts, system])}"
    system = {"variable": "system", "value_selector": ["sys", "files"]}
    node = code(source, *variables("files", value_type="array[file]"), *variables("texts"), system, r="string")

    result = run(node, runner, {"files": [], "texts": []})

    assert result.outputs == {"r": "[None, [], None]"}
    assert result.inputs == {"files": None, "texts": [], "system": None}


def test_single_file_fails_the_node(runner):
    error = failure(code("def main(f):\n    return {}", *variables("f")), runner, {"f": file()})

    assert (error.message, error.error_type) == ("Type is not JSON serializable: File", "TypeError")
    assert error.partial.inputs == {"f": file()}


def test_secrets_reach_the_code_and_stay_recognisable_in_the_inputs(runner):
    node = code("def main(key):\n    return {'r': key[::-1]}", *variables("key"), r="string")

    result = run(node, runner, {"key": Secret("abc")})

    assert result.outputs == {"r": "cba"}
    assert isinstance(result.inputs["key"], Secret)


def test_error_is_the_traceback_and_keeps_the_inputs(runner):
    error = failure(code("def main(n):\n    raise ValueError('negative')", *variables("n"), r="string"), runner, {"n": -1})

    assert error.error_type == "CodeExecutionError"
    assert error.message == (
        'Traceback (most recent call last):\n  File "<code>", line 2, in main\n'
        "    raise ValueError('negative')\nValueError: negative\nerror: exit status 1\n"
    )
    assert error.partial.inputs == {"n": -1}


def test_time_limit_is_named(runner):
    error = failure(code("def main():\n    while True: pass"), runner)

    assert error.error_type == "CodeExecutionError"
    assert "limit of 1 seconds" in error.message


def test_what_is_no_dict_is_refused(runner):
    error = failure(code("def main():\n    return [1, 2]", r="string"), runner)

    assert error.message == "Result must be a dict, got list"


def test_result_is_checked_against_the_declared_outputs_and_the_limits(runner):
    node = code("def main():\n    return {'r': 'xxx'}", r="string")

    assert run(node, runner).outputs == {"r": "xxx"}
    assert failure(node, runner, limits=Limits(code_max_string_length=2)).error_type == "OutputValidationError"


def test_nested_schemas_are_read(runner):
    outputs = {"o": {"type": "object", "children": {"items": {"type": "array[object]", "children": {"n": {"type": "number"}}}}}}
    source = "def main(n):\n    return {'o': {'items': [{'n': n}]}}"
    node = CodeNode(spec("code", code_language="python3", code=source, variables=variables("n"), outputs=outputs))

    assert run(node, runner, {"n": 1}).outputs == {"o": {"items": [{"n": 1}]}}
    assert failure(node, runner, {"n": "1"}).message == "Output .o.items[0].n is not a number, got <class 'str'> instead."


def test_everything_that_is_wrong_is_found_at_once():
    with pytest.raises(GraphError) as caught:
        CodeNode(
            spec("code", code_language="perl", code=["x"], variables=[{"value_selector": "a"}], outputs={"r": {"type": "text"}, "s": 1})
        )

    assert [finding.path for finding in caught.value.findings] == [
        "workflow.graph.nodes[1].data.code_language",
        "workflow.graph.nodes[1].data.code",
        "workflow.graph.nodes[1].data.variables[0].variable",
        "workflow.graph.nodes[1].data.variables[0].value_selector",
        "workflow.graph.nodes[1].data.outputs.r.type",
        "workflow.graph.nodes[1].data.outputs.s",
        "workflow.graph.nodes[1].data.outputs.s.type",
    ]


def javascript(source: str, *inputs: dict[str, Any], **outputs: str) -> CodeNode:
    declared = {name: {"type": kind, "children": None} for name, kind in outputs.items()}
    return CodeNode(spec("code", code_language="javascript", code=source, variables=list(inputs), outputs=declared))


def test_javascript_gets_one_object_and_its_result_becomes_the_outputs(runner):
    node = javascript('function main({a}) {\n  return { r: a + "!" , n: [1,2].length }\n}', *variables("a"), n="number", r="string")

    result = run(node, runner, {"a": "js"})

    assert result.inputs == {"a": "js"}
    assert list(result.outputs.items()) == [("n", 2), ("r", "js!")]
    assert isinstance(result.outputs["n"], int)


def test_error_of_javascript_is_its_exception_and_keeps_the_inputs(runner):
    error = failure(javascript("function main({n}) { throw new RangeError('negative') }", *variables("n")), runner, {"n": -1})

    assert error.error_type == "CodeExecutionError"
    assert error.message.endswith("\nRangeError: negative\nerror: exit status 1\n")
    assert error.partial.inputs == {"n": -1}


@pytest.mark.parametrize(
    ("result", "kind"), [("[1]", "list"), ("undefined", "NoneType"), ("NaN", "NoneType"), ("'x'", "str"), ("1.5", "float")]
)
def test_what_is_no_object_is_refused_in_javascript_too(runner, result, kind):
    error = failure(javascript(f"const main = () => {result}", r="string"), runner)

    assert error.message == f"Result must be a dict, got {kind}"
