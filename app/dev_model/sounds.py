"""Speech of the scripted server: a short tone for each word, in a format that any player reads."""

from __future__ import annotations

import io
import math
import wave
from array import array
from collections.abc import Iterator

from app.dev_model.tokens import stable_hash, tokens_of

RATE = 24_000
#: Samples of an MP3 frame of MPEG-2, and frames of a word.
FRAME_SAMPLES = 576
WORD_FRAMES = 8

MEDIA_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav", "pcm": "audio/pcm"}

#: MPEG-2 layer III, no checksum, 32 kbit/s, 24 kHz, one channel; 72 * 32000 / 24000 bytes.
HEADER = bytes((0xFF, 0xF3, 0x44, 0xC4))
FRAME_BYTES = 96
#: Side information of one channel is 72 bits long in MPEG-2.
SIDE_BITS = 72
#: Loud enough to be heard; a step is a quarter of the power.
GLOBAL_GAIN = 196


def spoken(text: str, media: str) -> Iterator[bytes]:
    """One part a word. ``media`` is a key of ``MEDIA_TYPES``."""
    words = [token for token in tokens_of(text) if token.strip()] or ["."]
    if media == "wav":
        yield _wav(b"".join(_pcm(word) for word in words))
        return
    for word in words:
        yield _mp3(word) if media == "mp3" else _pcm(word)


def _line(word: str) -> int:
    """Which of the 576 lines of the spectrum sounds, each 20.8 Hz wide: 200 to 900 Hz."""
    return 10 + stable_hash(word.strip().lower()) % 32


def _mp3(word: str) -> bytes:
    sound, silence = _mp3_frame(_line(word)), _mp3_frame(None)
    return sound * (WORD_FRAMES - 2) + silence * 2


def _mp3_frame(line: int | None) -> bytes:
    """A frame whose spectrum has one line, or none."""
    spectrum = "" if line is None else _spectrum(line)
    side = _bits(
        (0, 8),  # Where the data begins: in this frame.
        (0, 1),  # Private.
        (len(spectrum), 12),
        (0, 9),  # No pairs of big values.
        (GLOBAL_GAIN if line is not None else 0, 8),
        (0, 9),  # Scale factors of no length.
        (0, 1),  # Long windows.
        (0, 15),  # Tables of the three regions of big values.
        (0, 4 + 3),  # Regions.
        (0, 1),  # Scale factors are not amplified.
        (1, 1),  # Small values are written with table B.
    )
    bits = side.ljust(SIDE_BITS, "0") + spectrum
    body = int(bits.ljust((FRAME_BYTES - len(HEADER)) * 8, "0"), 2)
    return HEADER + body.to_bytes(FRAME_BYTES - len(HEADER))


def _spectrum(line: int) -> str:
    """Groups of four lines in table B: four bits, 1 where the line is silent, then a sign for each that sounds."""
    groups, place = divmod(line, 4)
    return "1111" * groups + "".join("0" if index == place else "1" for index in range(4)) + "0"


def _bits(*fields: tuple[int, int]) -> str:
    """Numbers in so many bits each."""
    return "".join(format(value, f"0{width}b") for value, width in fields)


def _pcm(word: str) -> bytes:
    """Samples of 16 bits, little endian."""
    step = 2 * math.pi * (_line(word) + 0.5) / (2 * FRAME_SAMPLES)
    sound = [round(6000 * math.sin(step * number)) for number in range(FRAME_SAMPLES * (WORD_FRAMES - 2))]
    samples = array("h", [*sound, *([0] * (FRAME_SAMPLES * 2))])
    return samples.tobytes()


def _wav(samples: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(samples)
    return file.getvalue()
