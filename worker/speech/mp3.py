"""MP3 cut where it may be cut: a model's answer arrives in pieces that end anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

#: Kilobits per second of layer III by the header's index, for MPEG 1 and for MPEG 2 and 2.5 (ISO 11172-3, ISO 13818-3).
BIT_RATES = {
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0),
}
#: Samples per second by the header's two bits for the version, then by those for the rate.
SAMPLE_RATES = {0: (11025, 12000, 8000), 2: (22050, 24000, 16000), 3: (44100, 48000, 32000)}

LAYER_III = 1
TAG_HEADER = 10
FRAME_HEADER = 4


def whole_frames(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces that end with a frame, so that each can be decoded by itself. What is no MP3 passes unchanged."""
    held = b""
    for chunk in chunks:
        held += chunk
        end = _last_boundary(held)
        if end:
            yield held[:end]
            held = held[end:]
    if held:
        yield held


def _last_boundary(data: bytes) -> int:
    position = 0
    while position < len(data):
        length = _length_at(data, position)
        if length is None:
            # No frame and no tag: nothing is known about what follows.
            return len(data)
        if not length or position + length > len(data):
            return position
        position += length
    return position


def _length_at(data: bytes, position: int) -> int | None:
    """Bytes of the frame or tag that begins here; 0: not enough is there to tell; None: neither begins here."""
    rest = len(data) - position
    if data.startswith(b"ID3", position):
        return TAG_HEADER + _syncsafe(data[position + 6 : position + TAG_HEADER]) if rest >= TAG_HEADER else 0
    if data.startswith(b"TAG", position):
        return 128
    if rest < FRAME_HEADER:
        return 0
    return _frame_length(data[position : position + FRAME_HEADER])


def _frame_length(header: bytes) -> int | None:
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    rate_index, sample_index, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if header[0] != 0xFF or header[1] >> 5 != 7 or layer != LAYER_III or version not in SAMPLE_RATES or sample_index == 3:
        return None
    bit_rate = BIT_RATES[1 if version == 3 else 2][rate_index]
    samples = 144 if version == 3 else 72
    return samples * bit_rate * 1000 // SAMPLE_RATES[version][sample_index] + padding if bit_rate else None


def _syncsafe(size: bytes) -> int:
    """Four times seven bits (ID3v2.3 section 3.1)."""
    return size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3]
