"""Which templates the worker renders itself."""

import time

import pytest

from worker.nodes.bounded_template import BoundedTemplate


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain text\r\nof {any} 100%",
        "{{ arg1 }}",
        "{# remark #}{{ a }} {{ a.b['c'][0].d }} {{ 'text' }} {{ 3 }}",
        "{{ a|upper|trim }} {{ a|default('x') }} {{ items|join(', ') }} {{ items|tojson }} {{ items|length }}",
        "{% if a and not b == 3 or c in d %}x{% elif e is defined %}{{ e }}{% else %}y{% endif %}",
        "{{ 'yes' if a else 'no' }}{{ a is none }}",
        "{% raw %}{{ not a placeholder }}{% endraw %}",
        "{{ mapping._id }}",
    ],
)
def test_templates_without_loops_and_calls_are_bounded(text):
    assert BoundedTemplate.of(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "{% for x in items %}{% endfor %}",
        "{% set a = 1 %}",
        "{% macro m() %}{% endmacro %}",
        "{% call m() %}{% endcall %}",
        "{% filter upper %}x{% endfilter %}",
        "{% with a = 1 %}{% endwith %}",
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{% block b %}{% endblock %}",
        "{% autoescape true %}{% endautoescape %}",
        "{{ a() }}",
        "{{ a.upper() }}",
        "{{ a * 9 }}",
        "{{ a ** 9 }}",
        "{{ a + a }}",
        "{{ a ~ a }}",
        "{{ a % 2 }}",
        "{{ -a }}",
        "{{ a[0:3] }}",
        "{{ a[b] }}",
        "{{ [a, a] }}",
        "{{ a|format(1) }}",
        "{{ a|replace('a', 'aaaa') }}",
        "{{ a|center(1000000) }}",
        "{{ a|join(b) }}",
        "{{ a|join('a long text between items') }}",
        "{{ a|join('x')|join('x') }}",
        "{{ a|tojson|tojson }}",
        "{{ a|join(d='x') }}",
        "{{ a|default(*b) }}",
        "{{ a|map('upper') }}",
        "{{ a|attr('b') }}",
        "{{ a is divisibleby 3 }}",
        "{{ a is odd }}",
        "{{ range }}",
        "{{ self }}",
        "{{ loop }}",
        "{{ a.__class__ }}",
        "{{ a['__class__'] }}",
        "{{ a" + "|upper" * 20 + " }}",
        "{% if " + " or ".join(["a"] * 20) + " %}{% endif %}",
        "{{ a }}" * 201,
        "x" * 100_001,
        "{{ a",
        "{{ a|nosuchfilter }}",
        "{% unknown %}",
        "{{ " + "(" * 5000 + "a" + ")" * 5000 + " }}",
        "{% if a %}" * 3000 + "{% endif %}" * 3000,
    ],
)
def test_everything_else_is_not(text):
    assert BoundedTemplate.of(text) is None


def test_bounded_templates_are_quick_on_large_values():
    template = BoundedTemplate.of("{{ a|join('................')|upper }}" * 50 + "{{ a|tojson|length }}" * 50)
    assert template is not None
    started = time.monotonic()

    text = template.render({"a": ["<" * 100] * 1000}, 10**9)

    assert len(text) > 5_000_000
    assert time.monotonic() - started < 2


def test_render_leaves_its_inputs_alone_and_can_be_repeated():
    template = BoundedTemplate.of("{{ a.b }}{% if a.c %}{{ a.c[0] }}{% endif %}")
    assert template is not None
    inputs = {"a": {"b": 1, "c": [2]}}

    assert [template.render(inputs, 10) for _ in range(2)] == ["12", "12"]
    assert inputs == {"a": {"b": 1, "c": [2]}}
