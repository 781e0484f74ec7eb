"""Bytes of an unknown encoding as text."""

from __future__ import annotations

import codecs

import chardet

#: Longer marks first: that of UTF-32 begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

NUL = b"\0"
#: With more than one NUL in so many bytes it is UTF-16, even where that could be read as UTF-8.
BYTES_PER_NUL = 5

#: Of a file in UTF-8, fewer than one byte in so many can be wrong; a file in another encoding has hardly any that are right.
DAMAGE = 10


def decoded(content: bytes) -> str:
    """The text, without a byte order mark; what is no character in the encoding that fits best is left out."""
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, errors="ignore")
    text = content.decode(errors="ignore")
    if content.count(NUL) * BYTES_PER_NUL <= len(content) and _is_utf_8(content, text):
        return text
    return content.decode(_guess(content), errors="ignore")


def _is_utf_8(content: bytes, text: str) -> bool:
    """Whether the text lacks nothing of the content in UTF-8, or so little that it must be a damaged file."""
    kept = len(text.encode())
    beyond_ascii = kept - len(text)
    return (len(content) - kept) * DAMAGE <= beyond_ascii


def _guess(content: bytes) -> str:
    found = chardet.detect(content, encoding_era=chardet.EncodingEra.MODERN_WEB, prefer_superset=True, compat_names=False)
    return found["encoding"] or "utf-8"
