import threading

import pytest

from app.errors import APIError
from app.stream.open_streams import OpenStreams


class Relay:
    def __init__(self) -> None:
        self.released = threading.Event()

    def release(self) -> None:
        self.released.set()


def test_readers_above_the_limit_are_refused_until_one_leaves():
    streams = OpenStreams(2)
    first, second = Relay(), Relay()
    streams.add(first)
    streams.add(second, is_call=True)

    with pytest.raises(APIError) as refusal:
        streams.check_room()
    assert (refusal.value.status, refusal.value.code) == (503, "service_unavailable")
    streams.remove(first)
    streams.check_room()


def test_without_a_limit_there_is_always_room():
    streams = OpenStreams(0)
    for _ in range(10):
        streams.add(Relay())

    streams.check_room()


def test_draining_releases_streams_at_once_and_calls_after_their_time():
    streams = OpenStreams(0)
    stream, call = Relay(), Relay()
    streams.add(stream)
    streams.add(call, is_call=True)
    drain = threading.Thread(target=streams.drain, args=(5.0,))

    drain.start()

    assert stream.released.wait(5)
    assert not call.released.is_set()
    streams.remove(call)
    drain.join(5)
    assert not drain.is_alive()


def test_calls_that_take_too_long_are_released():
    streams = OpenStreams(0)
    call = Relay()
    streams.add(call, is_call=True)

    streams.drain(0.01)

    assert call.released.is_set()


def test_a_process_that_drains_takes_no_new_readers():
    streams = OpenStreams(0)
    streams.drain(0)
    late = Relay()

    with pytest.raises(APIError):
        streams.check_room()
    streams.add(late)
    assert late.released.is_set()
