import json

import pytest

from worker.documents.web_page import text


def markdown(body, head=""):
    return json.loads(text(f"<html><head>{head}</head><body>{body}</body></html>".encode()))["text"]


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<h2>Two</h2><p>a<br>b</p>", "## Two\n\na\nb"),
        ("<p>a  \n b</p>", "a b"),
        ("<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>", "- a\n\n  - b\n\n- c"),
        ("<ol><li>a</li><li>b</li></ol>", "1. a\n\n2. b"),
        ("<pre>x\n  y</pre>", "```\nx\n  y\n```"),
        ("<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></table>", "A | B\n\n1 | 2"),
        ("<blockquote>said</blockquote>", "> said"),
        ('<p><a href="https://x.example/a">link</a></p>', "[link](https://x.example/a)"),
        ('<p><a href="javascript:alert(1)">link</a></p>', "link"),
        ('<p><a href="#top"></a><img src="https://x.example/i.png" alt="pic"></p>', "![pic](https://x.example/i.png)"),
        ("<script>x</script><style>y</style><nav>menu</nav><form>z</form><p>kept</p>", "kept"),
        ("<p><strong></strong></p>", ""),
    ],
)
def test_pages_become_markdown(page, expected):
    assert markdown(page) == expected


def test_addresses_are_resolved():
    assert markdown('<p><a href="../b">x</a></p>', head='<base href="https://x.example/a/c">') == "[x](https://x.example/b)"


def test_the_title_is_told_apart():
    assert json.loads(text(b"<title> A\n B </title><p>x</p>")) == {"title": "A B", "text": "x"}


@pytest.mark.parametrize("content", [b"", b"   ", b"<", b"\x00\xff", b"</p></ul></a></pre>", b"<p>" * 50_000, b"<ul><li>" * 50_000])
def test_hostile_pages_are_survived(content):
    assert isinstance(json.loads(text(content))["text"], str)
