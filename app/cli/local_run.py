"""A run of `penstock run`: an attempt, and another one after each pause."""

from __future__ import annotations

import math
import signal
import threading
from dataclasses import dataclass, replace

from app.cli.asking import Ask
from app.cli.local_files import LocalFiles
from app.cli.watching import View
from worker.bus.replay import Told
from worker.bus.wire import Envelope, encode
from worker.engine.events import Event, RunFinished
from worker.engine.execution import Threads
from worker.engine.graph import Graph
from worker.engine.inbox import Inbox
from worker.engine.pausing import HeldForm, RunPause
from worker.engine.ports import Ports
from worker.engine.record import NodeRecord
from worker.engine.response import ResponsePlan
from worker.engine.run import WorkflowRun
from worker.engine.start import Resume, RunStart


class ShownJournal:
    """Shows each event once, whatever the attempt, and keeps in memory what the next attempt begins with."""

    def __init__(self, view: View, envelope: Envelope) -> None:
        self._view = view
        self._envelope = envelope
        self._frames: list[bytes] = []
        self._told: Told | None = None
        self.records: list[NodeRecord] = []

    def emit(self, event: Event) -> None:
        frame = encode(event, self._envelope)
        rest = self._told.rest(event, frame) if self._told else event
        if rest is not None:
            self._frames.append(frame if rest is event else encode(rest, self._envelope))
            self._view.show(rest)

    def record(self, record: NodeRecord, *, durable: bool) -> None:
        self.records.append(record)

    def publish_due(self, *, is_idle: bool) -> float:
        """Nothing waits here: events are shown as they happen."""
        return math.inf

    def resume(self, forms: dict[str, HeldForm]) -> Resume:
        """What the next attempt begins with; from now on, what was shown is not shown again."""
        self._told = Told(self._frames)
        return Resume(list(self.records), self._told.started, self._told.tried, forms, ends_pause=True)


@dataclass(frozen=True, slots=True)
class LocalRun:
    graph: Graph
    start: RunStart
    ports: Ports
    files: LocalFiles
    view: View
    envelope: Envelope
    ask: Ask

    def execute(self) -> RunFinished:
        """Raises ``click.ClickException`` for a form that nobody can answer, ``click.Abort`` if the person gives up."""
        journal = ShownJournal(self.view, self.envelope)
        resume, start, forms = Resume(), self.start, dict[str, HeldForm]()
        while isinstance(outcome := self._attempt(start, journal, resume), RunPause):
            began = self.ports.clock.monotonic()
            forms |= self._answered(outcome, journal)
            resume = journal.resume(forms)
            start = replace(start, paused_s=start.paused_s + self.ports.clock.monotonic() - began)
        self.view.show(outcome)
        return outcome

    def _attempt(self, start: RunStart, journal: ShownJournal, resume: Resume) -> RunFinished | RunPause:
        inbox = Inbox()
        self.files.cancellation = inbox
        _stop_on_signals(inbox)
        responses, threads = ResponsePlan.of(self.graph), Threads()
        run = WorkflowRun(self.graph, responses, start, ports=self.ports, journal=journal, inbox=inbox, threads=threads, resume=resume)
        return run.execute()

    def _answered(self, pause: RunPause, journal: ShownJournal) -> dict[str, HeldForm]:
        forms = pause.held(lambda: "", self.ports.clock.now())
        for event in pause.events(forms):
            journal.emit(event)
        self.view.close()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        answered = {form.form_id: replace(form, answer=self.ask(form)) for form in forms}
        self.view.open()
        return answered


def _stop_on_signals(inbox: Inbox) -> None:
    """Ctrl-C stops the run as the API would. On another thread: a handler must not take locks that its own thread may hold."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: threading.Thread(target=inbox.stop).start())
