"""nodes.md section 6.6."""

from collections.abc import Iterator

import pytest

from tests.unit.nodes.sandboxed import failure, file, run, spec, variables
from worker.engine.limits import Limits
from worker.engine.variables import Secret
from worker.nodes.registry import Registry
from worker.nodes.template_transform import TemplateTransformNode
from worker.sandbox.runner import SandboxRunner


@pytest.fixture(scope="module")
def runner() -> Iterator[SandboxRunner]:
    runner = SandboxRunner()
    yield runner
    runner.close()


def template(text: str, *names: str) -> TemplateTransformNode:
    return TemplateTransformNode(spec("template-transform", template=text, variables=variables(*names)))


def test_node_type_is_found():
    assert isinstance(Registry().create(spec("template-transform", template="", variables=[])), TemplateTransformNode)


def test_bounded_template_is_pure_and_needs_no_sandbox():
    node = template("Hi {{ name|upper }}, {{ o.a.b }}, {{ missing }}\n", "name", "o", "missing")

    result = run(node, None, {"name": "Ada", "o": {"a": {"b": [1, True, None]}}})

    assert node.is_pure
    assert result.outputs == {"output": "Hi ADA, [1, True, None], None"}
    assert result.inputs == {"name": "Ada", "o": {"a": {"b": [1, True, None]}}, "missing": None}


def test_other_templates_are_rendered_in_the_sandbox(runner):
    node = template("{% for i in items %}- {{ i }}\n{% endfor %}", "items")

    assert not node.is_pure
    assert run(node, runner, {"items": [1, 2]}).outputs == {"output": "- 1\n- 2\n"}


@pytest.mark.parametrize("text", ["{{ f.filename }} {{ fs[0].url }}", "{% for x in fs %}{{ f.filename }} {{ x.url }}{% endfor %}"])
def test_files_are_mappings(runner, text):
    node = template(text, "f", "fs")

    result = run(node, runner, {"f": file("a.txt"), "fs": [file()]})

    assert result.outputs == {"output": "a.txt https://files.example/file-1"}
    assert result.inputs == {"f": file("a.txt"), "fs": [file()]}


def test_secrets_are_rendered_plainly():
    result = run(template("{{ key }}", "key"), None, {"key": Secret("abc")})

    assert result.outputs == {"output": "abc"}
    assert isinstance(result.inputs["key"], Secret)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{{ q }}{% for x in %}", "jinja2.exceptions.TemplateSyntaxError: Expected an expression, got 'end of statement block'"),
        ("{{#start.q#}}", "jinja2.exceptions.TemplateSyntaxError: unexpected char '#' at 2"),
        ("{{ 1 / 0 }}", "ZeroDivisionError: division by zero"),
        ("{{ a.b.c }}", "jinja2.exceptions.UndefinedError: 'a' is undefined"),
        ("{{ q|round }}", "TypeError: type str doesn't define __round__ method"),
    ],
)
def test_error_text_ends_as_pythons_does_wherever_it_is_rendered(runner, text, line):
    error = failure(template(text, "q"), runner, {"q": "x"})

    assert error.error_type == "CodeExecutionError"
    assert error.message.endswith(f"{line}\nerror: exit status 1\n")
    assert error.partial.inputs == {"q": "x"}


@pytest.mark.parametrize("text", ["{{ q }}{{ q }}", "{% for x in 'ab' %}{{ q }}{% endfor %}"])
def test_output_is_limited(text):
    limits = Limits(template_transform_max_length=10)
    runner = SandboxRunner(limits)
    try:
        assert run(template(text, "q"), runner, {"q": "x" * 5}, limits).outputs == {"output": "x" * 10}
        assert failure(template(text, "q"), runner, {"q": "x" * 6}, limits).message == "Output length exceeds 10 characters"
    finally:
        runner.close()


def test_empty_template_gives_an_empty_text():
    assert run(template(""), None).outputs == {"output": ""}
