"""multipart/form-data (RFC 7578), as browsers write it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

#: Ends a body without files: some servers read texts only from a body that has a file part, and ignore this one.
PLACEHOLDER_NAME = "__multipart_placeholder__"


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    content: bytes
    filename: str = ""
    #: Empty for texts.
    content_type: str = ""

    @property
    def head(self) -> str:
        filename = f'; filename="{escaped(self.filename)}"' if self.filename else ""
        content_type = f"Content-Type: {escaped(self.content_type)}\r\n" if self.content_type else ""
        return f'Content-Disposition: form-data; name="{escaped(self.name)}"{filename}\r\n{content_type}\r\n'

    @property
    def shown(self) -> str:
        """The part in a dump: files as a note of their size."""
        if self.content_type:
            return f"{self.head}<file: {len(self.content)} bytes>"
        return self.head + self.content.decode("utf-8", "replace")


def multipart(parts: Sequence[Part]) -> tuple[bytes, str, str]:
    """Body, its content type, and its readable form."""
    if not any(part.content_type for part in parts):
        parts = [*parts, Part(PLACEHOLDER_NAME, b"", content_type="application/octet-stream")]
    boundary = f"penstock{secrets.token_hex(16)}"
    body = b"".join(f"--{boundary}\r\n{part.head}".encode("utf-8", "replace") + part.content + b"\r\n" for part in parts)
    shown = "".join(f"--{boundary}\r\n{part.shown}\r\n" for part in parts)
    end = f"--{boundary}--\r\n"
    return body + end.encode(), f"multipart/form-data; boundary={boundary}", shown + end


def escaped(name: str) -> str:
    """As the HTML standard writes names between quotes; what comes out can end neither the quotes nor the line."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
