import pytest

from worker.engine.media_types import charset_of_header, disposition_of_header, extension_of_mime, mime_of_header, mime_of_name, name_in_url


@pytest.mark.parametrize(
    ("name", "mime_type"),
    [
        ("a.txt", "text/plain"),
        ("A.PNG", "image/png"),
        ("photo.jpeg", "image/jpeg"),
        ("b.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("a.tar.gz", "application/gzip"),
        ("notes.md", "text/markdown"),
        ("song.m4a", "audio/mp4"),
        ("http:x.png", "image/png"),
        ("README", ""),
        (".png", ""),
        ("a.unknown1", ""),
        ("", ""),
    ],
)
def test_a_name_tells_the_type(name, mime_type):
    assert mime_of_name(name) == mime_type


@pytest.mark.parametrize(
    ("mime_type", "extension"),
    [
        ("image/png", ".png"),
        ("image/jpeg", ".jpg"),
        ("IMAGE/JPG", ".jpg"),
        ("text/plain", ".txt"),
        ("text/html", ".html"),
        ("application/xml", ".xml"),
        ("application/octet-stream", ".bin"),
        ("audio/mpeg", ".mp3"),
        ("image/webp", ".webp"),
        ("application/x-unknown", ""),
        ("", ""),
    ],
)
def test_a_type_has_a_usual_extension(mime_type, extension):
    assert extension_of_mime(mime_type) == extension


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("attachment", ("attachment", "")),
        ('Attachment; filename="a b.txt"', ("attachment", "a b.txt")),
        ("attachment; filename=a.txt; x=y", ("attachment", "a.txt")),
        ("inline; filename*=UTF-8''%e4%b8%96.txt", ("inline", "世.txt")),
        ('attachment; filename="../../etc/passwd"', ("attachment", "passwd")),
        ('attachment; filename="C:\\\\temp\\\\a.txt"', ("attachment", "a.txt")),
        ("attachment\r\nX-Injected: 1", ("attachment  x-injected: 1", "")),
        (";;;", ("", "")),
        ("", ("", "")),
    ],
)
def test_a_disposition_tells_kind_and_name(header, expected):
    assert disposition_of_header(header) == expected


@pytest.mark.parametrize(
    ("header", "mime_type", "charset"),
    [
        ("text/html; charset=UTF-8", "text/html", "utf-8"),
        ('Text/HTML ; x=1; charset="GBK"', "text/html", "gbk"),
        ("application/json", "application/json", ""),
        ("", "", ""),
    ],
)
def test_a_content_type_tells_type_and_charset(header, mime_type, charset):
    assert (mime_of_header(header), charset_of_header(header)) == (mime_type, charset)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://a.example/b/c%20d.pdf?x=y/z.png#e/f", "c d.pdf"),
        ("https://a.example/b/", ""),
        ("https://a.example", ""),
        ("a.png", "a.png"),
        ("http://[::1/a.png", "a.png"),
    ],
)
def test_a_url_tells_a_name(url, name):
    assert name_in_url(url) == name
