"""Runs as they are made, whatever begins them: a request, a batch, a schedule, a webhook."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any, Protocol

from worker.config import Config
from worker.engine.variables import to_json
from worker.store.runs import NewRun


class Version(Protocol):
    """A published version of an app."""

    @property
    def workflow_id(self) -> str: ...

    @property
    def app_id(self) -> str: ...

    @property
    def version(self) -> str:
        """Time of publication as text."""


def make_run(
    config: Config,
    user: str,
    end_user_id: str,
    workflow: Version,
    inputs: Mapping[str, Any],
    *,
    timestamp_s: float | None = None,
    **more: Any,
) -> NewRun:
    """A run of this version in the name of a user.

    ``inputs``: values of the form, and ``sys.files``; ``timestamp_s``: its ``sys.timestamp``, by default now; ``more``: further fields.
    """
    run_id = str(uuid.uuid4())
    system = {
        "sys.user_id": user,
        "sys.app_id": workflow.app_id,
        "sys.workflow_id": workflow.workflow_id,
        "sys.workflow_run_id": run_id,
        "sys.timestamp": int(time.time() if timestamp_s is None else timestamp_s),
    }
    return NewRun(
        run_id=run_id,
        task_id=str(uuid.uuid4()),
        app_id=workflow.app_id,
        workflow_id=workflow.workflow_id,
        workflow_version=workflow.version,
        end_user_id=end_user_id,
        # Addresses expire, so none is stored: whoever shows the inputs signs them anew.
        inputs=to_json({**inputs, **system}, lambda file: ""),
        time_limit_s=config.limits.workflow_max_execution_time,
        **more,
    )
