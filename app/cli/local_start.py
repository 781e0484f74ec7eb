"""How runs of this process begin: ids of their own, the time, the values of environment variables."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping
from typing import Any

from worker.bus.wire import Envelope
from worker.engine.environment import environment_values, supplied_by
from worker.engine.start import RunStart
from worker.engine.variables import FileURL
from worker.engine.workflow import Workflow

#: The end user of these runs.
USER = "penstock-run"


def local_start(workflow: Workflow, values: Mapping[str, Any]) -> RunStart:
    """``values`` are prepared inputs."""
    now = time.time()
    app_id, workflow_id, run_id = (str(uuid.uuid4()) for _ in range(3))
    system = {
        "files": [],
        "user_id": USER,
        "app_id": app_id,
        "workflow_id": workflow_id,
        "workflow_run_id": run_id,
        "timestamp": int(now),
    }
    environment = environment_values(workflow.environment, supplied_by(os.environ))
    return RunStart(run_id, app_id, values, system, environment, created_at=now)


def local_envelope(start: RunStart, file_url: FileURL) -> Envelope:
    return Envelope(start.run_id, str(uuid.uuid4()), str(start.system["workflow_id"]), 1, str(uuid.uuid4()), USER, file_url)
