import io

import pypdf
from docx import Document
from python_calamine import CalamineWorkbook

from app.dev_http.files import MAKERS, content_of


def test_a_kind_that_is_not_known_is_text():
    assert content_of("xyz").startswith(b"A sample document.")


def test_documents_can_be_read_by_those_who_read_such():
    assert "The harbour was quiet" in pypdf.PdfReader(io.BytesIO(content_of("pdf"))).pages[0].extract_text()
    assert "A sample document." in [paragraph.text for paragraph in Document(io.BytesIO(content_of("docx"))).paragraphs]
    assert CalamineWorkbook.from_filelike(io.BytesIO(content_of("xlsx"))).get_sheet_by_index(0).to_python()[1] == ["tea", "2", "4.50"]


def test_every_maker_makes_something():
    assert all(make() for make in MAKERS.values())
