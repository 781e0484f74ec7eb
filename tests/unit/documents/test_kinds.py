import pytest

from worker.documents.kinds import kind_of
from worker.engine.errors import NodeError


def refusal(extension: str, media_type: str = "") -> NodeError:
    with pytest.raises(NodeError) as caught:
        kind_of(extension, media_type)
    return caught.value


@pytest.mark.parametrize(
    ("extension", "reader"),
    [
        (".txt", "plain.text"),
        (".MD", "plain.text"),
        ("html", "plain.text"),
        (".c++", "plain.text"),
        (".vtt", "plain.text"),
        (".yml", "yaml_file.text"),
        (".pdf", "pdf.text"),
        (".docx", "docx_file.text"),
        (".tsv", "delimited.tab_text"),
        (".xls", "workbook.text"),
        (".xlsx", "workbook.text"),
        (".odt", "odt_file.text"),
    ],
)
def test_the_extension_decides_whatever_the_media_type_says(extension, reader):
    assert kind_of(extension, "application/json").reader == reader


@pytest.mark.parametrize("extension", ["", "."])
def test_the_media_type_decides_only_where_there_is_no_extension(extension):
    assert kind_of(extension, "application/json").reader == "json_file.text"
    assert kind_of(extension, "text/vtt").reader == "captions.text"


def test_unknown_kinds_are_named():
    assert refusal(".ABC", "text/plain").message == "Unsupported Extension Type: .abc"
    assert refusal("", "image/png").message == "Unsupported MIME type: image/png"
    assert refusal("").message == "Unable to determine file type: MIME type or file extension is missing"
    assert refusal(".abc").error_type == "UnsupportedFileTypeError"


@pytest.mark.parametrize("extension", ["doc", "ppt"])
def test_old_binary_formats_are_known_but_not_read(extension):
    error = refusal(extension)

    assert error.message == (
        f"Failed to extract text from {extension.upper()}: the old binary format is not supported, save the file as .{extension}x"
    )
    assert error.error_type == "TextExtractionError"
