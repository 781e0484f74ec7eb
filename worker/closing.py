"""Ends runs that no worker executes: stopped before they began, lost too often, out of time.

Joins store and bus for whoever does so: the sweeper, the API, the command line.
"""

from __future__ import annotations

import logging

import redis

from worker.bus.ports import CommandsPort, EventLogPort
from worker.engine.errors import RunFenced
from worker.engine.events import STOPPED_TEXT, RunFinished, RunStarted, RunStatus
from worker.engine.memory import SystemClock
from worker.engine.start import RunStart
from worker.engine.variables import FileURL, restore_files
from worker.history import load_history
from worker.journal import RunJournal, envelope_of
from worker.store.claims import Claim
from worker.store.runs import Stop, request_stop
from worker.store.session import Database

logger = logging.getLogger(__name__)


def close_run(database: Database, log: EventLogPort, claim: Claim, status: RunStatus, error: str, file_url: FileURL) -> RunFinished | None:
    """Write the end of a claimed run to SQL, then to its log: ``workflow_started`` unless it is there already, and the end.

    None: it could not be done now, or somebody else took the run meanwhile. Then nothing was changed, and the sweeper tries again
    when the claim has run out. Raises ``StorageUnavailable``.
    """
    try:
        history = load_history(database, log, claim)
        journal = RunJournal(claim, envelope_of(claim, file_url), database, log, SystemClock(), patience_s=0.0, history=history)
        journal.emit(RunStarted(start_of(claim, {}).shown_inputs, claim.created_at))
        return journal.close(status, error)
    except (redis.RedisError, RunFenced) as problem:
        logger.warning("Run %s could not be ended as %s yet: %r", claim.run_id, status, problem)
        return None


def stop_run(
    database: Database,
    log: EventLogPort,
    commands: CommandsPort,
    file_url: FileURL,
    app_id: str,
    task_id: str,
    session_id: str | None = None,
) -> Stop | None:
    """Stop a run wherever it is (api-contract.md section 5): note it in SQL, then end it here or tell its worker.

    None: there is nothing to stop. ``session_id``, if given, must be that of the end user who started the run. Whoever has Celery at
    hand revokes the task after that. Raises ``StorageUnavailable``.
    """
    stop = database.transact(lambda session: request_stop(session, app_id, task_id, session_id))
    if stop is None:
        return None
    if stop.claim is not None:
        close_run(database, log, stop.claim, RunStatus.STOPPED, STOPPED_TEXT, file_url)
        return stop
    try:
        commands.stop(stop.run_id)
    except redis.RedisError as error:
        logger.warning("The worker of run %s could not be told to stop it; it finds the request in SQL: %s", stop.run_id, error)
    return stop


def start_of(claim: Claim, environment: dict[str, object]) -> RunStart:
    """What the engine begins with: the stored inputs, divided into form values and system variables."""
    values = restore_files(claim.inputs)
    system = {name.removeprefix("sys."): value for name, value in values.items() if name.startswith("sys.")}
    return RunStart(
        run_id=claim.run_id,
        app_id=claim.app_id,
        inputs={name: value for name, value in values.items() if not name.startswith("sys.")},
        system=system,
        environment=environment,
        created_at=claim.created_at,
        elapsed_s=claim.elapsed_s,
        paused_s=claim.paused_s,
        trigger_id=claim.trigger_id,
    )
