"""PDF: the texts of the pages one after the other, as PDFium finds them; where it finds none at all, as pypdf does."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

import pypdf
import pypdfium2

#: Seconds for the second attempt. Most documents without text are scans, in which there is none to find however long one looks.
SECOND_ATTEMPT_S = 10.0


def text(content: bytes) -> str:
    return _by_pdfium(content) or _by_pypdf(content)


def _by_pdfium(content: bytes) -> str:
    document = pypdfium2.PdfDocument(content)
    try:
        return "".join(_page_texts(document))
    finally:
        document.close()


def _page_texts(document: pypdfium2.PdfDocument) -> Iterator[str]:
    for page in document:
        found = page.get_textpage()
        yield found.get_text_range()
        found.close()
        page.close()


def _by_pypdf(content: bytes) -> str:
    """Whatever can be had: PDFium has read the document, so that a failure here means no more than that there is no text."""
    deadline = time.monotonic() + SECOND_ATTEMPT_S
    found = []
    try:
        for page in pypdf.PdfReader(io.BytesIO(content)).pages:
            if time.monotonic() > deadline:
                break
            found.append(page.extract_text())
    except Exception:
        return ""
    return "".join(found)
