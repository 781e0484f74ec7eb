"""Pictures of the scripted server: small squares of one colour."""

from __future__ import annotations

import base64
import struct
import zlib

from app.dev_model.tokens import stable_hash

#: Pixels of an edge.
EDGE = 16

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def picture_url(seed: str) -> str:
    """A data URL, always the same for the same seed."""
    return f"data:image/png;base64,{base64.b64encode(square(seed)).decode()}"


def square(seed: str) -> bytes:
    """PNG: true colour with 8 bits a channel, every row without a filter."""
    row = b"\0" + stable_hash(seed).to_bytes(8)[:3] * EDGE
    header = struct.pack(">IIBBBBB", EDGE, EDGE, 8, 2, 0, 0, 0)
    return SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(row * EDGE)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
