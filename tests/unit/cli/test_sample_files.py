import io

import pypdf
import pytest
from docx import Document
from python_calamine import CalamineWorkbook

from app.cli.sample_files import BY_KIND, MAKERS, content_of, sample_file
from worker.engine.file_types import FileRules, detect_type


def rules(*types, extensions=()):
    return FileRules.of({"allowed_file_types": list(types), "allowed_file_extensions": list(extensions)})


@pytest.mark.parametrize(
    ("allowed", "words", "name"),
    [
        (rules(), "file", "sample.txt"),
        (rules("document", "image"), "a contract", "sample.txt"),
        (rules("document"), "upload a pdf here", "sample.pdf"),
        (rules("document"), "the excel sheet", "sample.xlsx"),
        (rules("image"), "a pdf page", "sample.png"),
        (rules("audio"), "voice", "sample.wav"),
        (rules("video"), "clip", "sample.mp4"),
        (rules("custom", extensions=[".XYZ", "CSV"]), "data", "sample.csv"),
        (rules("custom", extensions=[".xyz"]), "data", "sample.xyz"),
    ],
)
def test_a_file_is_of_a_kind_that_is_allowed(tmp_path, allowed, words, name):
    path = sample_file(tmp_path, allowed, words)

    assert path.name == name
    assert path.read_bytes()


@pytest.mark.parametrize(("kind", "extension"), [(kind, extension) for kind, extensions in BY_KIND.items() for extension in extensions])
def test_every_kind_is_detected_as_that_kind(kind, extension):
    assert extension == "json" or detect_type(extension, "") == kind
    assert content_of(extension)


def test_a_kind_that_is_not_known_is_text():
    assert content_of("xyz").startswith(b"A sample document.")


def test_documents_can_be_read_by_those_who_read_such():
    assert "The harbour was quiet" in pypdf.PdfReader(io.BytesIO(content_of("pdf"))).pages[0].extract_text()
    assert "A sample document." in [paragraph.text for paragraph in Document(io.BytesIO(content_of("docx"))).paragraphs]
    assert CalamineWorkbook.from_filelike(io.BytesIO(content_of("xlsx"))).get_sheet_by_index(0).to_python()[1] == ["tea", "2", "4.50"]


def test_every_maker_makes_something():
    assert all(make() for make in MAKERS.values())
