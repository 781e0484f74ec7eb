"""Response bodies as they arrive: content codings undone piece by piece, so that a small body cannot unfold into a large memory."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import IO, cast

import brotli
import zstandard

from worker.outbound.errors import InvalidResponse

#: What requests offer, and what ``decoded`` understands.
ACCEPT_ENCODING = "gzip, deflate, br, zstd"

#: Largest piece that one step of decompression makes.
PIECE_BYTES = 64 * 1024

#: Largest window that a zstd body may ask for: what RFC 9659 allows on the web.
ZSTD_WINDOW_BYTES = 8 * 1024 * 1024

GZIP_MAGIC = b"\x1f\x8b"


def decoded(pieces: Iterable[bytes], content_encoding: str) -> Iterator[bytes]:
    """The body behind a content coding; unknown codings are passed on as they are. Raises ``InvalidResponse`` for broken data."""
    decode = DECODERS.get(content_encoding.strip().lower(), iter)
    return decode(pieces)


def gunzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    return inflated(pieces, zlib.MAX_WBITS | 16)


def undeflated(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """``deflate`` means zlib's format (RFC 9110), but some servers send the bare stream, which lacks zlib's header."""
    rest = iter(pieces)
    start = next(rest, b"")
    has_header = len(start) < 2 or (start[0] & 0x0F == 8 and int.from_bytes(start[:2], "big") % 31 == 0)
    return inflated(chain([start], rest), zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)


def inflated(pieces: Iterable[bytes], window_bits: int) -> Iterator[bytes]:
    inflater = zlib.decompressobj(window_bits)
    try:
        for piece in pieces:
            while piece:
                if inflater.eof:
                    # A gzip body may be several files one behind the other; anything else behind the end is ignored.
                    if not piece.startswith(GZIP_MAGIC):
                        return
                    inflater = zlib.decompressobj(window_bits)
                yield inflater.decompress(piece, PIECE_BYTES)
                piece = inflater.unused_data or inflater.unconsumed_tail
    except zlib.error as error:
        raise InvalidResponse(str(error)) from error


def unbrotlied(pieces: Iterable[bytes]) -> Iterator[bytes]:
    decompressor = brotli.Decompressor()
    try:
        for piece in pieces:
            made = decompressor.process(piece, output_buffer_limit=PIECE_BYTES)
            # It may take all input and still hold output back: both must be asked for.
            while made or not decompressor.can_accept_more_data():
                yield made
                made = decompressor.process(b"", output_buffer_limit=PIECE_BYTES)
    except brotli.error as error:
        raise InvalidResponse(str(error)) from error


def unzstandarded(pieces: Iterable[bytes]) -> Iterator[bytes]:
    source = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES).stream_reader(
        cast(IO[bytes], Pieces(pieces)), read_across_frames=True
    )
    try:
        while piece := source.read(PIECE_BYTES):
            yield piece
    except zstandard.ZstdError as error:
        raise InvalidResponse(str(error)) from error


class Pieces(io.RawIOBase):
    """Pieces as the source that zstandard reads from; it asks for the next one only when it has used the last."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        while not self._rest:
            found = next(self._pieces, None)
            if found is None:
                return b""
            self._rest = found
        piece, self._rest = (self._rest, b"") if size < 0 else (self._rest[:size], self._rest[size:])
        return piece


DECODERS: dict[str, Callable[[Iterable[bytes]], Iterator[bytes]]] = {
    "gzip": gunzipped,
    "x-gzip": gunzipped,
    "deflate": undeflated,
    "br": unbrotlied,
    "zstd": unzstandarded,
}
