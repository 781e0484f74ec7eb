"""Batches of all apps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from app.parts import Parts, current_parts
from app.schemas.admin_volume import AdminBatch, AdminBatchDetail, AdminBatchesQuery, AdminBatchPage, RetriedAdminBatch
from app.views.admin.blueprint import AdminBlueprint, keys_of, page_body, query_of
from worker.store.apps import find_app
from worker.store.batch_controls import cancel_batch, pause_batch, resume_batch, retry_batch
from worker.store.batch_facts import BatchFacts, BatchStatus, describe, list_batches, load_batch, pace_of
from worker.store.errors import NotFound
from worker.store.identifiers import canonical_id
from worker.store.listings import Page

blueprint = AdminBlueprint("batches", __name__, "Batches, whichever app they are of.")


@blueprint.route("/batches")
@blueprint.fails(404)
@blueprint.response(200, AdminBatchPage)
@blueprint.asks({"in": "query", "schema": AdminBatchesQuery})
def list_all() -> dict[str, Any]:
    """List batches, newest first"""
    asked = query_of(AdminBatchesQuery)
    keys = keys_of(asked, str)
    with current_parts().database.read() as session:
        app_id = None if asked["app"] is None else find_app(session, asked["app"]).id
        status = None if asked["status"] is None else BatchStatus(asked["status"])
        after = None if keys is None else canonical_id(keys[0]) or ""
        found = list_batches(session, app_id, after=after, status=status, limit=asked["limit"] + 1)
    shown = found[: asked["limit"]]
    return page_body(Page(shown, (shown[-1].id,) if len(found) > len(shown) else None), facts_of)


@blueprint.route("/batches/<batch_id>")
@blueprint.fails(404)
@blueprint.response(200, AdminBatchDetail)
def show(batch_id: str) -> dict[str, Any]:
    """Look at a batch: its counts, its pace and what it has used"""
    with current_parts().database.read() as session:
        batch = find(session, batch_id)
        return {**facts_of(batch), "pace": pace_of(session, batch)}


@blueprint.route("/batches/<batch_id>/pause", methods=["POST"])
@blueprint.fails(404, 409)
@blueprint.response(200, AdminBatch)
def pause(batch_id: str) -> dict[str, Any]:
    """Begin no more of its items until it is resumed"""
    return change(pause_batch, batch_id)


@blueprint.route("/batches/<batch_id>/resume", methods=["POST"])
@blueprint.fails(404, 409)
@blueprint.response(200, AdminBatch)
def resume(batch_id: str) -> dict[str, Any]:
    """Go on with a batch that is paused"""
    return change(resume_batch, batch_id)


@blueprint.route("/batches/<batch_id>/cancel", methods=["POST"])
@blueprint.fails(404, 409)
@blueprint.response(200, AdminBatch)
def cancel(batch_id: str) -> dict[str, Any]:
    """Begin no more of its items, and stop those that run"""
    return change(cancel_batch, batch_id)


@blueprint.route("/batches/<batch_id>/retry", methods=["POST"])
@blueprint.fails(404, 409)
@blueprint.response(200, RetriedAdminBatch)
def retry(batch_id: str) -> dict[str, Any]:
    """Try the items again that failed, were stopped, cancelled or expired"""
    parts = current_parts()
    app_id = app_of(parts, batch_id)
    batch, number = retry_batch(parts.database, app_id, batch_id)
    return {**facts_of(batch), "retried": number}


def change(make: Callable[[Session, str, str], BatchFacts], batch_id: str) -> dict[str, Any]:
    parts = current_parts()
    app_id = app_of(parts, batch_id)
    with parts.database.begin() as session:
        return facts_of(make(session, app_id, batch_id))


def app_of(parts: Parts, batch_id: str) -> str:
    """Raises ``NotFound``."""
    with parts.database.read() as session:
        return find(session, batch_id).app_id


def find(session: Session, batch_id: str) -> BatchFacts:
    """Raises ``NotFound``."""
    wanted = canonical_id(batch_id)
    found = None if wanted is None else load_batch(session, wanted)
    if found is None or found.status is BatchStatus.VALIDATING:
        raise NotFound(f"There is no batch {batch_id!r}.")
    return found


def facts_of(batch: BatchFacts) -> dict[str, Any]:
    return {**describe(batch), "app_id": batch.app_id}
