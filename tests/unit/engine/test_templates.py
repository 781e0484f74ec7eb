import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.engine.templates import Template
from worker.engine.variables import VariablePool, log_of, markdown_of


@pytest.fixture
def pool():
    pool = VariablePool()
    pool.add_outputs("code", {"text": "x", "null": None, "object": {"deep": {"er": 1}}, "list": ["a", "b"], "template": "{{#code.text#}}"})
    return pool


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("", ""),
        ("plain", "plain"),
        ("{{#code.text#}}", "x"),
        ("a {{#code.text#}} b {{#code.text#}}", "a x b x"),
        ("{{#code.text#}}{{#code.object.deep.er#}}", "x1"),
        ("[{{#code.null#}}]", "[]"),
        ("{{#code.ghost#}}", "code.ghost"),
        ("{{#ghost.x.y#}}!", "ghost.x.y!"),
        ("{{#code.list#}}", '["a", "b"]'),
        # A value is not a template.
        ("{{#code.template#}}", "{{#code.text#}}"),
        # What the grammar does not know stays as it is.
        ("{{# code.text #}}", "{{# code.text #}}"),
        ("{{#code#}}", "{{#code#}}"),
        ("{{#context#}}", "{{#context#}}"),
        ("{{#co-de.text#}}", "{{#co-de.text#}}"),
        ("{{#code.0#}}", "{{#code.0#}}"),
        ("{{code.text}}", "{{code.text}}"),
        ("{{#code.text#}", "{{#code.text#}"),
        ("{{#" + "n" * 51 + ".x#}}", "{{#" + "n" * 51 + ".x#}}"),
        ("{{#n." + "x" * 31 + "#}}", "{{#n." + "x" * 31 + "#}}"),
        ("{{#n" + ".x" * 11 + "#}}", "{{#n" + ".x" * 11 + "#}}"),
        # The longest that it knows.
        ("{{#" + "n" * 50 + ".x" * 9 + "." + "x" * 30 + "#}}", "n" * 50 + ".x" * 9 + "." + "x" * 30),
    ],
)
def test_placeholders_are_replaced_by_values(pool, text, rendered):
    assert Template.parse(text).render(pool) == rendered


def test_the_rendering_is_the_callers(pool):
    template = Template.parse("{{#code.list#}}")
    assert template.render(pool, markdown_of) == "- a\n- b"
    assert template.render(pool, log_of) == "['a', 'b']"


def test_parts_and_selectors_are_in_order():
    template = Template.parse("a{{#n.x#}}{{#n.y.z#}}b{{#n.x#}}")
    assert template.parts == ("a", ("n", "x"), ("n", "y", "z"), "b", ("n", "x"))
    assert template.selectors == (("n", "x"), ("n", "y", "z"), ("n", "x"))


@given(st.text())
def test_any_text_without_placeholders_renders_as_itself(text):
    template = Template.parse(text)
    if not template.selectors:
        assert template.render(VariablePool()) == text
