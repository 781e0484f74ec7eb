"""Upload bodies byte by byte: also those that no HTTP library would send."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

BOUNDARY = "boundary-of-a-test"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def multipart_body(fields: Iterable[Sequence[str]], files: Iterable[Sequence[Any]]) -> bytes:
    """A file is (field, file name or None for no such attribute, content type or None, size in bytes)."""
    parts = [part(f'name="{name}"', None, value.encode()) for name, value in fields]
    parts += [file_part(*file) for file in files]
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def file_part(name: str, file_name: str | None, content_type: str | None, size: int) -> bytes:
    attributes = f'name="{name}"' if file_name is None else f'name="{name}"; filename="{file_name}"'
    return part(attributes, content_type, b"x" * size)


def part(attributes: str, content_type: str | None, content: bytes) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {attributes}\r\n"
    if content_type:
        head += f"Content-Type: {content_type}\r\n"
    return head.encode() + b"\r\n" + content + b"\r\n"
