import pytest

from worker.store.files import upload_name


@pytest.mark.parametrize(
    ("filename", "name", "extension"),
    [
        ("a.txt", "a.txt", "txt"),
        ("a.SVG", "a.SVG", "svg"),
        ("README", "README", ""),
        (".bashrc", ".bashrc", ""),
        ("a.tar.gz", "a.tar.gz", "gz"),
        ("a.", "a.", ""),
        ("x" * 196 + ".txt", "x" * 196 + ".txt", "txt"),
        ("x" * 197 + ".txt", "x" * 197 + ".txt", "txt"),
        ("x" * 300 + ".TXT", "x" * 200 + ".TXT", "txt"),
        ("ab.cd" + "x" * 300 + ".txt", "ab.txt", "txt"),
        ("x" * 300, "x" * 200, ""),
    ],
)
def test_names_are_kept_and_long_ones_cut(filename, name, extension):
    assert upload_name(filename) == (name, extension)
