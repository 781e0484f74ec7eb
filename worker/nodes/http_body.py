"""Request bodies of the http-request node, one function per body type (nodes.md section 6.7)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from worker.engine.errors import NodeError
from worker.engine.ports import Files
from worker.engine.templates import Template
from worker.engine.variables import File, Selector, VariablePool
from worker.nodes.fields import Fields
from worker.nodes.http_multipart import Part, multipart

#: Repairing is slow and cannot be interrupted: a text of this many characters took up to 4 s.
REPAIRABLE_CHARACTERS = 500_000


@dataclass(frozen=True, slots=True)
class BodyItem:
    key: Template
    #: ``text`` or ``file``.
    kind: str
    value: Template
    #: Where a file comes from; empty for texts.
    file: Selector

    @classmethod
    def of(cls, fields: Fields) -> BodyItem:
        kind = fields.choice("type", ("text", "file"), "text")
        return cls(fields.template("key"), kind, fields.template("value"), fields.selector("file"))


@dataclass(frozen=True, slots=True)
class Body:
    content: bytes = b""
    #: Default of the body's type; empty: none.
    content_type: str = ""
    #: Its content type names the boundary, so that no header of the node may stand in its place.
    is_multipart: bool = False
    #: How ``process_data`` shows the content; files as notes of their size.
    shown: str = ""


Builder = Callable[[Sequence[BodyItem], VariablePool, Files], Body]


def no_body(items: Sequence[BodyItem], pool: VariablePool, files: Files) -> Body:
    return Body()


def raw_text_body(items: Sequence[BodyItem], pool: VariablePool, files: Files) -> Body:
    text = only(items, "raw-text").value.render(pool)
    return Body(text.encode("utf-8", "replace"), "text/plain", shown=text)


def json_body(items: Sequence[BodyItem], pool: VariablePool, files: Files) -> Body:
    text = only(items, "json").value.render(pool)
    sent = json_text(text)
    return Body(sent.encode("ascii"), "application/json", shown=shown_json(pool.masker.text(text), text, sent))


def json_text(text: str) -> str:
    """What is sent for a rendered body. Raises ``NodeError``."""
    return json.dumps(tolerant_json(text)) if text.strip() else ""


def shown_json(masked: str, text: str, sent: str) -> str:
    """Secrets are masked before the text is mended or laid out anew: in what is sent they may not be recognised any more."""
    try:
        return sent if masked == text else json_text(masked)
    except NodeError:
        return masked


def form_body(items: Sequence[BodyItem], pool: VariablePool, files: Files) -> Body:
    text = urlencode({item.key.render(pool): item.value.render(pool) for item in items}, errors="replace")
    return Body(text.encode("ascii"), "application/x-www-form-urlencoded", shown=text)


def multipart_body(items: Sequence[BodyItem], pool: VariablePool, files: Files) -> Body:
    """Texts first, then files; the last text of a name decides."""
    texts = {item.key.render(pool): item.value.render(pool) for item in items if item.kind == "text"}
    parts = [Part(name, text.encode("utf-8", "replace")) for name, text in texts.items()]
    for item in items:
        if item.kind == "file":
            parts += [file_part(item.key.render(pool), file, files) for file in files_of(pool.get(item.file))]
    content, content_type, shown = multipart(parts)
    return Body(content, content_type, is_multipart=True, shown=shown)


def binary_body(items: Sequence[BodyItem], pool: VariablePool, files: Files) -> Body:
    selector = only(items, "binary").file
    file = pool.get(selector)
    if not isinstance(file, File):
        raise NodeError(f"cannot fetch file with selector {list(selector)}", error_type="FileFetchError")
    content = files.read(file)
    return Body(content, shown=f"<file: {file.filename}, {len(content)} bytes>")


BUILDERS: Mapping[str, Builder] = {
    "none": no_body,
    "raw-text": raw_text_body,
    "json": json_body,
    "x-www-form-urlencoded": form_body,
    "form-data": multipart_body,
    "binary": binary_body,
}


def only(items: Sequence[BodyItem], kind: str) -> BodyItem:
    if len(items) != 1:
        raise NodeError(f"{kind} body type should have exactly one item", error_type="RequestBodyError")
    return items[0]


def tolerant_json(text: str) -> Any:
    """The value of a JSON text, mended where it is broken: unescaped quotes, missing brackets, bare words."""
    try:
        try:
            return json.loads(text, strict=False)
        except json.JSONDecodeError:
            return json.loads(repaired(text), strict=False)
    except (json.JSONDecodeError, RecursionError):
        raise NodeError(f"Failed to parse JSON: {text}", error_type="RequestBodyError") from None


def repaired(text: str) -> str:
    if len(text) > REPAIRABLE_CHARACTERS:
        return ""
    from json_repair import repair_json

    return repair_json(text, skip_json_loads=True)


def file_part(name: str, file: File, files: Files) -> Part:
    return Part(name, files.read(file), file.filename, file.mime_type or "application/octet-stream")


def files_of(value: Any) -> list[File]:
    """The file, or the files of a list; of anything else none."""
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, File)]
