import json
import time

import pytest

from tests.unit.nodes.http_world import MemoryFiles
from worker.engine.errors import NodeError
from worker.engine.node import NodeSpec
from worker.engine.variables import Secret, VariablePool
from worker.nodes.fields import Fields
from worker.nodes.http_body import BUILDERS, REPAIRABLE_CHARACTERS, BodyItem, tolerant_json
from worker.nodes.http_request import all_headers


@pytest.fixture
def pool():
    return VariablePool()


@pytest.fixture
def files():
    return MemoryFiles()


@pytest.fixture
def build(pool, files):
    def build(kind, *items):
        spec = NodeSpec("h", "http-request", "H", "1", {"data": [{"type": "text", "key": "", "value": "", **item} for item in items]})
        return BUILDERS[kind]([BodyItem.of(item) for item in Fields.of(spec).items("data")], pool, files)

    return build


def failure(build, kind, *items):
    with pytest.raises(NodeError) as caught:
        build(kind, *items)
    return caught.value.message, caught.value.error_type


def test_no_body(build):
    body = build("none", {"value": "ignored"})

    assert (body.content, body.content_type, body.shown) == (b"", "", "")


def test_raw_text(build, pool):
    pool.set("n", "v", {"a": [1, "é"]})
    body = build("raw-text", {"value": "v: {{#n.v#}}"})

    assert body.content.decode() == 'v: {"a": [1, "é"]}'
    assert body.content_type == "text/plain"


@pytest.mark.parametrize("kind", ["raw-text", "json", "binary"])
@pytest.mark.parametrize("count", [0, 2])
def test_bodies_of_one_item_have_exactly_one(build, kind, count):
    assert failure(build, kind, *[{}] * count) == (f"{kind} body type should have exactly one item", "RequestBodyError")


@pytest.mark.parametrize(
    ("template", "sent"),
    [
        ('{"q": "{{#n.text#}}"}', '{"q": "v \\u00e9"}'),
        ('{"m":1}', '{"m": 1}'),
        ('{"n": {{#n.number#}}, "o": {{#n.object#}}, "l": [1, 2]}', '{"n": 1.5, "o": {"a": [1, "x"]}, "l": [1, 2]}'),
        ('{"q": "{{#n.quote#}}", "n": 3}', '{"q": "quote \\" and \\n newline \\u00e9", "n": 3}'),
        ('{"missing": {{#ghost.v#}}}', '{"missing": "ghost.v"}'),
        ('{"key": "{{#n.secret#}}"}', '{"key": "s3cr3t"}'),
        ("{'a': 'b', c: [1, 2,]", '{"a": "b", "c": [1, 2]}'),
        ('"text"', '"text"'),
        (" 5 ", "5"),
        ("null", "null"),
        ('{"a": 12345678901234567890123}', '{"a": 12345678901234567890123}'),
        ('{"a": 1.0, "b": 1e3}', '{"a": 1.0, "b": 1000.0}'),
    ],
)
def test_json_is_mended_and_written_anew(build, pool, template, sent):
    values = {"text": "v é", "number": 1.5, "object": {"a": [1, "x"]}, "quote": 'quote " and \n newline é', "secret": Secret("s3cr3t")}
    pool.add_outputs("n", values)
    body = build("json", {"value": template})

    assert (body.content.decode(), body.shown, body.content_type) == (sent, sent, "application/json")


@pytest.mark.parametrize(
    ("secret", "template"),
    [
        ("long-hidden-0123", '{"key": "{{#env.KEY#}}"}'),
        # Mended, the text has lost the secret's beginning, and no search would find the rest.
        ("sk-'\" &{hidden}+/zz", "{{#env.KEY#}} more"),
        # Written anew, it has other blanks.
        ('{"private":"hidden", "id":1}', '{"account": {{#env.KEY#}}}'),
    ],
)
def test_secrets_do_not_show_in_a_json_body_that_is_written_anew(build, pool, secret, template):
    pool.set("env", "KEY", Secret(secret))

    body = build("json", {"value": template})

    assert b"hidden" in body.content
    assert "hidden" not in body.shown
    assert "*" * 12 in body.shown


@pytest.mark.parametrize("template", ["", "  \n", "{{#n.empty#}}"])
def test_an_empty_json_text_is_an_empty_body(build, pool, template):
    pool.set("n", "empty", None)

    assert build("json", {"value": template}).content == b""


@pytest.mark.parametrize("text", ["garbage", "# comment", "[" * 100_000, '{"a":' * 100_000])
def test_what_cannot_be_mended_fails(build, pool, text):
    pool.set("n", "v", text)

    assert failure(build, "json", {"value": "{{#n.v#}}"}) == (f"Failed to parse JSON: {text}", "RequestBodyError")


def test_valid_json_of_any_size_is_read_and_broken_json_of_bounded_size_is_mended():
    text = "x" * REPAIRABLE_CHARACTERS
    began = time.monotonic()

    assert tolerant_json(json.dumps({"a": text})) == {"a": text}
    with pytest.raises(NodeError):
        tolerant_json('{"a": "' + 'x" y ' * REPAIRABLE_CHARACTERS)
    assert time.monotonic() - began < 2


def test_forms(build, pool):
    pool.set("n", "v", "v é&=")
    items = [
        {"key": "a", "value": "{{#n.v#}}"},
        {"key": "{{#n.v#}}", "value": "x y"},
        {"key": "b", "value": "1"},
        {"key": "b", "value": "2"},
    ]
    body = build("x-www-form-urlencoded", *items)

    assert body.content == b"a=v+%C3%A9%26%3D&v+%C3%A9%26%3D=x+y&b=2"
    assert body.content_type == "application/x-www-form-urlencoded"


def parts(body):
    boundary = body.content_type.partition("boundary=")[2]
    pieces = body.content.decode().split(f"--{boundary}")
    assert (pieces[0], pieces[-1]) == ("", "--\r\n")
    return pieces[1:-1]


def test_multipart_has_texts_first_and_then_files(build, pool, files):
    note, data = files.add('nö"te\n.txt', b"note"), files.add("data", b"data", "")
    pool.add_outputs("n", {"note": note, "both": [note, data], "none": None, "text": "no file"})
    body = build(
        "form-data",
        {"key": "one", "type": "file", "file": ["n", "note"]},
        {"key": "a\r\nb", "value": "vé"},
        {"key": "many", "type": "file", "file": ["n", "both"]},
        {"key": "none", "type": "file", "file": ["n", "none"]},
        {"key": "text", "type": "file", "file": ["n", "text"]},
        {"key": "missing", "type": "file", "file": ["n", "missing"]},
        {"key": "twice", "value": "1"},
        {"key": "twice", "value": "2"},
    )
    name = 'filename="nö%22te%0A.txt"\r\nContent-Type: text/plain\r\n\r\nnote\r\n'

    assert parts(body) == [
        '\r\nContent-Disposition: form-data; name="a%0D%0Ab"\r\n\r\nvé\r\n',
        '\r\nContent-Disposition: form-data; name="twice"\r\n\r\n2\r\n',
        f'\r\nContent-Disposition: form-data; name="one"; {name}',
        f'\r\nContent-Disposition: form-data; name="many"; {name}',
        '\r\nContent-Disposition: form-data; name="many"; filename="data"\r\nContent-Type: application/octet-stream\r\n\r\ndata\r\n',
    ]
    assert "note\r\n" not in body.shown
    assert "<file: 4 bytes>" in body.shown


def test_multipart_without_files_ends_in_a_placeholder(build):
    body = build("form-data", {"key": "a", "value": "1"})

    assert parts(body)[1] == (
        '\r\nContent-Disposition: form-data; name="__multipart_placeholder__"\r\nContent-Type: application/octet-stream\r\n\r\n\r\n'
    )


def test_a_file_cannot_add_headers_to_its_part(build, pool, files):
    pool.set("n", "f", files.add("a.txt", b"x", "text/plain\r\nX-Injected: 1"))
    body = build("form-data", {"key": "f", "type": "file", "file": ["n", "f"]})

    assert b"\r\nX-Injected" not in body.content


def test_binary(build, pool, files):
    pool.set("n", "f", files.add("note.txt", b"\0\xff"))
    body = build("binary", {"type": "file", "file": ["n", "f"]})

    assert (body.content, body.content_type) == (b"\0\xff", "")
    assert body.shown == "<file: note.txt, 2 bytes>"


@pytest.mark.parametrize("value", [None, "text", ["text"]])
def test_binary_needs_a_file(build, pool, value):
    pool.set("n", "f", value)

    assert failure(build, "binary", {"type": "file", "file": ["n", "f"]}) == (
        "cannot fetch file with selector ['n', 'f']",
        "FileFetchError",
    )
    assert failure(build, "binary", {"type": "file", "file": ["n", "x"]}) == (
        "cannot fetch file with selector ['n', 'x']",
        "FileFetchError",
    )


def test_the_type_of_the_body_is_a_default(build):
    assert all_headers([], build("json", {"value": "1"}), None) == [("Content-Type", "application/json")]
    assert all_headers([("content-type", "text/x")], build("json", {"value": "1"}), None) == [("content-type", "text/x")]
    assert all_headers([], build("none"), None) == []


def test_the_type_of_multipart_is_not(build):
    body = build("form-data", {"key": "a", "value": "1"})

    assert all_headers([("content-type", "text/x"), ("X", "1")], body, None) == [("X", "1"), ("Content-Type", body.content_type)]


def test_lone_surrogates_do_not_break_a_body(build, pool):
    pool.set("n", "v", "\ud800")

    for kind in ("raw-text", "json", "x-www-form-urlencoded", "form-data"):
        assert build(kind, {"key": "k{{#n.v#}}", "value": '"{{#n.v#}}"'}).content
