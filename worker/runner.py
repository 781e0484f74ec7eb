"""One run from claim to end; joins engine, store and bus (design.md, "One run, end to end")."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

import redis
from sqlalchemy.orm import Session

from worker.active import ActiveRun, ActiveRuns
from worker.batches.gate import Gate
from worker.broker import BATCH_QUEUE
from worker.bus.ports import EventLogPort
from worker.closing import start_of
from worker.config import Config
from worker.dispatcher import Dispatcher
from worker.engine.errors import EngineError, RunDrained, RunFenced
from worker.engine.events import STOPPED_TEXT, RunFinished, RunStatus
from worker.engine.execution import Threads
from worker.engine.features import SpeechFeature
from worker.engine.inbox import Inbox
from worker.engine.pausing import RunPause
from worker.engine.ports import Journal, Ports
from worker.engine.run import WorkflowRun
from worker.engine.start import Resume
from worker.engine.workflow import Workflow
from worker.environments import Environments
from worker.graphs import CompiledWorkflow, Graphs
from worker.history import History, load_history
from worker.journal import RunJournal, envelope_of
from worker.quarantine import Quarantine, Suspect
from worker.speaking import SpeakingJournal
from worker.speech.speaker import Speaker
from worker.speech.synthesis import Voice, model_of
from worker.store.claims import Claim, claim, count_losses, release_run
from worker.store.errors import StorageUnavailable
from worker.store.session import Database

logger = logging.getLogger(__name__)

#: Code of the ``error`` event of a run that could not be executed as a whole (api-contract.md section 9, Q5).
REFUSED = ("workflow_request_error", 400)


class RunService:
    """Executes runs for the tasks of one process; every method is called from any thread."""

    def __init__(
        self,
        database: Database,
        log: EventLogPort,
        graphs: Graphs,
        ports: Callable[[str], Ports],
        active: ActiveRuns,
        dispatcher: Dispatcher,
        config: Config,
        owner: str,
        environ: Mapping[str, str],
        quarantine: Quarantine | None = None,
    ) -> None:
        self._database = database
        self._log = log
        self._graphs = graphs
        #: The ports of an app, by its id.
        self._ports = ports
        self._active = active
        self._dispatcher = dispatcher
        self._config = config
        self._owner = owner
        self._environments = Environments(database, config, environ)
        #: Where suspect runs are executed; None: in this process, which is there for them.
        self._quarantine = quarantine
        self._threads = Threads()
        self._is_draining = False
        #: Monotonic seconds at which the last task came.
        self.heard_at = time.monotonic()
        self.gate = Gate()

    def execute(self, run_id: str, task_id: str, queue: str | None = None) -> None:
        """Execute a run if it waits for a worker; a message that came twice or too late finds nothing to do.

        ``queue``: the one that the message came from.
        """
        self.heard_at = time.monotonic()
        with self.gate.passing(is_batch=queue == BATCH_QUEUE):
            self._take(run_id, task_id, queue)

    def _take(self, run_id: str, task_id: str, queue: str | None) -> None:
        if self._is_draining:
            self._dispatcher.send(run_id, task_id, queue)
            return
        leased_at = time.monotonic()
        try:
            held = self._database.transact(lambda session: self._claim(session, run_id))
            if held is None and self._is_for_quarantine(run_id, task_id, queue):
                return
        except StorageUnavailable as error:
            logger.warning("Run %s could not be claimed; its task is sent again later: %s", run_id, error)
            return
        if held is None:
            logger.info("Run %s has a worker or an end already.", run_id)
            return
        self._execute_claimed(held, ActiveRun(run_id, held.attempt, Inbox(), leased_at))

    def _claim(self, session: Session, run_id: str) -> Claim | None:
        return claim(session, run_id, self._owner, self._config.lease_s, beside_others=self._quarantine is not None)

    def _is_for_quarantine(self, run_id: str, task_id: str, queue: str | None) -> bool:
        if self._quarantine is None:
            return False
        with self._database.read() as session:
            losses = count_losses(session, run_id)
        if not losses:
            return False
        logger.warning("Run %s has lost a worker before: it is executed in quarantine.", run_id)
        # A loss that may be due to the company must not be the last one.
        may_share = losses == 1 < self._config.max_attempts - 1
        self._quarantine.put(Suspect(run_id, task_id, queue, shares=may_share))
        return True

    def drain(self) -> None:
        """Take no more runs, and hand over those in progress: nodes in flight get ``drain_s`` seconds. Again is the same as once."""
        if not self._is_draining:
            self._is_draining = True
            self.gate.open()
            self._active.drain(self._config.drain_s)
            if self._quarantine is not None:
                self._quarantine.drain()

    def _execute_claimed(self, held: Claim, run: ActiveRun) -> None:
        self._active.add(run)
        if self._is_draining:
            run.inbox.drain(self._config.drain_s)
        try:
            self._attempt(held, run)
        except RunFenced:
            logger.warning("Run %s belongs to another worker now (this was attempt %d).", held.run_id, held.attempt)
        except StorageUnavailable as error:
            logger.warning("Run %s is left to its lease: %s", held.run_id, error)
        except MemoryError:
            logger.exception("Run %s is left to its lease, as if this worker had died: there is no memory for it here.", held.run_id)
        finally:
            self._active.remove(run)

    def _attempt(self, held: Claim, run: ActiveRun) -> None:
        try:
            history = load_history(self._database, self._log, held)
        except redis.RedisError as error:
            logger.warning("Run %s waits until its log can be read: %s", held.run_id, error)
            self._database.transact(lambda session: release_run(session, held.run_id, held.attempt))
            return
        ports = self._ports(held.app_id)
        journal = RunJournal(
            held,
            envelope_of(held, ports.files.url),
            self._database,
            self._log,
            ports.clock,
            patience_s=self._config.lease_s,
            history=history,
        )
        speaking: SpeakingJournal | None = None
        try:
            compiled = self._compiled(held, history)
            speaking = self._speaking(held, compiled.workflow, ports, journal)
            resume = Resume(history.records, journal.started, journal.tried, history.forms, ends_pause=journal.is_paused)
            outcome = self._run(held, compiled, ports, speaking or journal, run, resume)
        except RunDrained:
            self._hand_over(held, journal)
        except EngineError as error:
            journal.refuse(REFUSED[0], error.message, REFUSED[1])
        except (MemoryError, StorageUnavailable):
            # Whichever run asks for more memory just then is not the one to blame, and no run is for its database: it gets another worker.
            raise
        except Exception as error:  # The other of the two places: whatever happens, the run gets its end.
            logger.exception("Run %s failed in a way that nobody foresaw.", held.run_id)
            journal.refuse(REFUSED[0], f"The run failed unexpectedly ({type(error).__name__}).", REFUSED[1])
        else:
            if isinstance(outcome, RunPause):
                self._pause(held, run, speaking or journal, outcome)
                return
            ended = journal.finish(outcome) if speaking is None else self._speak_to_end(run, speaking, outcome)
            logger.info("Run %s %s after %.3f s.", held.run_id, ended.status, ended.elapsed_s)
        finally:
            if speaking is not None:
                speaking.inbox.stop()

    def _compiled(self, held: Claim, history: History) -> CompiledWorkflow:
        if history.problem is not None:
            raise history.problem
        return self._graphs.get(held.workflow_id)

    def _speaking(self, held: Claim, workflow: Workflow, ports: Ports, journal: RunJournal) -> SpeakingJournal | None:
        """The journal of a run that is to be heard."""
        if not held.wants_speech:
            return None
        config = self._config
        voice = Voice(ports.models, model_of(config.speech_model), SpeechFeature.of(workflow.features).voice)
        speaker = Speaker(voice.speak, self._threads.submit)
        return SpeakingJournal(journal, speaker, ports.clock, wait_s=config.speech_wait_s, max_wait_s=config.speech_max_wait_s)

    def _speak_to_end(self, run: ActiveRun, speaking: SpeakingJournal, finished: RunFinished) -> RunFinished:
        run.inbox, run.is_speaking = speaking.inbox, True
        if self._is_draining:
            speaking.inbox.stop()
        return speaking.finish(finished)

    def _run(
        self, held: Claim, compiled: CompiledWorkflow, ports: Ports, journal: Journal, run: ActiveRun, resume: Resume
    ) -> RunFinished | RunPause:
        try:
            return WorkflowRun(
                compiled.graph,
                compiled.responses,
                start_of(held, self._environments.values(held.app_id, compiled.workflow)),
                ports=ports,
                journal=journal,
                inbox=run.inbox,
                threads=self._threads,
                resume=resume,
            ).execute()
        finally:
            run.is_ending = True

    def _pause(self, held: Claim, run: ActiveRun, journal: RunJournal | SpeakingJournal, pause: RunPause) -> None:
        """From here on no process, lease or timer knows of the run: the answer to a form, or the sweeper, brings it back."""
        if isinstance(journal, SpeakingJournal):
            # A stop cuts off the speech before the pause, during which the lease is kept; then the pause finds that stop.
            run.inbox = journal.inbox
        status = journal.pause(pause)
        if status is RunStatus.STOPPED:
            journal.close(RunStatus.STOPPED, STOPPED_TEXT)
        elif status is RunStatus.SCHEDULED:
            self._dispatcher.send(held.run_id, held.task_id, held.queue)
        logger.info("Run %s is %s: it asked for %d forms.", held.run_id, status, len(pause.forms))

    def _hand_over(self, held: Claim, journal: RunJournal) -> None:
        if journal.hand_over():
            logger.info("Run %s is handed to another worker.", held.run_id)
            self._dispatcher.send(held.run_id, held.task_id, held.queue)
        else:
            journal.close(RunStatus.STOPPED, STOPPED_TEXT)
