import pytest
from markupsafe import Markup

from app.form_content import content_html

A, B = Markup("<input name=a>"), Markup("<input name=b>")


def html(content: str, **controls: Markup) -> str:
    return content_html(content, controls).replace("\n", "")


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("Say {{#$output.a#}} now", f"<p>Say {A} now</p>"),
        ("{{#$output.a#}}", f"<p>{A}</p>"),
        ("# Why?\n{{#$output.a#}}", f"<h1>Why?</h1><p>{A}</p>"),
        ("- **{{#$output.a#}}**", f"<ul><li><strong>{A}</strong></li></ul>"),
        ("|x|\n|-|\n|{{#$output.a#}}|", f"<table><thead><tr><th>x</th></tr></thead><tbody><tr><td>{A}</td></tr></tbody></table>"),
    ],
)
def test_a_control_stands_where_the_content_names_it(content: str, wanted: str):
    assert html(content, a=A) == wanted


def test_controls_that_nothing_names_follow_the_content():
    assert html("First {{#$output.b#}}", a=A, b=B) == f"<p>First {B}</p><p>{A}</p>"


def test_a_control_is_there_once_and_an_unknown_name_is_nothing():
    assert html("{{#$output.a#}}, {{#$output.a#}}{{#$output.z#}}.", a=A) == f"<p>{A}, .</p>"


@pytest.mark.parametrize("content", ["`{{#$output.a#}}`", "[x]({{#$output.a#}})", "    {{#$output.a#}}", '[x](http://h "{{#$output.a#}}")'])
def test_what_is_code_or_part_of_a_link_is_no_place(content: str):
    shown = html(content, a=A)

    assert shown.endswith(f"<p>{A}</p>")
    assert shown.count(A) == 1


@pytest.mark.parametrize(
    "content",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "<javascript:alert(1)>",
        "[x](JaVaScRiPt:alert(1))",
        "[x](vbscript:x)",
        "[x](data:text/html,<script>alert(1)</script>)",
        "![x](https://elsewhere.example/pixel.png)",
        '[x](https://h "\\" onmouseover=alert(1) x=\\"")',
        "&lt;script&gt;",
    ],
)
def test_content_makes_no_markup_of_its_own(content: str):
    shown = html(content)

    for forbidden in ("<script", "<img", 'href="javascript', 'href="JaVa', 'href="vbscript', 'href="data', '" onmouseover'):
        assert forbidden not in shown
