import json
from contextlib import ExitStack

import pytest

from app.errors import APIError
from app.stream.answers import error_encoder
from app.stream.sse import PIECE_BYTES, PING, RETRY, EventStream, sse_frame
from worker.bus.ports import LogEntry


class Scripted:
    """A relay that hands out what it is told; an exception is raised."""

    def __init__(self, *script: object, is_released: bool = False) -> None:
        self.script = script
        self.is_released = is_released

    def __iter__(self):
        for item in self.script:
            if isinstance(item, Exception):
                raise item
            yield item


def stream(relay: Scripted, with_ids: bool = False, resources: ExitStack | None = None) -> EventStream:
    return EventStream(relay, error_encoder("run", "task"), resources or ExitStack(), with_ids=with_ids)


def test_an_event_is_one_data_line():
    assert sse_frame(LogEntry(7, b'{"a":1}'), False) == b'data: {"a":1}\n\n'


def test_an_id_follows_the_data_where_it_was_asked_for():
    assert sse_frame(LogEntry(7, b'{"a":1}'), True) == b'data: {"a":1}\nid: 7\n\n'


def test_a_keep_alive_is_thirteen_bytes():
    assert list(stream(Scripted(None)))[1:] == [b"event: ping\n\n"]
    assert len(PING) == 13


def test_a_large_event_is_handed_on_in_pieces():
    text = b'{"a":"' + b"x" * 2 * PIECE_BYTES + b'"}'

    _, *chunks = stream(Scripted(LogEntry(1, text)))

    assert b"".join(chunks) == b"data: " + text + b"\n\n"
    assert max(map(len, chunks)) == PIECE_BYTES


def test_the_first_chunk_is_empty_so_that_the_headers_go_out():
    assert next(iter(stream(Scripted()))) == b""


@pytest.mark.parametrize(
    ("failure", "code", "status"), [(APIError("not_found"), "not_found", 404), (ValueError("secret"), "internal_server_error", 500)]
)
def test_a_failure_is_the_last_event(failure: Exception, code: str, status: int):
    *_, last = stream(Scripted(LogEntry(1, b"{}"), failure))

    assert last.endswith(b"\n\n")
    event = json.loads(last.removeprefix(b"data: "))
    assert (event["event"], event["code"], event["status"]) == ("error", code, status)
    assert (event["workflow_run_id"], event["task_id"]) == ("run", "task")
    assert "secret" not in event["message"]


@pytest.mark.parametrize(("with_ids", "last"), [(True, RETRY), (False, b"data: {}\n\n")])
def test_only_who_can_resume_is_told_when_to_come_back(with_ids: bool, last: bytes):
    relay = Scripted(LogEntry(1, b"{}"), is_released=True)

    ending = list(stream(relay, with_ids))[-1]

    assert ending == last


@pytest.mark.parametrize("chunks", [0, 1, 2])
def test_closing_frees_everything_however_far_the_client_got(chunks: int):
    freed = []
    resources = ExitStack()
    resources.callback(freed.append, True)
    body = stream(Scripted(LogEntry(1, b"{}"), LogEntry(2, b"{}")), resources=resources)
    for _ in range(chunks):
        next(iter(body))

    body.close()

    assert freed == [True]
