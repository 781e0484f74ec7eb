"""Word documents: nodes.md section 6.17."""

import io

import docx

from tests.unit.documents.making import docx_file, docx_with, unzipped, zipped
from worker.documents.docx_file import text as text_of


def saved(document) -> bytes:
    content = io.BytesIO()
    document.save(content)
    return content.getvalue()


def table(*rows: str) -> str:
    """Rows of cells that are separated by ``|``."""
    cells = ("".join(f"<w:tc><w:p><w:r><w:t>{cell}</w:t></w:r></w:p></w:tc>" for cell in row.split("|")) for row in rows)
    return f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in cells)}</w:tbl>"


def test_paragraphs_and_tables_are_in_order_and_a_table_ends_with_a_line_break():
    body = f"<w:p><w:r><w:t>One</w:t></w:r></w:p>{table('h1|h2', 'v1|v2')}<w:p/><w:p><w:r><w:t>After</w:t></w:r></w:p>"

    assert text_of(docx_with(body)) == "One\n| h1 | h2 |\n| --- | --- |\n| v1 | v2 |\n\n\nAfter"


def test_breaks_in_a_cell_stay_on_its_line():
    document = docx.Document()
    document.add_table(1, 2).cell(0, 0).text = "a\nb"

    assert text_of(saved(document)) == "| a<br>b |  |\n| --- | --- |\n"


def test_tables_without_text_are_left_out():
    assert text_of(docx_with(f"<w:p/>{table(' | ', '|')}<w:p/>")) == "\n"


def test_text_of_a_merged_cell_is_in_every_place_that_it_covers():
    document = docx.Document()
    grid = document.add_table(3, 3)
    for number, cell in enumerate(cell for row in grid.rows for cell in row.cells):
        cell.text = str(number)
    grid.cell(0, 0).merge(grid.cell(0, 1)).text = "wide"
    grid.cell(1, 2).merge(grid.cell(2, 2)).text = "high"

    assert text_of(saved(document)) == "| wide | wide | 2 |\n| --- | --- | --- |\n| 3 | 4 | high |\n| 6 | 7 | high |\n"


def test_thousands_of_merged_rows_are_fine():
    merged = "<w:tr><w:tc><w:tcPr><w:vMerge{}/></w:tcPr><w:p>{}</w:p></w:tc></w:tr>"
    rows = merged.format(' w:val="restart"', "<w:r><w:t>x</w:t></w:r>") + merged.format("", "") * 3000

    assert text_of(docx_with(f"<w:tbl>{rows}</w:tbl>")) == "| x |\n| --- |\n" + "| x |\n" * 3000


def test_names_with_backslashes_are_read():
    entries = {name.replace("/", "\\"): data for name, data in unzipped(docx_file("text")).items()}

    assert text_of(zipped(entries)) == "text"
