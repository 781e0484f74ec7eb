"""Environment variables of runs, from all the places that give them values (dsl.md section 7.1)."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from worker.config import Config
from worker.engine.dsl import Workflow
from worker.engine.environment import environment_values, supplied_by
from worker.engine.errors import VariableError
from worker.store.app_environment import load_values
from worker.store.errors import SealError
from worker.store.sealing import Sealing
from worker.store.session import Database


class Environments:
    """``PENSTOCK_ENV_NAME`` of this process counts more than `penstock apps env`, and that more than the document.

    Nothing is remembered between two runs: one that starts after a change has the new value.
    """

    def __init__(self, database: Database, config: Config, environ: Mapping[str, str]) -> None:
        self._database = database
        self._config = config
        self._supplied = supplied_by(environ)

    def values(self, app_id: str, workflow: Workflow) -> dict[str, Any]:
        """What a run of this app sees. Raises ``VariableError`` for a value that cannot be used, ``StorageUnavailable``."""
        wanted = {variable.name for variable in workflow.environment} - self._supplied.keys()
        return environment_values(workflow.environment, {**self._set_here(app_id, wanted), **self._supplied})

    def _set_here(self, app_id: str, wanted: Set[str]) -> dict[str, str]:
        if not wanted:
            return {}
        stored = self._database.fetch(lambda session: load_values(session, app_id))
        sealed = {name: value for name, value in stored.items() if name in wanted}
        return self._opened(app_id, sealed) if sealed else {}

    def _opened(self, app_id: str, sealed: Mapping[str, bytes]) -> dict[str, str]:
        try:
            sealing = Sealing.find(self._config)
            return {name: sealing.open(app_id, name, value) for name, value in sealed.items()}
        except SealError as error:
            raise VariableError(str(error)) from error
