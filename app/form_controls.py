"""The controls of a form's inputs, and what a submitted page says in them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from werkzeug.datastructures import FileStorage, MultiDict

from app.parts import Parts
from app.uploads import check_name, file_size
from worker.engine.file_types import CUSTOM, EXTENSIONS, detect_type
from worker.engine.human_form import HumanForm
from worker.engine.values import File
from worker.store.files import to_file, upload_name

#: How the ways to give a file are called in ``allowed_file_upload_methods``; none listed: all of them.
UPLOAD, ADDRESS = "local_file", "remote_url"


@dataclass(frozen=True, slots=True)
class Control:
    name: str
    #: ``paragraph``, ``select``, ``file`` or ``file-list``.
    type: str
    #: What it begins with.
    text: str = ""
    options: Sequence[str] = ()
    takes_uploads: bool = False
    takes_addresses: bool = False
    #: Extensions for the browser's dialog, as its ``accept`` wants them; empty: any.
    accept: str = ""

    @property
    def field(self) -> str:
        """Its name in the page, where ``action`` is another field."""
        return f"in.{self.name}"

    @property
    def address_field(self) -> str:
        """Of the addresses of files, a line each."""
        return f"url.{self.name}"


def controls_of(form: HumanForm, texts: Mapping[str, str]) -> list[Control]:
    return [control_of(declared, texts) for declared in form.inputs]


def control_of(declared: Mapping[str, Any], texts: Mapping[str, str]) -> Control:
    name, kind = declared["output_variable_name"], declared["type"]
    if kind in ("file", "file-list"):
        methods = declared["allowed_file_upload_methods"] or (UPLOAD, ADDRESS)
        return Control(name, kind, "", (), UPLOAD in methods, ADDRESS in methods, accept_of(declared))
    source = declared.get("option_source") or {}
    return Control(name, kind, texts.get(name, ""), source.get("value") or ())


def accept_of(declared: Mapping[str, Any]) -> str:
    kinds = declared["allowed_file_types"]
    known = (f".{ending}" for kind in kinds for ending in sorted(EXTENSIONS.get(kind, ())))
    own = (f".{ending.lower().removeprefix('.')}" for ending in declared["allowed_file_extensions"] if CUSTOM in kinds)
    return ",".join([*known, *own])


def given_texts(form: HumanForm, fields: MultiDict[str, str]) -> dict[str, str]:
    """What was typed and chosen; browsers send other line ends than people type."""
    found = ((control.name, fields.get(control.field)) for control in controls_of(form, {}))
    return {name: text.replace("\r\n", "\n") for name, text in found if text is not None}


class PageFiles:
    """The files of a submitted page. Each is kept when the form asks for it, which it does when the rest of the answer fits."""

    def __init__(self, parts: Parts, app_id: str, end_user_id: str) -> None:
        self._parts = parts
        self._app_id = app_id
        self._end_user_id = end_user_id
        self._sent: dict[str, FileStorage] = {}

    def given(self, form: HumanForm, fields: MultiDict[str, str], files: MultiDict[str, FileStorage]) -> dict[str, Any]:
        """By input, what a request of the API would say about the files."""
        found: dict[str, Any] = {}
        for control in controls_of(form, {}):
            uploads = [self._offer(file) for file in files.getlist(control.field) if file.filename]
            addresses = [{"transfer_method": ADDRESS, "url": line} for line in fields.get(control.address_field, "").split()]
            mappings = uploads + addresses
            if control.type == "file-list":
                found[control.name] = mappings
            elif control.type == "file" and mappings:
                found[control.name] = mappings[0]
        return found

    def _offer(self, file: FileStorage) -> dict[str, Any]:
        file_id = str(uuid.uuid4())
        self._sent[file_id] = file
        kind = detect_type(upload_name(str(file.filename))[1], file.mimetype)
        return {"transfer_method": UPLOAD, "upload_file_id": file_id, "type": kind}

    def __call__(self, mapping: Mapping[str, Any]) -> File:
        """A ``ResolveFile``. Raises ``APIError``, ``FormError``, ``StorageUnavailable``."""
        sent = self._sent.get(mapping.get("upload_file_id", ""))
        return self._parts.files.references(self._app_id, self._end_user_id)(mapping) if sent is None else self._keep(sent)

    def _keep(self, sent: FileStorage) -> File:
        check_name(sent, self._parts.api)
        size = file_size(sent, self._parts.api)
        content = cast("BinaryIO", sent.stream)
        stored = self._parts.files.upload(self._app_id, self._end_user_id, str(sent.filename), sent.mimetype, size, content)
        return to_file(stored)
