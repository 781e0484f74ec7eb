import pytest

from app.cli.sample_files import BY_KIND, sample_file
from app.dev_http.files import content_of
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
