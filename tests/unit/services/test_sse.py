"""The event stream reader of the tests keeps the rules that browsers keep."""

import pytest

from tests.services.sse import Message, Parser, parse


def read(*pieces: bytes) -> list[tuple[str, str, str]]:
    return [(message.event, message.data, message.last_event_id) for message in parse(pieces)]


def test_block_without_data_dispatches_nothing():
    assert read(b"event: ping\n\ndata: 1\n\n") == [("message", "1", "")]


def test_block_without_its_blank_line_dispatches_nothing():
    assert read(b"data: 1\n\ndata: 2\n") == [("message", "1", "")]


def test_id_stays_until_the_next_one():
    assert read(b"data: 1\nid: 7\n\ndata: 2\n\n") == [("message", "1", "7"), ("message", "2", "7")]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"], ids=["lf", "cr", "crlf"])
def test_lines_end_in_three_ways(end):
    assert read(b"event: x" + end + b"data: a" + end + b"data: b" + end + end + b":" + end) == [("x", "a\nb", "")]


def test_pieces_may_break_anywhere():
    stream = "data: é世\r\n\r\ndata: 2\n\n".encode()

    assert read(*(stream[n : n + 1] for n in range(len(stream)))) == [("message", "é世", ""), ("message", "2", "")]


def test_byte_order_mark_comments_and_unknown_fields_are_ignored():
    assert read(b"\xef\xbb\xbf: comment\nfoo: bar\ndata:no blank\n\n") == [("message", "no blank", "")]


def test_retry_is_read():
    parser = Parser()

    assert list(parser.feed(b"retry: 1000\nretry: soon\ndata: {}\n\n")) == [Message("message", "{}", "")]
    assert parser.retry_ms == 1000
