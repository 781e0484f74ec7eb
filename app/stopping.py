"""Stop a run in the name of a user (api-contract.md section 5); for the endpoints and the WebSocket."""

from __future__ import annotations

from app.parts import Parts
from worker.closing import stop_run


def stop_as(parts: Parts, app_id: str, task_id: str, user: str | None) -> None:
    """Without effect on runs of other apps, finished runs and, unless the deployment allows it, runs of other users.

    ``user`` None: whoever started the run. Raises ``StorageUnavailable``.
    """
    starter = None if parts.api.stop_any_user else user
    stopped = stop_run(parts.database, parts.log, parts.commands, parts.files.addresses(app_id), app_id, task_id, starter)
    if stopped is not None:
        parts.dispatcher.revoke(stopped.task_id)
