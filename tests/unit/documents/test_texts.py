"""The kinds that are text already: nodes.md section 6.17."""

import pytest

from worker.documents import captions, delimited, json_file, plain, properties_file, yaml_file
from worker.documents.reading import DocumentRefused


def test_plain_text_stays_as_it_is():
    assert plain.text(b"<h1>A &amp; B</h1>\r\n\n last \n") == "<h1>A &amp; B</h1>\r\n\n last \n"


def test_json_is_indented_and_keeps_its_characters():
    assert json_file.text('{"k": [1, 2.0, {"z": "é"}], "a": null}'.encode()) == (
        '{\n  "k": [\n    1,\n    2.0,\n    {\n      "z": "é"\n    }\n  ],\n  "a": null\n}'
    )


def test_yaml_is_written_anew_with_its_order_and_all_its_documents():
    assert (
        yaml_file.text("b: 1\na: {x: [é, '1']}\n---\n- 2024-01-05\n- ~\n".encode())
        == "b: 1\na:\n  x:\n  - é\n  - '1'\n---\n- 2024-01-05\n- null\n"
    )


def test_yaml_does_not_repeat_what_aliases_stand_for():
    assert yaml_file.text(b"a: &x [1]\nb: *x\n") == "a: &id001\n- 1\nb: *id001\n"


def test_csv_is_a_table():
    assert delimited.comma_text(b'name,qty\n"a, b",1\n\xc3\xa7,2\n') == "| name | qty |\n| ---- | --- |\n| a, b | 1 |\n| ç | 2 |\n"


def test_csv_cells_are_on_one_line_but_the_rule_counts_all_of_the_header():
    assert delimited.comma_text(b'"a\r\nb",c\r\n"x\ny",\r\n') == "| a b | c |\n| ---- | - |\n| x y |  |\n"


def test_tsv_is_a_table():
    assert delimited.tab_text(b"a\tb, c\n1\t\n") == "| a | b, c |\n| - | ---- |\n| 1 |  |\n"


def test_csv_without_rows_is_empty_and_long_cells_are_fine():
    assert delimited.comma_text(b"") == ""
    assert len(delimited.comma_text(b"x" * 200_000)) > 400_000


def test_properties_are_lines_of_key_and_value():
    source = b"# a comment\n! another\n\n  key = value=1 \nother: text\nalone\nurl=http://x\n"

    assert properties_file.text(source) == "# a comment\n! another\n\nkey: value=1\nother: text\nalone: \nurl: http://x"


CAPTIONS = """\ufeffWEBVTT - a title

NOTE this is not said

1
00:00.000 --> 00:01.000 align:start
<v Ann>Hello <b>there</b>

00:01.000 --> 00:02.000
<v.loud Ann>again</v>

00:02.000 --> 00:03.000
<v Bob>Two
lines

00:03.000 --> 00:04.000
no voice

00:04.000 --> 00:05.000
nor here
"""


def test_captions_of_one_speaker_are_one_line():
    assert captions.text(CAPTIONS.encode()) == 'Ann "Hello there again"\nBob "Two\nlines"\n "no voice"\n "nor here"'


@pytest.mark.parametrize("source", [b"", b"00:00.000 --> 00:01.000\nx", b"WEBVTTX"])
def test_other_text_is_no_captions(source):
    with pytest.raises(DocumentRefused):
        captions.text(source)
