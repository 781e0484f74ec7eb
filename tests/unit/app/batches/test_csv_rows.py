import codecs
import contextlib
import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import APIError
from tests.services import documents
from tests.unit.app.batches.reading import LIMIT, form, form_of, inputs, rows, table
from worker.engine.values import File

Q = form_of(q="text-input")
TWO = form_of(q="paragraph", n="number")


def refusal(content, of=TWO, **options):
    with pytest.raises(APIError) as refused:
        rows(content, of, **options)
    assert (refused.value.code, refused.value.params) == ("invalid_param", "file")
    return refused.value.message


def test_columns_are_variables():
    found = rows("custom_id,q,n\na,hello,1\nb,bye,2\n", TWO)

    assert [(row.line, row.custom_id) for row in found] == [(2, "a"), (3, "b")]
    assert inputs(found) == [{"q": "hello", "n": "1"}, {"q": "bye", "n": "2"}]


def test_columns_come_in_any_order_and_not_all_have_to():
    assert inputs(rows("n\n1\n", TWO)) == [{"n": "1"}]
    assert inputs(rows("n, q \n1,x\n", TWO)) == [{"q": "x", "n": "1"}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_found_by_the_columns(delimiter: str):
    text = delimiter.join(("q", "n")) + "\n" + delimiter.join(('"a,b;c\td"', "1")) + "\n"

    assert inputs(rows(text, TWO)) == [{"q": "a,b;c\td", "n": "1"}]


def test_a_cell_in_quotation_marks_may_have_line_breaks_and_the_lines_count():
    found = rows('q,n\r\n"one\r\ntwo ""quoted""\n",1\r\nx,2\r\n', TWO)

    assert inputs(found) == [{"q": 'one\r\ntwo "quoted"\n', "n": "1"}, {"q": "x", "n": "2"}]
    assert [row.line for row in found] == [2, 5]


def test_an_empty_cell_is_not_given_and_an_empty_row_is_none():
    found = rows("q,n\n,\n\n,2\nx,\n", TWO)

    assert inputs(found) == [{"q": None, "n": "2"}, {"q": "x", "n": None}]
    assert [row.line for row in found] == [4, 5]


def test_columns_without_a_name_at_the_end_are_none():
    assert inputs(rows("q,n,,\nx,1,,\n", TWO)) == [{"q": "x", "n": "1"}]


def test_cells_become_what_their_variable_wants():
    of = form_of(o="json_object", c="checkbox", s="select")

    assert inputs(rows('o,c,s\n"{""a"": [1, 2]}",yes,x\n', of)) == [{"o": {"a": [1, 2]}, "c": "yes", "s": "x"}]


def test_a_cell_that_is_no_json_is_an_error_of_its_row():
    bad, good = rows('o\n{a}\n"{""a"": 1}"\n', form_of(o="json_object"))

    assert bad.error is not None
    assert bad.error.startswith("o in input form is not JSON: ")
    assert good.error is None


def test_files_are_named_by_address_or_by_the_id_of_an_upload():
    upload = "6f0c6c1e-8a43-4d0c-9a51-0c5f7d9a2b11"
    asked = []

    def resolve(mapping):
        asked.append(mapping)
        return File("image", mapping["transfer_method"], "a.png", ".png", "image/png", 1)

    text = f'one,many\n{upload},"{upload} https://x.example/a.png"\n"{{""transfer_method"": ""remote_url""}}",[]\nnothing,\n'
    first, second, third = rows(text, form_of(one="file", many="file-list"), resolve=resolve)

    local = {"transfer_method": "local_file", "upload_file_id": upload, "type": "image"}
    assert first.inputs == {
        "one": local,
        "many": [local, {"transfer_method": "remote_url", "url": "https://x.example/a.png", "type": "image"}],
    }
    assert second.inputs == {"one": {"transfer_method": "remote_url"}, "many": []}
    assert third.error == "one in input form must be the address of a file, or the id of an upload"
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "The file has no header: its first row must name the columns. A table can have the columns custom_id, q, n."),
        ("\n\n", "The file has no header: its first row must name the columns. A table can have the columns custom_id, q, n."),
        ("q,m\n1,2", "The header names 'm', which the start form does not have. A table can have the columns custom_id, q, n."),
        ("hello,1\n", "The header names 'hello', '1', which the start form does not have. A table can have the columns custom_id, q, n."),
        ("q,,n\n", "The header names '', which the start form does not have. A table can have the columns custom_id, q, n."),
        ("q,q,n\n", "The header names 'q' more than once."),
        (
            '"q,n\n1,2\n',
            "The row that begins in line 1 has a quotation mark that is not closed: everything after it would be part of that row.",
        ),
        ("q" * (LIMIT + 1), f"The header cannot be read: The row is longer than {LIMIT} bytes."),
        (b"q,\xff\n", "The header cannot be read: save the file as UTF-8, or name its encoding with encoding."),
    ],
)
def test_a_wrong_header_refuses_the_file(content, message: str):
    assert refusal(content) == message


def test_a_required_variable_needs_a_column():
    of = form(documents.variable("q", required=True), documents.variable("n", "number"))

    assert refusal("n\n1\n", of) == "The header lacks 'q', which the start form requires. A table can have the columns custom_id, q, n."


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ("a,1,2", "The row has 3 cells, but the header has 2 columns."),
        ("a", "The row has 1 cells, but the header has 2 columns."),
        ('"a"b,1', "The row, line 3, is not CSV: ',' expected after '\"'."),
        ('"a\n\n"b,1', "The row, lines 3 to 5, is not CSV: ',' expected after '\"'."),
        ("x" * (LIMIT + 1) + ",1", f"The row is longer than {LIMIT} bytes."),
        ('"' + "x\n" * LIMIT + '",1', f"The row is longer than {LIMIT} bytes."),
        ('"' + 'x ""y"",\n' * LIMIT + '",1', f"The row is longer than {LIMIT} bytes."),
    ],
)
def test_a_bad_row_is_an_error_of_its_own(row: str, error: str):
    before, bad, after = rows(f"q,n\nx,1\n{row}\ny,2\n", TWO)

    assert (before.error, bad.error, after.error) == (None, error, None)
    assert (bad.line, after.line) == (3, 4 + row.count("\n"))
    assert after.inputs == {"q": "y", "n": "2"}


@pytest.mark.parametrize("length", [5, LIMIT * 3])
def test_a_quotation_mark_that_is_never_closed_refuses_the_file(length: int):
    """Nobody can tell whether what follows are rows: to run some and drop others would be a guess."""
    text = 'q,n\nx,1\n"y,2\n' + "z,3\n" * length

    assert refusal(text).startswith("The row that begins in line 3 has a quotation mark that is not closed")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk"])
def test_tables_come_in_any_encoding(encoding: str):
    text = "custom_id,q,n\n" + "".join(f'第{n}行,"你好\n世界",{n}\n' for n in range(5))
    found = rows(text.encode(encoding), TWO)

    assert inputs(found) == [{"q": "你好\n世界", "n": str(n)} for n in range(5)]
    assert [row.custom_id for row in found] == [f"第{n}行" for n in range(5)]


def test_names_of_columns_may_be_chinese():
    of = form_of(问题="paragraph")

    assert inputs(rows("问题\n你好世界\n".encode("gb18030"), of)) == [{"问题": "你好世界"}]


def test_a_row_in_another_encoding_is_an_error_of_its_own():
    content = codecs.BOM_UTF8 + "q,n\n好,1\n".encode() + "好,2\n".encode("gbk") + "好,3\n".encode()

    found = rows(content, TWO)

    assert [row.inputs.get("n") for row in found] == ["1", None, "3"]
    assert found[1].error == "It is no utf-8 text: save the file as UTF-8, or name its encoding with encoding."


def test_the_delimiter_and_the_encoding_are_known_afterwards():
    found = table(codecs.BOM_UTF16_LE + "q;n\n".encode("utf-16-le"), TWO)

    assert (found.delimiter, found.file.encoding.name) == (";", "utf-16-le")


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=12)


@given(st.lists(st.tuples(CELLS, CELLS).filter(any), max_size=8), st.sampled_from([",", ";", "\t"]), st.sampled_from(["utf-8", "utf-16"]))
def test_what_a_csv_writer_writes_arrives(pairs, delimiter, encoding):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("q", "n"), *pairs])

    found = rows(text.getvalue().encode(encoding), TWO, limit=100_000)

    assert inputs(found) == [{"q": q or None, "n": n or None} for q, n in pairs]


@given(st.binary(max_size=300))
def test_whatever_is_sent_is_a_row_an_error_or_a_refusal(content):
    with contextlib.suppress(APIError):
        assert all(row.error is None or row.error.endswith(".") for row in rows(b"q\n" + content, Q, limit=40))
