import csv
import io
import json
import sys
import zipfile

import docx
import pypdf
import pytest
from python_calamine import load_workbook

from tests.unit.nodes.tooling import World
from tests.unit.tools.calling import call
from worker.engine.errors import NodeError

MARKDOWN = """# Report 报告

Plain **bold** and *leaning* `code`, [link](https://example.com), <b>no tag</b>.

1. one
2. two
   - deep

> quoted

```python
x = 1
```

---

| Name | Value |
|---|---|
| a | 1.5 |
| =SUM(A1) | 007 |
"""


def export(tool, markdown=MARKDOWN, **more):
    (message,) = call(World(), "bowenliang123/md_exporter/md_exporter", tool, md_text=markdown, **more)
    return message


def test_docx():
    message = export("md_to_docx", output_filename="My report")
    document = docx.Document(io.BytesIO(message.content))

    assert (message.extension, message.filename) == (".docx", "My report.docx")
    assert message.mime_type.endswith("wordprocessingml.document")
    lines = [(paragraph.style.name, paragraph.text) for paragraph in document.paragraphs]
    assert lines[:5] == [
        ("Heading 1", "Report 报告"),
        ("Normal", "Plain bold and leaning code, link (https://example.com), <b>no tag</b>."),
        ("List", "1. one"),
        ("List", "2. two"),
        ("List Bullet 2", "deep"),
    ]
    assert [run.text for run in document.paragraphs[1].runs if run.bold] == ["bold"]
    assert [[cell.text for cell in row.cells] for row in document.tables[0].rows][1] == ["a", "1.5"]


def test_pdf_has_letters_of_the_east_too():
    message = export("md_to_pdf", MARKDOWN + "\n한국어 日本 かな\n")
    found = pypdf.PdfReader(io.BytesIO(message.content)).pages[0].extract_text()

    assert message.mime_type == "application/pdf"
    assert "Report" in found
    assert "<b>no tag</b>" in found
    assert "x = 1" in found


@pytest.mark.parametrize("text", ["", "# ", "***", "| |\n|-|\n", "<para>&amp; ]]> <font>", "a" * 5000, "\x00\ud800 x", "- " * 60 + "x"])
@pytest.mark.parametrize("tool", ["md_to_docx", "md_to_pdf", "md_to_html", "md_to_md"])
def test_odd_texts_are_exported_too(tool, text):
    assert export(tool, text).extension


def test_xlsx_has_numbers_and_no_formulas():
    workbook = load_workbook(io.BytesIO(export("md_to_xlsx").content))

    assert workbook.get_sheet_by_index(0).to_python() == [["Name", "Value"], ["a", 1.5], ["=SUM(A1)", "007"]]
    assert "<f>" not in zipfile.ZipFile(io.BytesIO(export("md_to_xlsx").content)).read("xl/worksheets/sheet1.xml").decode()


def test_csv_and_json_take_the_tables():
    rows = list(csv.reader(io.StringIO(export("md_to_csv").content.decode("utf-8-sig"))))

    assert rows == [["Name", "Value"], ["a", "1.5"], ["=SUM(A1)", "007"]]
    assert json.loads(export("md_to_json").content)[0] == {"Name": "a", "Value": "1.5"}


@pytest.mark.parametrize("tool", ["md_to_xlsx", "md_to_csv", "md_to_json"])
def test_without_a_table_there_is_nothing_to_export(tool):
    with pytest.raises(NodeError, match="no table"):
        export(tool, "just words")


def test_html_escapes_markup_of_the_text():
    page = export("md_to_html").content.decode()

    assert "<title>Report 报告</title>" in page
    assert "&lt;b&gt;no tag&lt;/b&gt;" in page
    assert "<strong>bold</strong>" in page
    assert export("md_to_html_text").text.startswith("<h1>Report 报告</h1>")


def test_a_text_in_one_fence_is_unwrapped():
    assert export("md_to_md", "```markdown\n# A\n```").content == b"# A"
    assert export("md_to_md", "# A\n```\nx\n```").content == b"# A\n```\nx\n```"


@pytest.mark.parametrize(
    ("given", "name"),
    [("a/b:c", "a_b_c.md"), ("notes.md", "notes.md"), ("", ""), (" .. ", ""), ("x" * 300, "x" * 200 + ".md")],
)
def test_names_are_made_safe(given, name):
    assert export("md_to_md", "x", output_filename=given).filename == name


def test_without_its_library_a_pdf_is_refused_with_what_to_install(monkeypatch):
    for name in ("reportlab", "reportlab.lib.pagesizes"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "worker.tools.markdown_pdf", raising=False)

    with pytest.raises(NodeError, match=r"not installed \(reportlab\.lib\.pagesizes\): install penstock\[pdf\]\."):
        export("md_to_pdf")
    assert export("md_to_docx").extension == ".docx"
