"""A request for a batch, from its body to what is stored (docs/batches.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, cast

from flask import Request
from werkzeug.datastructures import FileStorage

from app.auth import require_workflow_app
from app.batches.checking import checked_items
from app.batches.encodings import encoding_named
from app.batches.intake import AcceptedBatch, load_known, new_batch_of, store_batch
from app.batches.json_items import ItemsBody
from app.batches.sources import FileSource, ItemsSource, Source, fingerprint
from app.body import refuse_compression, user_name
from app.config import MEGABYTE
from app.errors import APIError, invalid_param
from app.idempotency import idempotency_key
from app.parts import Parts
from app.schemas.batches import BatchForm, BatchRequest, form_options
from app.schemas.fields import load
from app.submission import choose_workflow, end_user
from app.webhooks import provide_secret, webhook_of
from worker.store.batches import find_keyed_batch
from worker.store.files import find_upload
from worker.store.keys import KeyedApp

MULTIPART = "multipart/form-data"

#: Bytes of a form besides its file.
FORM_BYTES = MEGABYTE


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """A request whose form is right; whether the workflow can take its items is still open."""

    app: KeyedApp
    end_user_id: str
    #: By the names of ``BatchRequest``.
    options: Mapping[str, Any]
    source: Source
    #: SHA-256 hex of the request's idempotency key, and of what it asks for; None without a key.
    key: str | None
    fingerprint: str | None


def accept_request(parts: Parts, asked: Request) -> AcceptedBatch:
    """Store the batch that a request describes, or find the one that it made before. Raises ``APIError`` and what storing raises."""
    with read_batch_order(parts, asked) as order:
        return earlier_batch(parts, order) or store(parts, order)


def store(parts: Parts, order: BatchOrder) -> AcceptedBatch:
    """Raises ``APIError``, ``GraphError``, and what ``store_batch`` raises."""
    workflow = choose_workflow(parts, order.app, order.options["workflow_id"])
    webhook = webhook_of(order.options["webhook"])
    if webhook is not None:
        provide_secret(parts, order.app.app_id)
    named = {"key_id": order.app.key_id, "idempotency_key": order.key, "fingerprint": order.fingerprint}
    batch = new_batch_of(workflow, order.end_user_id, order.options, webhook, **named)
    resolve = parts.files.references(order.app.app_id, order.end_user_id)
    items = checked_items(order.source.rows(workflow.form, resolve), workflow.form, resolve)
    accepted = store_batch(parts.database, batch, items, parts.api.batch_max_items)
    return replace(accepted, read_as=order.source.facts or None)


def earlier_batch(parts: Parts, order: BatchOrder) -> AcceptedBatch | None:
    """The batch that an earlier request with this key made. Raises ``KeyReused`` if that one asked for something else."""
    if order.key is None:
        return None
    with parts.database.read() as session:
        found = find_keyed_batch(session, order.app.app_id, order.key, order.fingerprint)
    return None if found is None else AcceptedBatch(load_known(parts.database, found), is_replay=True)


@contextmanager
def read_batch_order(parts: Parts, asked: Request) -> Iterator[BatchOrder]:
    """The order of a request; its file is open within the block. Raises ``APIError``."""
    refuse_compression(asked)
    key = idempotency_key(asked)
    with read_form(parts, asked) if asked.mimetype == MULTIPART else read_json(parts, asked) as (options, end_user_id, source):
        app = require_workflow_app()
        named = None if key is None else hashlib.sha256(key.encode()).hexdigest()
        print_ = None if key is None else fingerprint(options, source)
        yield BatchOrder(app, end_user_id, options, source, named, print_)


@contextmanager
def read_form(parts: Parts, asked: Request) -> Iterator[tuple[dict[str, Any], str, Source]]:
    asked.max_content_length = parts.api.batch_max_file_mb * MEGABYTE + FORM_BYTES
    # Closing a request closes its files.
    with closing(asked):
        file = the_file(asked)
        given = form_options(asked.form.to_dict())
        end_user_id = end_user(parts, user_name(given.get("user")))
        options = load(BatchForm(), {**given, "file": file})
        del options["file"]
        yield options, end_user_id, file_source(parts, cast("BinaryIO", file.stream), file.filename or "", options)


def the_file(asked: Request) -> FileStorage:
    """The one file of a form. Raises ``APIError``."""
    file = asked.files.get("file")
    if file is None:
        raise APIError("no_file_uploaded")
    if len(asked.files) > 1:
        raise APIError("too_many_files")
    return file


@contextmanager
def read_json(parts: Parts, asked: Request) -> Iterator[tuple[dict[str, Any], str, Source]]:
    if not asked.is_json:
        raise APIError("unsupported_media_type")
    body = ItemsBody(asked.get_data(cache=False))
    end_user_id = end_user(parts, user_name(body.options.get("user")))
    options = load(BatchRequest(), body.options)
    if body.has_items == (options["input_file_id"] is not None):
        raise invalid_param("The request must have either items or input_file_id.", "items")
    if body.has_items:
        yield options, end_user_id, ItemsSource(body)
    else:
        with stored_file(parts, end_user_id, options) as source:
            yield options, end_user_id, source


@contextmanager
def stored_file(parts: Parts, end_user_id: str, options: Mapping[str, Any]) -> Iterator[Source]:
    """The file that was uploaded before, by the same user or without one."""
    app = require_workflow_app()
    with parts.database.read() as session:
        row = find_upload(session, app.app_id, end_user_id, options["input_file_id"])
    try:
        content = None if row is None else parts.files.open(row)
    except FileNotFoundError:
        content = None
    if row is None or content is None:
        raise invalid_param("Invalid upload file", "input_file_id")
    with content:
        yield file_source(parts, content, row.name, options)


def file_source(parts: Parts, content: BinaryIO, name: str, options: Mapping[str, Any]) -> FileSource:
    encoding = options["encoding"]
    known = None if encoding is None else encoding_named(encoding)
    return FileSource(content, name, options["format"], known, parts.api.batch_max_line_mb * MEGABYTE)
