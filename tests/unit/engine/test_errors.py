import pytest

from worker.engine.errors import Finding, one_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("two  blanks stay", "two  blanks stay"),
        ("a\nb\r\n\tc\u2028d", "a b c d"),
        ("\x1b[31mred\x1b[0m\0", "[31mred [0m"),
        ("é 多 🎉", "é 多 🎉"),
        ("x" * 500, "x" * 500),
        ("x" * 501, "x" * 497 + "..."),
    ],
)
def test_a_text_becomes_one_line(text, line):
    assert one_line(text) == line


def test_a_finding_is_one_line_whatever_the_document_says():
    finding = Finding("unsupported_node_type", "node type 'a\nb' is not supported", node_id="n\n1", node_title="A\x1b[2J", path="x\n.y")

    assert str(finding) == "node type 'a b' is not supported (node 'A [2J' at x .y)"
    # Ids stay what they are: they are compared.
    assert finding.node_id == "n\n1"
