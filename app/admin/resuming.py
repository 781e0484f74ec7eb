"""A run that goes on from another one, as operators ask for it: in the name of the user who began it."""

from __future__ import annotations

from app.published import PublishedWorkflow, PublishedWorkflows
from app.resuming import LATEST, going_on, pinned_workflow
from app.submission import make_run
from worker.config import Config
from worker.store.apps import find_app
from worker.store.errors import NotFound
from worker.store.releases import CURRENT, named_version
from worker.store.resumption import find_resumable
from worker.store.runs import NewRun, accept_run
from worker.store.session import Database


def accept_resumed(config: Config, database: Database, app_id: str, run_id: str, version: str | None) -> NewRun:
    """Store the new run, whose task is to be sent now. ``version``: None for the old run's own.

    Raises ``NotFound``, and what ``find_resumable`` and ``going_on`` raise.
    """
    published = PublishedWorkflows(database)
    with database.read() as session:
        old = find_resumable(session, app_id, run_id)
    if old is None:
        raise NotFound(f"There is no run {run_id!r}.")
    pinned = pinned_workflow(published, old)
    workflow = pinned if version is None else named_workflow(database, published, app_id, version)
    begun = going_on(config, database, old, pinned, workflow)
    run = make_run(config, old.user, old.end_user_id, workflow, begun.inputs, resumption=begun.resumption)
    with database.begin() as session:
        accept_run(session, run)
    return run


def named_workflow(database: Database, published: PublishedWorkflows, app_id: str, version: str) -> PublishedWorkflow:
    """The app's current version for ``latest``, else the one with this id, ``version`` text or alias. Raises ``NotFound``."""
    with database.read() as session:
        stored = named_version(session, find_app(session, app_id), CURRENT if version == LATEST else version)
        workflow_id = None if stored is None else stored.id
    found = None if workflow_id is None else published.find(app_id, workflow_id)
    if found is None:
        raise NotFound(f"The app has no version {version!r}.")
    return found
