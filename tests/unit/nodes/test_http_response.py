import codecs

import pytest

from tests.unit.nodes.http_world import HTTPWorld, MemoryFiles
from tests.unit.outbound.web import WebServer
from worker.engine.errors import NodeError
from worker.engine.limits import Limits
from worker.engine.ports import OutboundResponse
from worker.nodes.http_response import check_size, is_file, response_outputs, text_of_body
from worker.outbound.client import GuardedClient

MEGABYTE = 1024 * 1024


def response(body=b"", content_type="", disposition="", status=200, url="http://a.example/x"):
    headers = {"content-type": content_type, "content-disposition": disposition}
    return OutboundResponse(status, {name: value for name, value in headers.items() if value}, body, url)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("", b"\0\1\2"),
        ("text/plain", b"x"),
        ("text/csv; charset=utf-8", b"a,b"),
        ("text/html", b"<p>"),
        ("Text/Plain", b"\0"),
        ("application/json", b"\xff"),
        ("application/problem+json", b""),
        ("application/ld+json; charset=utf-8", b""),
        ("application/xml", b""),
        ("application/atom+xml", b""),
        ("application/javascript", b""),
        ("application/x-www-form-urlencoded", b""),
        ("application/x-yaml", b""),
        ("application/graphql", b""),
        ("application/octet-stream", b' {"a": 1}'),
        ("application/octet-stream", b"function f() {"),
        ("application/x-unknown", "const größe".encode()),
        ("application/octet-stream", b"let x" + "é".encode() * 600),
        ("multipart/mixed", b""),
        ("font/woff2", b""),
        ("nonsense", b""),
    ],
)
def test_texts(content_type, body):
    assert not is_file(response(body, content_type))


@pytest.mark.parametrize(
    ("content_type", "body", "disposition"),
    [
        ("application/octet-stream", bytes(range(256)), ""),
        ("application/octet-stream", b"plain words", ""),
        ("application/pdf", b"%PDF-1.7 \xe2\xe3", ""),
        ("application/zip", b"PK\x03\x04\xff", ""),
        ("application/x-unknown", b"\xff", ""),
        ("image/png", b"", ""),
        ("image/svg+xml", b"<svg>", ""),
        ("IMAGE/PNG; q=1", b"", ""),
        ("audio/mpeg", b"", ""),
        ("video/mp4", b"", ""),
        ("image/x-unknown", b"", ""),
        ("text/plain", b"x", "attachment"),
        ("text/plain", b"x", 'attachment; filename="a.txt"'),
        ("text/plain", b"x", 'inline; filename="a.txt"'),
        ("application/json", b"{}", "attachment; filename*=UTF-8''%e4%b8%96.json"),
    ],
)
def test_files(content_type, body, disposition):
    assert is_file(response(body, content_type, disposition))


@pytest.mark.parametrize("disposition", ["inline", "", "form-data; name=x"])
def test_a_disposition_without_name_makes_no_file(disposition):
    assert not is_file(response(b"x", "text/plain", disposition))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (response(b"\x89PNG", "image/png"), (".png", "image/png", "image")),
        (response(bytes(range(256)), "application/octet-stream"), (".bin", "application/octet-stream", "custom")),
        (response(b"x", "text/plain", 'attachment; filename="report.txt"'), (".txt", "text/plain", "document")),
        (response(b"x", "text/plain", 'attachment; filename="photo.JPG"'), (".jpg", "image/jpeg", "image")),
        (response(b"x", "text/plain", "attachment; filename=unknown.xyz1"), (".txt", "text/plain", "document")),
        (response(b"x", "", "attachment", url="http://a.example/b/tone.mp3?x=.png"), (".mp3", "audio/mpeg", "audio")),
        (response(b"x", "", "attachment"), (".bin", "application/octet-stream", "custom")),
        (response(b"\xff", "application/x-unknown"), (".bin", "application/x-unknown", "custom")),
    ],
)
def test_a_file_is_kept_with_its_type(given, expected):
    files = MemoryFiles()
    outputs = response_outputs(given, Limits(), files)
    file = outputs["files"][0]

    assert (file.extension, file.mime_type, file.type) == expected
    assert outputs["body"] == ""
    assert files.read(file) == given.body


def test_an_empty_file_is_no_file():
    outputs = response_outputs(response(b"", "image/png"), Limits(), MemoryFiles())

    assert (outputs["body"], outputs["files"]) == ("", [])


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("héllo 世界".encode(), "text/plain; charset=utf-8", "héllo 世界"),
        ("héllo 世界".encode(), "application/json", "héllo 世界"),
        ("世界".encode("gbk"), "text/html; charset=GBK", "世界"),
        ("世界".encode("gbk"), 'text/html; charset="gb2312"', "世界"),
        ("é".encode("latin-1"), "text/plain; charset=iso-8859-1", "é"),
        ("世界".encode("gbk"), "text/html", "\ufffd\ufffd\ufffd\ufffd"),
        (b'<meta charset="gbk">' + "世界".encode("gbk"), "text/html", '<meta charset="gbk">世界'),
        (
            b"<meta http-equiv=x content='text/html; charset=gb18030'>\xca\xc0",
            "",
            "<meta http-equiv=x content='text/html; charset=gb18030'>世",
        ),
        (b'<?xml version="1.0" encoding="ISO-8859-1"?>\xe9', "application/xml", '<?xml version="1.0" encoding="ISO-8859-1"?>é'),
        (codecs.BOM_UTF8 + "é".encode(), "text/plain", "é"),
        (codecs.BOM_UTF16_LE + "é".encode("utf-16-le"), "text/plain", "é"),
        (codecs.BOM_UTF16_BE + "é".encode("utf-16-be"), "", "é"),
        (b"caf\xe9", "text/plain", "caf\ufffd"),
        (b"caf\xe9", "text/plain; charset=nonsense", "caf\ufffd"),
        (b"caf\xe9", "text/plain; charset=undefined", "caf\ufffd"),
        (b"abc", "text/plain; charset=base64", "abc"),
        (b"", "text/plain", ""),
    ],
)
def test_texts_are_decoded(body, content_type, text):
    assert text_of_body(response(body, content_type)) == text


@pytest.mark.parametrize(
    ("given", "size", "message"),
    [
        (response(b"", "text/plain"), 2_464_153, "Text size is too large, max size is 1.00 MB, but current size is 2.35 MB."),
        (response(b"", "image/png"), 11 * MEGABYTE, "File size is too large, max size is 10.00 MB, but current size is 11.00 MB."),
        (response(b"", "text/plain"), MEGABYTE + 1, "Text size is too large, max size is 1.00 MB, but current size is 1.00 MB."),
        (response(b"", "image/png"), None, "File size is too large, max size is 10.00 MB, but current size is more than 10.00 MB."),
    ],
)
def test_sizes_over_the_limits_fail(given, size, message):
    with pytest.raises(NodeError) as caught:
        check_size(given, size, Limits())

    assert (caught.value.message, caught.value.error_type) == (message, "ResponseSizeError")


def test_small_limits_are_told_in_small_units():
    with pytest.raises(NodeError, match=r"max size is 0.00 MB, but current size is 12 bytes\."):
        check_size(response(b"", "text/plain"), 12, Limits(http_request_node_max_text_size=10))
    with pytest.raises(NodeError, match=r"current size is 2\.00 KB\."):
        check_size(response(b"", "text/plain"), 2048, Limits(http_request_node_max_text_size=10))


def test_sizes_within_the_limits_pass():
    check_size(response(b"", "text/plain"), MEGABYTE, Limits())
    check_size(response(b"", "image/png"), 10 * MEGABYTE, Limits())


@pytest.fixture
def world():
    client = GuardedClient(("127.0.0.1/32",))
    with WebServer() as web:
        yield HTTPWorld(web, client)
    client.close()


@pytest.mark.parametrize(
    ("size", "content_type", "message"),
    [
        (2_464_153, "text/plain", "Text size is too large, max size is 1.00 MB, but current size is 2.35 MB."),
        (11 * MEGABYTE, "image/png", "File size is too large, max size is 10.00 MB, but current size is 11.00 MB."),
        (11 * MEGABYTE, "text/plain", "Text size is too large, max size is 1.00 MB, but current size is 11.00 MB."),
    ],
)
def test_large_answers_fail_the_node(world, size, content_type, message):
    world.web.routes["/big"] = lambda seen, answer: answer.send(b"x" * size, content_type=content_type)
    error = world.fail(url="/big")

    assert (error.message, error.error_type) == (message, "ResponseSizeError")
    assert error.partial.process_data["request"].startswith("GET /big")
    assert error.partial.outputs == {}


def test_an_answer_of_unknown_size_fails_the_node(world):
    def stream(seen, answer):
        answer.raw(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n")
        answer.repeat(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    world.web.routes["/big"] = stream

    assert world.fail(url="/big").message == "File size is too large, max size is 10.00 MB, but current size is more than 10.00 MB."


def test_head_and_204_have_no_body(world):
    world.web.routes["/head"] = lambda seen, answer: answer.raw(
        b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 99999999\r\n\r\n"
    )
    world.web.routes["/empty"] = lambda seen, answer: answer.raw(b"HTTP/1.1 204 X\r\nServer: s\r\n\r\n")

    assert world.run(method="head", url="/head").outputs["body"] == ""
    outputs = world.run(url="/empty").outputs
    assert outputs == {"status_code": 204, "body": "", "headers": {"server": "s"}, "files": []}
