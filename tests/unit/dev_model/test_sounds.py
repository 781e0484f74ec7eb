import miniaudio
import pytest

from app.dev_model.sounds import FRAME_BYTES, FRAME_SAMPLES, HEADER, RATE, WORD_FRAMES, spoken


def frames(mp3):
    return [mp3[place : place + FRAME_BYTES] for place in range(0, len(mp3), FRAME_BYTES)]


def test_mp3_is_made_of_whole_frames_whatever_was_said_before():
    parts = list(spoken("Hello world again", "mp3"))

    assert len(parts) == 3
    for part in parts:
        assert [frame[:4] for frame in frames(part)] == [HEADER] * WORD_FRAMES
        assert {len(frame) for frame in frames(part)} == {FRAME_BYTES}


def test_each_word_has_its_tone():
    one, two, again = spoken("one two one", "mp3")

    assert one == again != two


def test_nothing_to_say_is_a_sound_too():
    assert list(spoken(" ", "mp3"))


def test_the_data_of_a_frame_says_its_own_length():
    """Bits 9 to 20 of the side information; then 72 bits of it, and as many bits of data as it tells."""
    frame = frames(next(iter(spoken("one", "mp3"))))[0]
    bits = format(int.from_bytes(frame[4:]), f"0{(FRAME_BYTES - 4) * 8}b")
    length = int(bits[9:21], 2)

    assert 0 < length < len(bits) - 72
    assert "1" in bits[72 : 72 + length]
    assert set(bits[72 + length :]) == {"0"}


@pytest.mark.parametrize("media", ["mp3", "wav"])
def test_a_player_hears_tones_and_silence(media):
    sound = miniaudio.decode(b"".join(spoken("one two three", media)), nchannels=1, sample_rate=RATE)

    assert len(sound.samples) == pytest.approx(3 * WORD_FRAMES * FRAME_SAMPLES, rel=0.1)
    assert max(sound.samples) > 2000
    assert max(sound.samples[-FRAME_SAMPLES // 2 :]) < 200
