"""Values for environment variables of apps as operators set and see them: for the admin API and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from worker.config import Config
from worker.engine.environment import check_text, read_environment
from worker.engine.findings import Findings
from worker.engine.workflow import EnvironmentVariable
from worker.store import app_environment as stored_values
from worker.store import apps as stored_apps
from worker.store.encoding import loads
from worker.store.errors import NotFound, SealError
from worker.store.models import App, AppEnvironment
from worker.store.sealed_documents import open_document, sealed_paths
from worker.store.sealing import Sealing
from worker.store.session import Database


def find_variable(session: Session, app: App, name: str) -> EnvironmentVariable:
    """What the current version says of a variable, else the newest one that declares it. Raises ``NotFound``."""
    current = stored_apps.load_version(session, app.workflow_id) if app.workflow_id else None
    declared = declared_in(loads(current.document)) if current else {}
    if name not in declared:
        for version in stored_apps.list_versions(session, app.id):
            declared = {**declared_in(loads(version.document)), **declared}
    if name not in declared:
        raise NotFound(
            f"No version of {app.name} declares the environment variable {name!r}; declared are: {', '.join(declared) or 'none'}."
        )
    return declared[name]


def declared_in(document: Mapping[str, Any]) -> dict[str, EnvironmentVariable]:
    """The variables of a stored document, by name."""
    variables = document.get("workflow", {}).get("environment_variables")
    return {variable.name: variable for variable in read_environment(variables, Findings())}


def set_value(config: Config, database: Database, app: App, variable: EnvironmentVariable, text: str) -> None:
    """Keep a value, sealed. Raises ``VariableError`` for one that does not fit the variable, ``SealError``."""
    check_text(variable, text, config.limits.max_variable_size)
    sealed = Sealing.provide(config).seal(app.id, variable.name, text)
    database.transact(lambda session: stored_values.set_value(session, app.id, variable.name, sealed))


def list_variables(config: Config, database: Database, app: str) -> list[dict[str, Any]]:
    """Facts of the variables of the current version, and of what is set beside them; never a value. Raises ``NotFound``.

    ``state`` is ``set``, ``unreadable`` (sealed with another key, here or in the document), ``document`` or ``missing``; ``type`` is None
    for a name that only other versions declare, ``updated_at`` for one that is not set here.
    """
    with database.read() as session:
        found = stored_apps.find_app(session, app)
        current = stored_apps.load_version(session, found.workflow_id) if found.workflow_id else None
        values = {row.name: row for row in stored_values.list_values(session, found.id)}
    document = loads(current.document) if current else {}
    declared, states = declared_in(document), _states_in(document, found.id, config)
    names = [*declared, *(name for name in values if name not in declared)]
    return [_facts(config, name, declared.get(name), values.get(name), states) for name in names]


def _states_in(document: Mapping[str, Any], app_id: str, config: Config) -> dict[str, str]:
    """State of each variable that a stored document declares, by its name, as far as the document gives it a value."""
    variables = document.get("workflow", {}).get("environment_variables")
    sealed = {variables[path[2]]["name"] for path in sealed_paths(document) if path[:2] == ("workflow", "environment_variables")}
    state = "document" if _opens(document, app_id, config) else "unreadable"
    return {
        name: state if name in sealed else "missing" if variable.type == "secret" and not variable.value else "document"
        for name, variable in declared_in(document).items()
    }


def _opens(document: Mapping[str, Any], app_id: str, config: Config) -> bool:
    try:
        open_document(app_id, document, config)
    except SealError:
        return False
    return True


def _facts(
    config: Config, name: str, variable: EnvironmentVariable | None, row: AppEnvironment | None, in_document: Mapping[str, str]
) -> dict[str, Any]:
    state = in_document[name] if row is None else "set" if _can_be_opened(config, row) else "unreadable"
    return {"name": name, "type": variable and variable.type, "state": state, "updated_at": row and row.updated_at}


def _can_be_opened(config: Config, row: AppEnvironment) -> bool:
    try:
        Sealing.find(config).open(row.app_id, row.name, row.value)
    except SealError:
        return False
    return True
