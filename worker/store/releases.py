"""Aliases: names of an app's published versions that clients can run, and that operators move from one version to the next."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.orm import Session

from worker.store.apps import find_version
from worker.store.clock import now_s
from worker.store.encoding import clean_text
from worker.store.errors import NotFound
from worker.store.models import App, Workflow
from worker.store.release_models import ALIASES, AppAlias
from worker.store.upsert import insert_or

#: Stands for the app's current version wherever a version is named.
CURRENT = "current"


@dataclass(frozen=True, slots=True)
class Alias:
    name: str
    workflow_id: str
    #: ``version`` text of the workflow.
    version: str
    #: Epoch seconds of the last change.
    updated_at: float


def set_alias(session: Session, app_id: str, name: str, workflow_id: str) -> None:
    """Let a name stand for a version of this app, whatever it stood for. The caller has looked whose version it is."""
    row = {"workflow_id": workflow_id, "updated_at": now_s()}
    insert = insert_or(session, AppAlias).values(app_id=app_id, name=name, **row)
    session.execute(insert.on_conflict_do_update(index_elements=["app_id", "name"], set_=row))


def remove_alias(session: Session, app_id: str, name: str) -> None:
    """Raises ``NotFound``."""
    gone = delete(ALIASES).where(ALIASES.c.app_id == app_id, ALIASES.c.name == clean_text(name)).returning(ALIASES.c.name)
    if session.execute(gone).first() is None:
        raise NotFound(f"The app has no alias {name!r}.")


def list_aliases(session: Session, app_id: str) -> list[Alias]:
    """All of an app, by name."""
    return [Alias(*row) for row in session.execute(LISTED.where(ALIASES.c.app_id == app_id).order_by(ALIASES.c.name))]


def find_alias(session: Session, app_id: str, name: str) -> Alias | None:
    row = session.execute(LISTED.where(ALIASES.c.app_id == app_id, ALIASES.c.name == clean_text(name))).one_or_none()
    return None if row is None else Alias(*row)


LISTED = select(ALIASES.c.name, ALIASES.c.workflow_id, Workflow.version, ALIASES.c.updated_at).join(
    Workflow, Workflow.id == ALIASES.c.workflow_id
)


def count_aliases(session: Session, app_id: str) -> int:
    return session.execute(select(func.count()).select_from(ALIASES).where(ALIASES.c.app_id == app_id)).scalar_one()


def choose_version(session: Session, app: App, version: str) -> Workflow:
    """What ``named_version`` finds. Raises ``NotFound``."""
    found = named_version(session, app, version)
    if found is None:
        raise NotFound(f"App {app.name!r} has no version {version!r}.")
    return found


def named_version(session: Session, app: App, version: str) -> Workflow | None:
    """A version of this app by its id, its ``version`` text or an alias; the current one by ``current``."""
    wanted = app.workflow_id if version == CURRENT else version
    found = find_version(session, app.id, wanted) if wanted else None
    if found is None and (alias := find_alias(session, app.id, version)) is not None:
        return find_version(session, app.id, alias.workflow_id)
    return found


def version_before(session: Session, app: App) -> Workflow | None:
    """The version that was published before the current one; of an app without a current one, the newest."""
    of_app = select(Workflow).where(Workflow.app_id == app.id)
    current = session.get(Workflow, app.workflow_id) if app.workflow_id else None
    if current is not None:
        of_app = of_app.where(tuple_(Workflow.created_at, Workflow.id) < (current.created_at, current.id))
    return session.scalars(of_app.order_by(Workflow.created_at.desc(), Workflow.id.desc()).limit(1)).first()
