"""Items of a stored batch that become runs and end, as the dispatcher and the workers would have them."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import select, update

from tests.unit.app.serving import Caller, Script, echo
from worker.store.batch_controls import lock_batch
from worker.store.batch_facts import ItemStatus
from worker.store.batch_models import BATCH_ITEMS
from worker.store.batch_settling import Progress, settle
from worker.store.encoding import loads
from worker.store.runs import NewRun, accept_run


def end_item(
    caller: Caller,
    batch_id: str,
    custom_id: str,
    status: ItemStatus = ItemStatus.SUCCEEDED,
    script: Script = echo,
    error: tuple[str, str] | None = None,
) -> str:
    """One run of the item, by the script; answers its id."""
    item = _item(caller, batch_id, custom_id)
    run_id = _execute(caller, batch_id, item, script)
    with caller.service.database.begin() as session:
        batch = lock_batch(session, caller.app_id, batch_id)
        code, message = error or (None, None)
        values = {"status": status, "run_id": run_id, "ended_order": batch.last_ended + 1, "error_code": code, "error": message}
        chosen = (BATCH_ITEMS.c.batch_id == batch_id, BATCH_ITEMS.c.position == item.position)
        session.execute(update(BATCH_ITEMS).where(*chosen).values(**values, attempt=1, ended_at=batch.created_at + 1))
        progress = Progress(ended=1)
        progress.move(ItemStatus.WAITING, status)
        settle(session, batch, progress)
    return run_id


def _item(caller: Caller, batch_id: str, custom_id: str) -> Any:
    with caller.service.database.read() as session:
        return session.execute(select(BATCH_ITEMS).where(BATCH_ITEMS.c.batch_id == batch_id, BATCH_ITEMS.c.custom_id == custom_id)).one()


def _execute(caller: Caller, batch_id: str, item: Any, script: Script) -> str:
    run_id = str(uuid.uuid4())
    with caller.service.database.begin() as session:
        batch = lock_batch(session, caller.app_id, batch_id)
        version = (batch.workflow_id, batch.workflow_version, batch.end_user_id)
        accept_run(session, NewRun(run_id, str(uuid.uuid4()), caller.app_id, *version, loads(item.inputs), 60.0))
    caller.service.worker.execute(run_id, script)
    return run_id
