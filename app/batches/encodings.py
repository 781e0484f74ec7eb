"""The encoding of an uploaded file: named by the client, by its byte order mark, or found out; never more than a line in memory.

Whatever it is, the file is read as lines of bytes in an encoding in which a line feed, a comma and a quotation mark are one byte each:
UTF-16 and UTF-32 are turned into UTF-8 on the way.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO, cast

from app.batches.lines import Line, bounded_lines

#: Longer marks first: that of UTF-32 begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

#: Encodings that a client may name, by the names of Python's codecs; those of one byte a character or more, in which ASCII is ASCII.
BYTEWISE = frozenset(
    {
        "utf-8",
        "gb18030",
        "big5",
        "big5hkscs",
        "shift_jis",
        "cp932",
        "euc_jp",
        "euc_kr",
        "cp949",
        *(f"cp{number}" for number in range(1250, 1259)),
        *(f"iso8859-{number}" for number in (*range(1, 12), *range(13, 17))),
        "koi8-r",
        "mac-roman",
    }
)
WIDE = frozenset({"utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"})

#: GB18030 has all characters of its ancestors, and more.
LARGER = {"gbk": "gb18030", "gb2312": "gb18030", "cp936": "gb18030", "ascii": "utf-8", "utf-8-sig": "utf-8"}

PIECE_BYTES = 64 * 1024

#: A file counts as GB18030 if of its lines that are no UTF-8 at most one in so many is no GB18030 either, and at most one in so many
#: lines could be UTF-8.
DAMAGE = 10
#: Share of its characters that must be among the 7,445 usual ones then: bytes of other encodings pass for GB18030, but for rare characters.
USUAL = 0.8

#: Stands for bytes that are no character. Strict UTF-8 refuses it, so that nobody takes it for text.
BROKEN = "\udcff"
MARK_BROKEN = "penstock-mark-broken"
codecs.register_error(MARK_BROKEN, lambda error: (BROKEN, cast("UnicodeDecodeError", error).end))


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the bytes of a file's lines become text."""

    #: That of the file, as the client is told it.
    name: str
    #: That of its lines as they are read.
    of_lines: str = "utf-8"
    #: Found out, so that a line that could be UTF-8 all the same says so.
    is_guess: bool = False

    def decode(self, line: bytes) -> str:
        """The text of a line; bytes that are none become ``BROKEN``."""
        text = line.decode(self.of_lines, MARK_BROKEN)
        return BROKEN + text if self.is_guess and is_utf_8(line) else text

    @property
    def complaint(self) -> str:
        """What is wrong with an item that has ``BROKEN`` in it."""
        if self.is_guess:
            return f"It could be UTF-8, while the rest of the file is {self.name}: save the file in one encoding, or name it with encoding."
        return f"It is no {self.name} text: save the file as UTF-8, or name its encoding with encoding."


def is_utf_8(line: bytes) -> bool:
    """Whether a line has characters beyond ASCII, and all of them are those of UTF-8."""
    if line.isascii():
        return False
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def encoding_named(name: str) -> str:
    """The codec of a name that a client uses. Raises ``ValueError`` with a predicate for one that no file can have here."""
    try:
        codec = codecs.lookup(name).name
    except (LookupError, ValueError) as error:
        raise ValueError("must be the name of an encoding, such as utf-8, utf-16 or gb18030") from error
    codec = LARGER.get(codec, codec)
    if codec not in BYTEWISE | WIDE:
        raise ValueError("must be the name of an encoding, such as utf-8, utf-16 or gb18030")
    return codec


class TextFile:
    """An uploaded file whose lines can be read any number of times."""

    def __init__(self, file: BinaryIO, encoding: str | None, line_limit: int) -> None:
        """``file`` is seekable; ``encoding``: a codec of ``encoding_named``, None to find it out; ``line_limit`` in bytes."""
        self._file = file
        self._line_limit = line_limit
        self._mark, marked = _mark_of(file)
        self.encoding = _chosen(marked or encoding) or self._find_out()

    def open(self) -> BinaryIO:
        """Its bytes from the start on, without a mark. What was opened before must not be read any more."""
        self._file.seek(self._mark)
        if self.encoding.name not in WIDE:
            return self._file
        return cast("BinaryIO", io.BufferedReader(Transcoded(self._file, self.encoding.name), PIECE_BYTES))

    def lines(self) -> Iterable[Line]:
        return bounded_lines(self.open(), self._line_limit)

    def _find_out(self) -> Encoding:
        self._file.seek(0)
        if is_all_utf_8(self._file):
            return Encoding("utf-8")
        self._file.seek(0)
        is_chinese = looks_like_gb18030(bounded_lines(self._file, self._line_limit))
        return Encoding("gb18030", "gb18030", is_guess=True) if is_chinese else Encoding("utf-8")


def _mark_of(file: BinaryIO) -> tuple[int, str | None]:
    """Length of the byte order mark, and the encoding that it means."""
    file.seek(0)
    head = file.read(4)
    return next(((len(mark), name) for mark, name in MARKS if head.startswith(mark)), (0, None))


def _chosen(name: str | None) -> Encoding | None:
    if name is None:
        return None
    # Without a mark, UTF-16 is what Windows writes.
    name = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(name, name)
    return Encoding(name, "utf-8" if name in WIDE else name)


def is_all_utf_8(file: BinaryIO) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while piece := file.read(PIECE_BYTES):
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def looks_like_gb18030(lines: Iterable[Line]) -> bool:
    """Whether lines of a file that is no UTF-8 are Chinese, almost all of them and in one encoding."""
    damaged = wrong = utf_8 = usual = beyond = 0
    for line in lines:
        if line.data is None or line.data.isascii():
            continue
        if is_utf_8(line.data):
            utf_8 += 1
            continue
        damaged += 1
        text = line.data.decode("gb18030", MARK_BROKEN)
        wrong += BROKEN in text
        beyond += sum(not character.isascii() for character in text)
        usual += _usual(text)
    return max(wrong, utf_8) * DAMAGE <= damaged and usual >= beyond * USUAL


def _usual(text: str) -> int:
    """Characters of GB 2312 beyond ASCII."""
    return (len(text.encode("gb2312", "ignore")) - len(text.encode("ascii", "ignore"))) // 2


class Transcoded(io.RawIOBase):
    """UTF-16 or UTF-32 as UTF-8; what is no character becomes what strict UTF-8 refuses, in its own line."""

    def __init__(self, source: BinaryIO, encoding: str) -> None:
        self._source = source
        self._decoder = codecs.getincrementaldecoder(encoding)(MARK_BROKEN)
        self._left = b""
        self._has_ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        while not self._left and not self._has_ended:
            piece = self._source.read(PIECE_BYTES)
            self._has_ended = not piece
            self._left = self._decoder.decode(piece, final=not piece).encode("utf-8", "surrogatepass")
        count = min(len(view), len(self._left))
        view[:count], self._left = self._left[:count], self._left[count:]
        return count
