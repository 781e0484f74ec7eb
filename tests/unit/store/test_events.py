"""Packed stretches of frames."""

import pytest

from worker.store.events import EventStretch, pack, unpack


@pytest.mark.parametrize("frames", [[b"{}"], [b'{"a":1}', b'{"text":"\xc3\xbc\\n"}', b"{}"], [b"x" * 100_000] * 3])
def test_frames_come_back_word_by_word(frames: list[bytes]) -> None:
    assert unpack(pack(frames)) == frames


def test_a_stretch_knows_its_numbers() -> None:
    stretch = EventStretch.of(5, [b"{}", b"{}", b"{}"])

    assert (stretch.first, stretch.last) == (5, 7)


def test_frames_that_are_alike_take_little_room() -> None:
    frame = b'{"event":"text_chunk","workflow_run_id":"0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0ff","data":{"text":"a"}}'

    assert len(pack([frame] * 100)) < len(frame) * 10
