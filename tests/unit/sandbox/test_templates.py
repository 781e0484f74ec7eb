"""Templates as they are rendered in a process of their own: nodes.md section 6.6, reliability.md section 3.2."""

import time
from collections.abc import Iterator

import pytest

from tests.unit.sandbox.observing import executions, run, template_error_of
from worker.engine.inbox import Inbox
from worker.engine.limits import Limits
from worker.sandbox.runner import SandboxRunner

EXIT = "error: exit status 1\n"


@pytest.fixture(scope="module")
def brisk_runner() -> Iterator[SandboxRunner]:
    """Gives templates one second of processor time, so that those which use it up end sooner."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.sandbox.runner.TEMPLATE_CPU_S", 1)
        runner = SandboxRunner()
    yield runner
    runner.close()


def rendered(runner: SandboxRunner, template: str, **inputs: object) -> str:
    return runner.render(template, inputs, Inbox())


@pytest.mark.parametrize(
    ("template", "inputs", "text"),
    [
        ("", {}, ""),
        ("plain\n", {}, "plain"),
        ("plain\n\n", {}, "plain\n"),
        ("a\r\nb", {}, "a\nb"),
        ("{% for i in items %}{{ loop.index }}:{{ i.id }} {% else %}none{% endfor %}", {"items": [{"id": 7}, {"id": 8}]}, "1:7 2:8 "),
        ("{% for i in items %}x{% else %}none{% endfor %}", {"items": []}, "none"),
        ("{{ undeclared }}|{{ undeclared|default('d') }}", {}, "|d"),
        ("{{ given }}|{{ given|default('d') }}|{{ given.deeper }}", {"given": None}, "None|None|"),
        (
            "{{ yes }} {{ some }} {{ mapping }}",
            {"yes": True, "some": [1, "a", None], "mapping": {"a": 1.0}},
            "True [1, 'a', None] {'a': 1.0}",
        ),
        ("{{ some|tojson }}", {"some": [{"id": 0, "tag": "é"}]}, '[{"id": 0, "tag": "\\u00e9"}]'),
        ("{{ '%.2f'|format(3.14159) }} {{ 7 // 2 }} {{ 2 ** 10 }} {{ 'ab' * 3 }}", {}, "3.14 3 1024 ababab"),
        ("{{ html }}", {"html": "<b>&\"'"}, "<b>&\"'"),
        ("{% set ns = namespace(n=0) %}{% for i in range(4) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}", {}, "6"),
        ("{% macro m(x) %}[{{ x }}]{% endmacro %}{{ m(1) }}{{ m(2) }}", {}, "[1][2]"),
        ("{% set _ = items.append(3) %}{{ items }}", {"items": [1, 2]}, "[1, 2, 3]"),
        ("{{ self_ }}{{ items }}", {"self_": 1, "items": "an input may have any name"}, "1an input may have any name"),
        ("{{ lipsum(n=1)|length > 10 }}", {}, "True"),
    ],
)
def test_template_renders_as_jinja_does(runner, template, inputs, text):
    assert rendered(runner, template, **inputs) == text


@pytest.mark.parametrize(
    ("template", "line"),
    [
        ("{% for x in %}", "jinja2.exceptions.TemplateSyntaxError: Expected an expression, got 'end of statement block'"),
        ("{{#node.text#}}", "jinja2.exceptions.TemplateSyntaxError: unexpected char '#' at 2"),
        ("{{ 1 / 0 }}", "ZeroDivisionError: division by zero"),
        ("{{ a.b.c }}", "jinja2.exceptions.UndefinedError: 'a' is undefined"),
        ("{{ x|nosuch }}", "jinja2.exceptions.TemplateAssertionError: No filter named 'nosuch'."),
        ("{% include 'x' %}", "TypeError: no loader for this environment specified"),
        ("{% set x = 'a' + 1 %}", 'TypeError: can only concatenate str (not "int") to str'),
    ],
)
def test_error_text_is_a_traceback_of_the_template(runner, template, line):
    text = template_error_of(runner, template)

    assert text.endswith(f"\n{line}\n{EXIT}")
    assert text.startswith("Traceback (most recent call last):\n  File ")
    assert "site-packages" not in text


def test_output_is_limited_while_it_is_written():
    runner = SandboxRunner(Limits(template_transform_max_length=10))
    try:
        assert rendered(runner, "{{ 'x' * 10 }}{% if 1 %}{% endif %}") == "x" * 10
        for template in ("{{ 'x' * 11 }}", "{% for i in range(100000) %}{{ 'x' * 1000 }}{% endfor %}"):
            assert template_error_of(runner, template) == "Output length exceeds 10 characters"
    finally:
        runner.close()


#: Public payloads of Jinja2's sandbox escapes, and of template injection in general.
ESCAPES = [
    # CVE-2016-10745 and CVE-2019-10906: str.format and str.format_map reach attributes.
    "{{ '{0.__class__.__init__.__globals__}'.format(x) }}",
    "{{ '{a.__class__.__mro__}'.format_map({'a': x}) }}",
    "{{ ('{0.__class__}'|string).format(x) }}",
    # CVE-2024-56326: an indirect reference to str.format.
    "{% set f = '{0.__class__.__base__.__subclasses__}'.format %}{{ f(x) }}",
    "{% set f = {'f': '{0.__class__}'.format} %}{{ f.f(x) }}",
    # CVE-2025-27516: the attr filter.
    "{{ ('{0.__class__}'|attr('format'))(x) }}",
    "{{ x|attr('__class__') }}",
    "{{ x|attr('__cl' ~ 'ass__')|attr('__mro__') }}",
    "{{ [x]|map('attr', '__class__')|list }}",
    "{{ [x]|map(attribute='__class__')|list }}",
    "{{ [x]|selectattr('__class__')|list }}",
    "{{ [x]|groupby('__class__')|list }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ lipsum.__globals__['os'].environ }}",
    "{{ self.__init__.__globals__.__builtins__ }}",
    "{{ range.__class__ }}",
    "{{ x.__class__.__mro__[1].__subclasses__() }}",
    "{{ x['__class__'] }}",
    "{{ (x.__class__,)|first }}",
    "{% for c in ().__class__.__base__.__subclasses__() %}{{ c }}{% endfor %}",
    "{% macro m() %}{{ caller.__call__.__globals__ }}{% endmacro %}{% call m() %}{% endcall %}",
    "{% macro m() %}{% endmacro %}{{ m._func.__globals__ }}",
    "{% for i in [1] %}{{ loop._iterable.__class__ }}{% endfor %}",
]


@pytest.mark.parametrize("template", ESCAPES)
def test_known_escapes_are_refused(runner, template):
    assert "\njinja2.exceptions.SecurityError: " in template_error_of(runner, template, {"x": "value"})


NESTED_LOOPS = "{% for a in r %}" * 9 + "{% endfor %}" * 9

#: Each would take hours or gigabytes.
EXHAUSTING = [
    "{{ 'a' * 10**9 }}",
    "{{ 2 ** (10 ** 10) }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '{:1000000000}'.format(1) }}",
    "{{ 'a'.center(10**9) }}",
    "{{ 'a'.ljust(10**9)|length }}",
    "{{ ('a' * 10**8)|list|length }}",
    "{{ range(10**9)|list }}",
    "{% set ns = namespace(t='aaaaaaaaaa') %}{% for i in range(100) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{{ r|join('a' * 10**7) }}",
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "{{ 1 }}" * 700_000,
]


@pytest.mark.parametrize("template", EXHAUSTING, ids=[template[:30] for template in EXHAUSTING])
def test_exhausting_templates_end_soon(brisk_runner, template):
    before = time.monotonic()

    assert template_error_of(brisk_runner, template, {"r": list(range(1000))})

    assert time.monotonic() - before < 3
    assert executions(brisk_runner) == []
    assert run(brisk_runner, "def main():\n    return 1") == 1


def test_processor_time_of_a_template_is_limited(runner):
    text = template_error_of(runner, NESTED_LOOPS, {"r": list(range(1000))})

    assert text == "The template used more than the limit of 2 seconds of processor time and was ended."
