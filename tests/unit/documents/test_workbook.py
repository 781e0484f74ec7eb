"""Sheets as the reference server's pandas writes them: nodes.md section 6.17."""

from datetime import date, datetime, time, timedelta

import pytest

from tests.unit.documents.making import xls_file, xlsx_file, xlsx_with
from worker.documents import workbook
from worker.documents.columns import header_texts, row_texts

DAY = datetime(2024, 1, 5)


def columns(*values):
    """Texts of columns, from their values."""
    return [list(column) for column in zip(*row_texts(list(zip(*values, strict=True))), strict=True)]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1.0, 2.0], ["1", "2"]),
        ([1.0, 2.5], ["1.0", "2.5"]),
        ([0.1, 1e16, 1e-7], ["0.1", "1e+16", "1e-07"]),
        (["007", " 3 "], ["7", "3"]),
        (["1e3", ".5", "inf"], ["1000.0", "0.5", "inf"]),
        (["1", "x", 3.0], ["1", "x", "3"]),
        (["1_000", "1,000", "0x10"], ["1_000", "1,000", "0x10"]),
        (["123456789012345678901", "1"], ["123456789012345678901", "1"]),
        (["1" * 5000, "1"], ["1" * 5000, "1"]),
        ([True, False], ["True", "False"]),
        (["TRUE", "false"], ["True", "False"]),
        (["True", "x"], ["True", "x"]),
        ([True, 2.0], ["1", "2"]),
        ([DAY, date(2024, 2, 6)], ["2024-01-05 00:00:00", "2024-02-06 00:00:00"]),
        ([time(12, 30), time(1, 2, 3)], ["12:30:00", "01:02:03"]),
        ([timedelta(hours=30), timedelta(minutes=1)], ["1 days 06:00:00", "0 days 00:01:00"]),
        (["two\nlines", "x\r\ny"], ["two lines", "x y"]),
    ],
)
def test_the_type_of_a_column_decides_how_its_values_are_written(values, texts):
    assert columns(values) == [texts]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1.0, "", 3.0], ["1.0", "nan", "3.0"]),
        (["x", "N/A", "y"], ["x", "nan", "y"]),
        ([True, "", True], ["1.0", "nan", "1.0"]),
        (["True", "None", "True"], ["True", "nan", "True"]),
        ([DAY, "", DAY], ["2024-01-05 00:00:00", "NaT", "2024-01-05 00:00:00"]),
        ([DAY, "", "x"], ["2024-01-05 00:00:00", "nan", "x"]),
    ],
)
def test_missing_values_have_a_text_and_change_that_of_others(values, texts):
    assert columns(values, ["a", "b", "c"])[0] == texts


def test_columns_of_nothing_but_numbers_are_written_alike():
    assert columns([1.0, 2.0], [1.5, 2.5]) == [["1.0", "2.0"], ["1.5", "2.5"]]
    assert columns([1.0, 2.0], [1.5, 2.5], ["x", "y"])[0] == ["1", "2"]


def test_beside_nothing_but_a_point_in_time_a_missing_value_is_none():
    assert list(row_texts([["", DAY], ["x", DAY]])) == [("NaT", "2024-01-05 00:00:00"), ("x", "2024-01-05 00:00:00")]


def test_rows_without_a_value_are_left_out():
    assert list(row_texts([["x", 1.0], ["", "N/A"], ["y", 2.0]])) == [("x", "1.0"), ("y", "2.0")]


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["a", "b c"], ["a", "b c"]),
        (["a", "a", "", "a"], ["a", "a.1", "Unnamed: 2", "a.2"]),
        (["a", "a.1", "a"], ["a", "a.1", "a.2"]),
        (["", "Unnamed: 0"], ["Unnamed: 0.1", "Unnamed: 0"]),
        ([2024.0, "x", True, DAY], ["2024", "x", "True", "2024-01-05 00:00:00"]),
        ([1.0, 2.5], ["1.0", "2.5"]),
        (["two\nlines"], ["two lines"]),
    ],
)
def test_columns_have_a_name_each(values, names):
    assert header_texts(values) == names


def test_thousands_of_equal_names_take_no_time():
    assert header_texts(["a"] * 16384)[-1] == "a.16383"


ROWS = (
    '<row r="1"><c r="A1" t="inlineStr"><is><t>name</t></is></c><c r="B1" t="inlineStr"><is><t>n</t></is></c></row>'
    '<row r="3"><c r="A3" t="inlineStr"><is><t>é</t></is></c><c r="B3"><v>1</v></c></row>'
    '<row r="4"><c r="B4"><v>2</v></c><c r="C4" t="e"><v>#DIV/0!</v></c></row>'
)


def test_each_sheet_is_a_table_with_an_empty_line_behind_it():
    sheet = "<worksheet xmlns='http://schemas.openxmlformats.org/spreadsheetml/2006/main'><sheetData>{}</sheetData></worksheet>"
    book = xlsx_with({"One": sheet.format(ROWS), "Empty": sheet.format(""), "Head": sheet.format('<row><c r="A1"><v>5</v></c></row>')})

    assert workbook.text(book) == (
        "| name | n |\n| ---- | - |\n| é | 1.0 |\n| nan | 2.0 |\n\n"  # The row 2 is empty, so that a value of n is missing.
        "|  |\n|  |\n\n"
        "| 5 |\n| - |\n\n"
    )


def test_old_workbooks_are_read_as_well():
    cells = [(0, 0, "name"), (0, 1, "n"), (1, 0, "x"), (1, 1, 1.0), (2, 0, "y"), (2, 1, 2.0)]

    assert workbook.text(xls_file(cells)) == "| name | n |\n| ---- | - |\n| x | 1 |\n| y | 2 |\n\n"


def test_dimension_that_a_sheet_claims_does_not_count():
    row = '<row r="1"><c r="A1" t="inlineStr"><is><t>x</t></is></c></row>'

    assert workbook.text(xlsx_file(row, dimension="A1:XFD1048576")) == "| x |\n| - |\n\n"
