"""Apps and their published versions (dsl.md section 9): versions are immutable, the app points at the current one."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from worker.store.clock import now_s
from worker.store.encoding import clean_text, dumps
from worker.store.errors import NotFound
from worker.store.models import App, EndUser, Run, StoredFile, Workflow


@dataclass(frozen=True, slots=True)
class Profile:
    """What a document says about its app (dsl.md section 3)."""

    name: str
    description: str = ""
    mode: str = "workflow"
    icon_type: str | None = None
    icon: str | None = None
    icon_background: str | None = None
    author_name: str | None = None


def create_app(session: Session, profile: Profile) -> App:
    """An app without a published version."""
    app = App(id=str(uuid.uuid4()), created_at=now_s(), **_columns(profile))
    session.add(app)
    session.flush()
    session.refresh(app)
    return app


def describe_app(session: Session, app_id: str, profile: Profile) -> App:
    """Replace what is said about an app; id, keys and versions stay. Raises ``NotFound``."""
    app = _lock(session, app_id)
    for name, value in _columns(profile).items():
        setattr(app, name, value)
    session.flush()
    return app


def change_app(session: Session, app_id: str, *, api_enabled: bool) -> App:
    """Let the keys of an app be used, or not, from the next request on. Raises ``NotFound``."""
    app = _lock(session, app_id)
    app.api_enabled = api_enabled
    session.flush()
    return app


def list_apps(session: Session) -> list[App]:
    """All apps, by name."""
    return list(session.scalars(select(App).order_by(App.name, App.id)))


def find_app(session: Session, app: str) -> App:
    """The app with this id or, if only one has it, this name.

    Raises ``NotFound``.
    """
    wanted = clean_text(app)
    by_id = session.get(App, wanted.lower())
    if by_id is not None:
        return by_id
    found = list(session.scalars(select(App).where(App.name == wanted).limit(2)))
    if len(found) != 1:
        raise NotFound(f"There is no app {app!r}." if not found else f"Several apps are called {app!r}; name one by its id.")
    return found[0]


def publish(
    session: Session, app_id: str, document: Mapping[str, Any], content_hash: str, *, name: str = "", comment: str = ""
) -> tuple[Workflow, bool]:
    """Make a document the current version of an app; the second value is False if it already was (same ``content_hash``).

    Raises ``NotFound``.
    """
    app = _lock(session, app_id)
    current = session.get(Workflow, app.workflow_id) if app.workflow_id else None
    if current is not None and current.content_hash == content_hash:
        return current, False
    version = _add_version(session, app_id, document, content_hash, name, comment)
    app.workflow_id = version.id
    session.flush()
    return version, True


def list_versions(session: Session, app_id: str) -> list[Workflow]:
    """Published versions of an app, newest first."""
    newest_first = (Workflow.created_at.desc(), Workflow.id.desc())
    return list(session.scalars(select(Workflow).where(Workflow.app_id == app_id).order_by(*newest_first)))


def find_version(session: Session, app_id: str, version: str) -> Workflow | None:
    """A version of this app by its id, or by its ``version`` text."""
    wanted = clean_text(version)
    matches = (Workflow.id == wanted.lower()) | (Workflow.version == wanted)
    return session.scalars(select(Workflow).where(Workflow.app_id == app_id, matches)).first()


def load_version(session: Session, workflow_id: str) -> Workflow | None:
    """A version by id alone, for a worker that was given it by a claim."""
    return session.get(Workflow, workflow_id)


def rollback(session: Session, app_id: str, version: str) -> Workflow:
    """Make a published version, named by id or ``version`` text, the current one. Raises ``NotFound``."""
    app = _lock(session, app_id)
    found = find_version(session, app_id, version)
    if found is None:
        raise NotFound(f"App {app.name!r} has no version {version!r}.")
    app.workflow_id = found.id
    session.flush()
    return found


def delete_app(session: Session, app_id: str) -> list[str]:
    """Remove an app and everything of it; its running workers find themselves fenced.

    Answers the ids of its files, whose bytes may lie elsewhere. Raises ``NotFound``.
    """
    app = _lock(session, app_id)
    files = list(session.scalars(select(StoredFile.id).where(StoredFile.app_id == app_id)))
    # Runs and files first: the rows that point at end users and versions are then gone when those go.
    for model in (Run, StoredFile, EndUser, Workflow):
        session.execute(delete(model).where(model.app_id == app_id).execution_options(synchronize_session=False))
    session.delete(app)
    session.flush()
    return files


def _lock(session: Session, app_id: str) -> App:
    """The app, held until the transaction ends, so that two publications do not overtake each other."""
    app = session.get(App, app_id, with_for_update=True, populate_existing=True)
    if app is None:
        raise NotFound(f"There is no app {app_id!r}.")
    return app


def _add_version(session: Session, app_id: str, document: Mapping[str, Any], content_hash: str, name: str, comment: str) -> Workflow:
    now = session.execute(select(now_s())).scalar_one()
    version = Workflow(
        id=str(uuid.uuid4()),
        app_id=app_id,
        version=version_text(now),
        content_hash=content_hash,
        document=dumps(document),
        marked_name=clean_text(name),
        marked_comment=clean_text(comment),
        created_at=now,
    )
    session.add(version)
    session.flush()
    return version


def version_text(published_at: float) -> str:
    """Time of publication as Dify writes it: ``2025-03-14 08:22:10.123456``, UTC."""
    return datetime.fromtimestamp(published_at, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _columns(profile: Profile) -> dict[str, Any]:
    return {name: clean_text(value) if isinstance(value, str) else value for name, value in asdict(profile).items()}
