import miniaudio
import pytest

from app.dev_model.sounds import spoken
from worker.speech.mp3 import whole_frames

SPEECH = b"".join(spoken("Some words to hear", "mp3"))
ID3 = b"ID3\x03\x00\x00\x00\x00\x01\x02" + bytes(130)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 95, 96, 97, 1000, 100_000])
@pytest.mark.parametrize("tag", [b"", ID3], ids=["plain", "tagged"])
def test_pieces_end_with_a_frame_and_lose_nothing(size: int, tag: bytes) -> None:
    pieces = list(whole_frames(cut(tag + SPEECH, size)))

    assert b"".join(pieces) == tag + SPEECH
    assert all(piece.startswith((b"\xff\xf3", b"ID3")) for piece in pieces)


def test_each_piece_can_be_decoded() -> None:
    pieces = list(whole_frames(cut(SPEECH, 1000)))

    samples = [miniaudio.decode(piece, sample_rate=24_000).num_frames for piece in pieces]
    assert sum(samples) == miniaudio.decode(SPEECH, sample_rate=24_000).num_frames
    assert min(samples) > 0


@pytest.mark.parametrize(("version", "rate", "length"), [(0xFB, 0x90, 417), (0xFB, 0x92, 418), (0xF3, 0x80, 208), (0xE3, 0x80, 417)])
def test_frames_of_all_versions_are_measured(version: int, rate: int, length: int) -> None:
    """128 kbit/s at 44.1 kHz with and without padding; 64 kbit/s at 22.05 and at 11.025 kHz."""
    frame = bytes([0xFF, version, rate, 0xC4]).ljust(length, b"\0")

    assert list(whole_frames([frame + frame[:50], frame[50:]])) == [frame, frame]


@pytest.mark.parametrize("data", [b"RIFF....WAVE", b"\xff\xfb\x00\xc4" + bytes(20), b"\xff\xff\xff\xff\xff"])
def test_what_is_no_mp3_passes_as_it_comes(data: bytes) -> None:
    assert list(whole_frames([data, data])) == [data, data]


def test_a_tag_at_the_end_passes() -> None:
    tag = b"TAG".ljust(128, b" ")

    assert b"".join(whole_frames(cut(SPEECH + tag, 100))) == SPEECH + tag


def test_a_frame_that_is_cut_off_still_comes() -> None:
    assert list(whole_frames([SPEECH[:100]])) == [SPEECH[:96], SPEECH[96:100]]
