"""Hostile servers: whatever they send, memory and time stay bounded."""

import gzip
import time
import tracemalloc
import zlib

import brotli
import pytest
import zstandard

from worker.engine.inbox import Inbox
from worker.engine.ports import OutboundRequest
from worker.outbound.client import GuardedClient
from worker.outbound.decoding import PIECE_BYTES, decoded
from worker.outbound.errors import InvalidResponse, ResponseTooLarge, TimedOut

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"


def get(client, url, **options):
    return client.send(OutboundRequest("GET", url, **options), Inbox())


def bomb(megabytes, coding="gzip"):
    """Zeros, a thousand times smaller than they are."""
    zeros = bytes(megabytes * 1024 * 1024)
    if coding == "gzip":
        return gzip.compress(zeros, 6)
    return brotli.compress(zeros, quality=5) if coding == "br" else zstandard.ZstdCompressor().compress(zeros)


@pytest.mark.parametrize(
    ("coding", "encode"),
    [
        ("gzip", gzip.compress),
        ("X-GZIP", gzip.compress),
        ("gzip", lambda data: gzip.compress(data[:5]) + gzip.compress(data[5:])),
        ("gzip", lambda data: gzip.compress(data) + b"trailing"),
        ("deflate", zlib.compress),
        ("deflate", lambda data: zlib.compress(data)[2:-4]),
        ("br", brotli.compress),
        ("zstd", zstandard.ZstdCompressor().compress),
        ("zstd", lambda data: zstandard.ZstdCompressor().compress(data[:5]) + zstandard.ZstdCompressor().compress(data[5:])),
        ("identity", bytes),
        ("", bytes),
    ],
)
def test_bodies_are_decoded(client, web, coding, encode):
    text = "text ünd ".encode() * 50_000
    web.routes["/"] = lambda seen, answer: answer.send(encode(text), content_encoding=coding)

    assert get(client, web.url, max_bytes=1_000_000).body == text


def test_unknown_codings_are_passed_on(client, web):
    web.routes["/"] = lambda seen, answer: answer.send(b"\x0b\x02\x80hi\x03", content_encoding="compress")

    assert get(client, web.url).body == b"\x0b\x02\x80hi\x03"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_broken_compression_is_told(client, web, coding):
    web.routes["/"] = lambda seen, answer: answer.send(b"this is not compressed at all", content_encoding=coding)

    with pytest.raises(InvalidResponse):
        get(client, web.url)


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_a_bomb_is_cut_off(client, web, coding):
    packed = bomb(100, coding)
    web.routes["/"] = lambda seen, answer: answer.send(packed, content_encoding=coding)

    with pytest.raises(ResponseTooLarge) as caught:
        get(client, web.url, max_bytes=1024 * 1024)

    kept = len(caught.value.details["response"].body)
    assert 1024 * 1024 < kept <= 1024 * 1024 + PIECE_BYTES
    assert caught.value.details["size"] is None


def test_ten_gigabytes_of_zeros_take_no_more_memory_than_their_limit(client, web):
    member = bomb(100)

    def send(seen, answer):
        answer.raw(CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"))
        for _ in range(100):
            answer.raw(f"{len(member):x}\r\n".encode() + member + b"\r\n")

    web.routes["/"] = send
    tracemalloc.start()
    try:
        with pytest.raises(ResponseTooLarge):
            get(client, web.url, max_bytes=10 * 1024 * 1024)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    # Twice the limit: the pieces, and the body that they are joined to.
    assert peak < 25 * 1024 * 1024


@pytest.mark.parametrize(("coding", "most"), [("gzip", PIECE_BYTES), ("br", 2 * PIECE_BYTES), ("zstd", PIECE_BYTES)])
def test_decompression_goes_in_small_steps(coding, most):
    sizes = [len(piece) for piece in decoded([bomb(20, coding)], coding)]

    assert sum(sizes) == 20 * 1024 * 1024
    assert max(sizes) <= most


def test_encoded_data_that_decodes_to_nothing_is_cut_off(client, web):
    def drip(seen, answer):
        answer.raw(CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"))
        members = gzip.compress(b"") * 500
        answer.repeat(f"{len(members):x}\r\n".encode() + members + b"\r\n")

    web.routes["/"] = drip

    with pytest.raises(InvalidResponse, match="larger than"):
        get(client, web.url, max_bytes=100_000)


def test_a_chunked_body_without_end_is_cut_off(client, web):
    def stream(seen, answer):
        answer.raw(CHUNKED)
        answer.repeat(b"400\r\n" + b"x" * 1024 + b"\r\n")

    web.routes["/"] = stream

    with pytest.raises(ResponseTooLarge) as caught:
        get(client, web.url, max_bytes=50_000)

    assert caught.value.details["response"].headers["content-type"] == "text/plain"


def test_a_declared_length_over_the_limit_is_not_waited_for(client, web):
    def promise(seen, answer):
        answer.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n\r\n" + b"{" * 2000)
        answer.hold()

    web.routes["/"] = promise

    with pytest.raises(ResponseTooLarge) as caught:
        get(client, web.url, max_bytes=10_000)

    assert caught.value.details["size"] == 5_000_000_000
    assert caught.value.details["response"].body.startswith(b"{")


def test_a_body_of_exactly_the_limit_is_read(client, web):
    web.routes["/"] = lambda seen, answer: answer.send(b"x" * 5000)

    assert len(get(client, web.url, max_bytes=5000).body) == 5000
    with pytest.raises(ResponseTooLarge):
        get(client, web.url, max_bytes=4999)


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-Header: value\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 1000),
        (b"HTTP/1.1 200 ", b"reason "),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
    ],
)
def test_a_head_without_end_is_cut_off(client, web, start, more):
    def talk(seen, answer):
        answer.raw(start)
        answer.repeat(more)

    web.routes["/"] = talk
    began = time.monotonic()

    with pytest.raises(InvalidResponse):
        get(client, web.url)

    assert time.monotonic() - began < 10


def test_interim_responses_are_skipped(client, web):
    web.routes["/"] = lambda seen, answer: answer.raw(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    )

    assert get(client, web.url).body == b"ok"


def test_too_many_headers_are_told(client, web):
    head = "".join(f"X-{number}: 1\r\n" for number in range(300))
    web.routes["/"] = lambda seen, answer: answer.raw(f"HTTP/1.1 200 OK\r\n{head}Content-Length: 0\r\n\r\n".encode())

    with pytest.raises(InvalidResponse, match="more than 200 headers"):
        get(client, web.url)


def test_a_silent_server_times_out(client, web):
    web.routes["/"] = lambda seen, answer: answer.hold()
    began = time.monotonic()

    with pytest.raises(TimedOut, match=r"^timed out$"):
        get(client, web.url, read_timeout_s=0.2)

    assert time.monotonic() - began < 2


def test_a_server_that_drips_is_bounded_by_the_total_time(web):
    def drip(seen, answer):
        answer.raw(CHUNKED)
        while answer.is_open:
            answer.raw(b"1\r\nx\r\n")
            time.sleep(0.02)

    web.routes["/"] = drip
    client = GuardedClient(("127.0.0.1/32",), total_s=0.5)
    began = time.monotonic()

    with pytest.raises(TimedOut):
        get(client, web.url, read_timeout_s=5)

    assert time.monotonic() - began < 3


def test_a_slow_look_up_times_out(web):
    release = []

    def slow(host, port):
        deadline = time.monotonic() + 3
        while not release and time.monotonic() < deadline:
            time.sleep(0.01)
        return ["127.0.0.1"]

    client = GuardedClient(("127.0.0.1/32",), resolver=slow)

    with pytest.raises(TimedOut):
        get(client, f"http://slow.example:{web.port}/", connect_timeout_s=0.2)
    release.append(True)
