import codecs
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.batches.encodings import TextFile
from tests.unit.app.batches.reading import LIMIT, inputs, lines

PLAIN = b'{"custom_id": "a", "inputs": {"q": "hello"}}\n{"custom_id": "b", "inputs": {"q": "bye"}}\n'

CHINESE = "".join(json.dumps({"custom_id": f"第{n}行", "inputs": {"q": "你好世界"}}, ensure_ascii=False) + "\n" for n in range(30))

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


def test_each_line_is_an_item():
    found = lines(PLAIN)

    assert [(row.line, row.custom_id, row.inputs) for row in found] == [(1, "a", {"q": "hello"}), (2, "b", {"q": "bye"})]


def test_lines_in_the_form_of_openai_carry_their_inputs_in_the_body():
    line = b'{"custom_id": "a", "method": "POST", "url": "/v1/workflows/run", "body": {"inputs": {"q": "x"}, "files": [{}], "user": "u"}}'

    (row,) = lines(line)

    assert (row.custom_id, row.inputs, row.files, row.error) == ("a", {"q": "x"}, [{}], None)


def test_empty_lines_are_no_items_but_count():
    assert [row.line for row in lines(b"\n  \r\n" + PLAIN + b"\n\n")] == [3, 4]


def test_an_item_without_an_id_has_none_and_a_number_becomes_text():
    assert [row.custom_id for row in lines(b'{"inputs": {}}\n{"custom_id": 7, "inputs": {}}')] == [None, "7"]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b'{"inputs": {"n": NaN}}', "The item is not JSON: NaN is no number that JSON knows (column 18)."),
        (b'{"inputs": {"n": Infinity}}', "The item is not JSON: Infinity is no number that JSON knows (column 18)."),
        (b'{"inputs": {"n": -Infinity}}', "The item is not JSON: Infinity is no number that JSON knows (column 19)."),
        (b'{"inputs": {"n": 1e999}}', "The item is not JSON: number is infinity when parsed as double (column 18)."),
        (b'{"inputs": ', "The item is not JSON: unexpected end of data (column 11)."),
        (b"[1]", "The item must be an object with custom_id and inputs."),
        (b'{"custom_id": "a"}', "inputs is required."),
        (b'{"inputs": [1]}', "inputs must be an object."),
        (b'{"body": 1}', "inputs is required."),
        (b'{"inputs": {}, "files": {}}', "files must be an array of file objects."),
        (b'{"inputs": {}, "files": [1]}', "files must be an array of file objects."),
        (b'{"custom_id": true, "inputs": {}}', "custom_id must be a text."),
        (b'{"custom_id": "", "inputs": {}}', "custom_id must have 1 to 255 characters, none of them NUL."),
        (b'{"custom_id": "' + b"x" * 256 + b'", "inputs": {}}', "custom_id must have 1 to 255 characters, none of them NUL."),
        (b'{"inputs": ' + b'{"a":' * 101 + b"1" + b"}" * 101 + b"}", "The item is nested deeper than 100 levels."),
        (b'{"inputs": {"q": "\xff"}}', "It is no utf-8 text: save the file as UTF-8, or name its encoding with encoding."),
        (b"\x00\x01", "The item is not JSON: unexpected character, expected a JSON value (column 1)."),
    ],
)
def test_a_bad_line_is_an_error_of_its_own(line: bytes, error: str):
    before, bad, after = lines(b'{"inputs": {}}\n' + line + b'\n{"inputs": {}}', limit=5000)

    assert (bad.line, bad.error) == (2, error)
    assert (before.error, after.error, after.line) == (None, None, 3)


def test_a_line_that_is_too_long_is_passed_over_and_the_rest_goes_on():
    found = lines(PLAIN + b'{"inputs": {"q": "' + b"x" * 300_000 + b'"}}\n' + PLAIN)

    assert [row.line for row in found] == [1, 2, 3, 4, 5]
    assert [row.error for row in found] == [None, None, f"The line is longer than {LIMIT} bytes.", None, None]


@pytest.mark.parametrize("excess", [-1, 0, 1])
def test_a_line_may_be_as_long_as_the_limit_says(excess: int):
    text = b'{"inputs": {}}'
    line = text.ljust(LIMIT - 1 + excess) + b"\n"

    assert [row.error is None for row in lines(line + PLAIN)] == [excess <= 0, True, True]
    assert len(lines(line.rstrip(b"\n").ljust(LIMIT + excess))) == 1


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (CHINESE.encode(), "utf-8"),
        (codecs.BOM_UTF8 + CHINESE.encode(), "utf-8"),
        (codecs.BOM_UTF16_LE + CHINESE.encode("utf-16-le"), "utf-16-le"),
        (codecs.BOM_UTF16_BE + CHINESE.encode("utf-16-be"), "utf-16-be"),
        (codecs.BOM_UTF32_LE + CHINESE.encode("utf-32-le"), "utf-32-le"),
        (CHINESE.encode("gbk"), "gb18030"),
        (CHINESE.encode("gb18030"), "gb18030"),
    ],
)
def test_the_encoding_is_told_by_the_mark_or_found_out(content: bytes, name: str):
    assert TextFile(io.BytesIO(content), None, LIMIT).encoding.name == name
    assert inputs(lines(content)) == [{"q": "你好世界"}] * 30


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16-le", "utf-16-be", "big5", "cp1252"])
def test_an_encoding_that_is_named_counts(encoding: str):
    text = "é" if encoding == "cp1252" else "中文"

    assert inputs(lines(json.dumps({"inputs": {"q": text}}, ensure_ascii=False).encode(encoding), encoding)) == [{"q": text}]


@pytest.mark.parametrize("share", [1, 3, 15, 27, 29])
def test_mixed_encodings_are_errors_of_their_lines_and_no_nonsense(share: int):
    texts = CHINESE.splitlines(keepends=True)
    content = b"".join(line.encode("gbk" if number < share else "utf-8") for number, line in enumerate(texts))

    found = lines(content)

    assert len(found) == 30
    assert {json.dumps(row.inputs, ensure_ascii=False) for row in found if row.error is None} == {'{"q": "你好世界"}'}
    assert sum(row.error is not None for row in found) == (30 - share if share >= 28 else share)
    assert all("encoding" in row.error for row in found if row.error)


def test_a_file_in_a_western_encoding_is_not_taken_for_chinese():
    content = json.dumps({"inputs": {"q": "élan vital, déjà vu, à la carte"}}, ensure_ascii=False).encode("cp1252")

    (row,) = lines(content)

    assert row.error is not None
    assert "no utf-8 text" in row.error


def test_half_a_character_of_utf_16_spoils_only_its_line():
    content = (
        codecs.BOM_UTF16_LE
        + '{"inputs": {}}\n{"inputs": {"q": "'.encode("utf-16-le")
        + b"\x00\xd8"
        + '"}}\n{"inputs": {}}'.encode("utf-16-le")
    )

    assert [row.error is None for row in lines(content)] == [True, False, True]
    assert [row.error is None for row in lines(content + b"x")] == [True, False, False]


@given(st.lists(st.dictionaries(TEXTS, TEXTS, max_size=3), max_size=8), st.sampled_from(["utf-8", "utf-16", "utf-8-sig", "utf-32"]))
def test_whatever_json_can_say_arrives(items, encoding):
    text = "".join(json.dumps({"inputs": item}, ensure_ascii=False) + "\r\n" for item in items)

    assert inputs(lines(text.encode(encoding), limit=100_000)) == items


@given(st.binary(max_size=400))
def test_whatever_is_sent_is_an_item_or_an_error(content):
    for row in lines(content, limit=50):
        assert row.error is None or row.error.endswith(".")
