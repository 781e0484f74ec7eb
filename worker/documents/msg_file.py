"""E-mail as Outlook stores it: the lines of its body, of the formatted one if there are two.

The file is a compound document with a stream for each property (Microsoft's [MS-OXMSG] section 2.1.3 and [MS-OXPROPS]).
"""

from __future__ import annotations

import io

import olefile

from worker.documents.encoding import decoded
from worker.documents.html import page_lines
from worker.documents.lines import prose_lines
from worker.documents.reading import DocumentRefused

# Properties with their types: 001F is text in UTF-16, 001E in the sender's code page, 0102 bytes.
HTML = ("10130102", "1013001F", "1013001E")
PLAIN = ("1000001F", "1000001E")


def text(content: bytes) -> str:
    with olefile.OleFileIO(io.BytesIO(content)) as file:
        page, prose = _property(file, HTML), _property(file, PLAIN)
    if page is None and prose is None:
        raise DocumentRefused("it has no body of text")
    return "\n".join(prose_lines(prose or "") if page is None else page_lines(page))


def _property(file: olefile.OleFileIO, names: tuple[str, ...]) -> str | None:
    for name in names:
        stream = f"__substg1.0_{name}"
        if file.exists(stream):
            data = file.openstream(stream).read()
            return data.decode("utf-16-le", errors="ignore") if name.endswith("001F") else decoded(data)
    return None
