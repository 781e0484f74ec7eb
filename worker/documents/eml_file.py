"""E-mail as it is sent: the lines of its body, of the formatted one if there are two."""

from __future__ import annotations

import codecs
from contextlib import suppress
from email import message_from_bytes
from email.message import MIMEPart
from email.policy import default

from worker.documents.encoding import decoded
from worker.documents.html import page_lines
from worker.documents.lines import prose_lines
from worker.documents.reading import DocumentRefused


def text(content: bytes) -> str:
    body = message_from_bytes(content, policy=default).get_body(("html", "plain"))
    if body is None:
        raise DocumentRefused("it has no body of text")
    lines = page_lines if body.get_content_subtype() == "html" else prose_lines
    return "\n".join(lines(_content(body)))


def _content(part: MIMEPart) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    charset = part.get_content_charset()
    if charset:
        with suppress(LookupError):
            return payload.decode(codecs.lookup(charset).name, errors="ignore")
    return decoded(payload)
