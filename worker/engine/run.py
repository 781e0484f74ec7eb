"""The loop of one run: schedule, execute, emit. The only writer of the run's state.

Pure nodes run in the loop; nodes that wait run on threads, and the loop blocks until one of them has news, a retry is due or the
time limit is reached. Nothing polls.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

from worker.engine.containers import Announce, ContainerNode, Finish, Move, Round
from worker.engine.errors import NodeError, RunDrained, RunFenced, RunStopped
from worker.engine.events import (
    RESUMPTION,
    STOPPED_TEXT,
    AgentLog,
    AgentLogged,
    ContainerCompleted,
    ContainerNext,
    ContainerStarted,
    NodeStatus,
    ReasoningChunk,
    RunFinished,
    RunStarted,
    RunStatus,
)
from worker.engine.execution import Threads
from worker.engine.graph import Graph, GraphNode
from worker.engine.identity import execution_id
from worker.engine.inbox import Command, Inbox
from worker.engine.node import SOURCE_HANDLE, NodeContext, NodeResult
from worker.engine.pausing import AskedForm, HeldForm, RunPause
from worker.engine.ports import Journal, Ports
from worker.engine.record import NodeRecord
from worker.engine.response import ResponsePlan, ResponseStream
from worker.engine.scheduler import Ready, Schedule
from worker.engine.spending import NOTHING_SPENT, Spending
from worker.engine.start import NOT_TRIED, NOTHING_LEFT, Resume, RunStart
from worker.engine.state import Chunk, Counters, Done, Frame, Logged, OpenContainer, Outcome, Task, Thought
from worker.engine.variables import CONVERSATION, ENV, SYS, VariablePool

P = ParamSpec("P")
T = TypeVar("T")

#: Types whose inputs are what the workflow tells its caller: shown as they are (nodes.md section 2.4).
RESPONSE_TYPES = frozenset({"end", "answer"})


class WorkflowRun:
    """One attempt to bring a run to its end."""

    def __init__(
        self,
        graph: Graph,
        responses: ResponsePlan,
        start: RunStart,
        *,
        ports: Ports,
        journal: Journal,
        inbox: Inbox,
        threads: Threads,
        resume: Resume | None = None,
    ) -> None:
        graph = graph.entered_at(start.trigger_id)
        self._graph = graph
        self._start = start
        self._ports = ports
        self._clock = ports.clock
        self._limits = ports.limits
        self._journal = journal
        self._inbox = inbox
        self._threads = threads
        self._resume = resume or NOTHING_LEFT
        #: Records of earlier attempts that the run has not come to yet.
        self._restored = {record.execution_id: record for record in self._resume.records}
        pool = _pool(graph, start, ports)
        self._masker = pool.masker
        self._root = Frame(pool, Schedule(graph, graph.plan(graph.root)))
        self._responses = ResponseStream(graph, responses, pool, self._root.schedule, journal.emit)
        self._counters = Counters()
        self._outputs: dict[str, Any] = {}
        self._frames: dict[tuple[tuple[str, int], ...], Frame] = {(): self._root}
        self._ready: deque[tuple[Frame, Ready]] = deque()
        self._in_flight: set[Task] = set()
        #: Nodes that need a person: what they ask for, or the form that they wait for already.
        self._asking: list[tuple[Task, AskedForm | HeldForm]] = []
        #: Heap of (due, index, task).
        self._retries: list[tuple[float, int, Task]] = []
        self._drain_until: float | None = None
        self._end: tuple[RunStatus, str] | None = None
        #: Monotonic seconds of the first claim.
        self._began = self._clock.monotonic() - start.elapsed_s
        self._deadline = self._began + start.paused_s + self._limits.workflow_max_execution_time

    def execute(self) -> RunFinished | RunPause:
        """Run to the end, or until nothing can go on without people, and say which; the caller makes that durable and publishes it.

        Raises ``RunDrained`` when the run was handed over, ``RunFenced`` when another attempt owns it.
        """
        try:
            self._journal.emit(RunStarted(self._start.shown_inputs, self._start.created_at))
            if self._resume.ends_pause:
                self._journal.emit(RunStarted(self._start.shown_inputs, self._start.created_at, RESUMPTION))
            self._ready.append((self._root, self._root.schedule.start()))
            self._restore()
            while self._step():
                pass
        finally:
            self._inbox.cancel(Command.STOP)
        forms = [form for task, form in self._asking if not task.frame.is_dead]
        return self._paused(forms) if forms and self._end is None else self._finished()

    @property
    def conversation(self) -> dict[str, Any]:
        """The variables of the conversation as they are now, by name: what the next run of it begins with."""
        return self._root.pool.node_values(CONVERSATION)

    # ---- the loop

    def _step(self) -> bool:
        """Start what can start, then wait for news; False at the end of the run."""
        self._start_ready()
        if self._end is not None or not (self._in_flight or self._retries or self._ready):
            return False
        if self._drain_until is not None and self._is_drained(self._drain_until):
            raise RunDrained
        due_s = self._journal.publish_due(is_idle=not self._inbox.has_mail)
        self._handle(self._inbox.get(min(due_s, self._patience())))
        return True

    def _start_ready(self) -> None:
        while self._ready and self._end is None and self._drain_until is None:
            if len(self._in_flight) >= self._limits.graph_engine_max_workers:
                return
            self._start_node(*self._ready.popleft())
            while self._end is None and self._inbox.has_mail:
                self._handle(self._inbox.get(0.0))

    def _patience(self) -> float:
        """Seconds until something is due without news."""
        due = [self._deadline]
        if self._drain_until is not None:
            due.append(self._drain_until)
        elif self._retries:
            due.append(self._retries[0][0])
        return min(due) - self._clock.monotonic()

    def _handle(self, mail: Any) -> None:
        if isinstance(mail, Done):
            mail = self._settle_ended(mail)
        if isinstance(mail, Logged):
            self._log(mail.task, mail.log)
        elif isinstance(mail, Thought):
            self._think(mail.task, mail.text, mail.is_final)
        elif isinstance(mail, Chunk):
            self._stream(mail.task, mail.key, mail.text, mail.is_final)
        elif mail is not None:
            self._obey(*mail)
        self._retry_due()
        self._check_time()

    def _obey(self, command: Command, grace_s: float) -> None:
        if command is Command.FENCE:
            raise RunFenced
        if command is Command.STOP:
            self._finish_early(RunStatus.STOPPED, STOPPED_TEXT)
        else:
            self._drain_until = self._clock.monotonic() + grace_s

    def _is_drained(self, until: float) -> bool:
        """Nothing is in flight any more, or the grace time is up: then what is in flight is told to end."""
        return not self._in_flight or self._clock.monotonic() >= until

    # ---- starting nodes

    def _start_node(self, frame: Frame, ready: Ready) -> None:
        if frame.is_dead:
            return
        node = self._graph.nodes[ready.node_id]
        if node.is_silent:
            self._leave(frame, node)
            return
        task = self._task(frame, node, ready.predecessor_id)
        if node.container is not None:
            self._open(task, node.container)
            return
        self._counters.steps += 1
        self._journal.emit(node.started(task.started_event()))
        if self._resume.tried:
            self._go_on(task)
        self._attempt(task)

    def _leave(self, frame: Frame, node: GraphNode) -> None:
        """A silent node ends at once, without event or record."""
        frame.node_types.add(node.spec.type)
        self._pass_on(frame, frame.schedule.complete(node.id, SOURCE_HANDLE).ready)

    def _task(self, frame: Frame, node: GraphNode, predecessor_id: str | None) -> Task:
        name = execution_id(self._start.run_id, frame.scope, node.id)
        index, created_at = self._resume.started.get(name) or (0, self._clock.now())
        if not index:
            index = self._counters.index = self._counters.index + 1
        return Task(node, frame, name, index, predecessor_id, created_at, self._clock.monotonic())

    def _go_on(self, task: Task) -> None:
        """With the attempts that a lost worker made: they were told, and have been paid for."""
        tried = self._resume.tried.get(task.execution_id, NOT_TRIED)
        task.attempts, task.spending = tried.attempts, tried.spending
        if tried.attempts:
            self._counters.total_steps += tried.attempts if task.frame.is_root else 0
            self._counters.exceptions += tried.attempts if task.frame.is_root else 0
            self._note_retried(task, tried.spending)

    def _note_retried(self, task: Task, spending: Spending) -> None:
        """``spending``: of attempts that failed, at a node that has not ended."""
        task.frame.retried[task.execution_id] = task.spending
        self._counters.spending += spending

    def _attempt(self, task: Task) -> None:
        self._count_attempt(task)
        if task.node.node.is_pure:
            self._settle(task, self._run_node(task, lambda key, text, is_final: self._stream(task, key, text, is_final)))
            return
        self._in_flight.add(task)
        self._threads.submit(lambda: self._run_apart(task))

    def _count_attempt(self, task: Task) -> None:
        task.attempts += 1
        self._counters.total_steps += task.frame.is_root

    def _run_apart(self, task: Task) -> None:
        """On another thread: run the node and mail what became of it. A signal is no outcome: the loop knows it already."""
        try:
            self._inbox.put(Done(task, self._run_node(task, lambda *chunk: self._inbox.put(Chunk(task, *chunk)))))
        except (RunStopped, RunDrained, RunFenced):
            return

    def _run_node(self, task: Task, stream: Callable[[str, str, bool], None]) -> Outcome:
        form = self._resume.forms.get(task.execution_id)
        if form is not None and form.answer is None:
            return form
        return _guarded(task.node.run, task.frame.pool, self._context(task, stream, form))

    def _context(self, task: Task, stream: Callable[[str, str, bool], None], form: HeldForm | None = None) -> NodeContext:
        return NodeContext(
            self._start.run_id,
            self._start.app_id,
            task.execution_id,
            task.frame.scope,
            self._ports,
            self._inbox,
            stream,
            lambda text, is_final: self._inbox.put(Thought(task, text, is_final)),
            lambda log: self._inbox.put(Logged(task, log)),
            task.attempts - 1,
            form,
        )

    def _stream(self, task: Task, key: str, text: str, is_final: bool) -> None:
        if task.frame.is_root:
            self._responses.on_chunk((task.node.id, key), text, is_final)

    def _think(self, task: Task, text: str, is_final: bool) -> None:
        """Only who will be told the answer is told the thoughts (nodes.md section 4.8)."""
        wanted = ((task.node.id, "text"), (task.node.id, "reasoning_content"))
        if task.frame.is_root and not task.frame.is_dead and self._responses.refers_to(wanted):
            self._journal.emit(ReasoningChunk(task.node.id, text, is_final))

    def _log(self, task: Task, log: AgentLog) -> None:
        if not task.frame.is_dead:
            masked = replace(log, data=self._masker.value(log.data), error=log.error and self._masker.text(log.error))
            self._journal.emit(AgentLogged(task.execution_id, task.node.id, masked))

    # ---- ending nodes

    def _settle_ended(self, mail: Any) -> Any | None:
        """Settle what ended, together with what else waits in the inbox; answers the first other mail.

        Nodes that succeeded share one commit, made before any of their ends is told (ten lanes over 50 ms HTTP calls: 7.6 to 8.9
        times one lane without, 8.9 to 9.2 with it). A failure is settled apart: it may end the run, and then nothing behind it counts.
        """
        succeeded: list[tuple[Task, NodeResult]] = []
        while isinstance(mail, Done) and isinstance(mail.outcome, NodeResult):
            succeeded.append((mail.task, mail.outcome))
            mail = self._inbox.get(0.0)
        if succeeded:
            self._succeed(succeeded)
        if not isinstance(mail, Done):
            return mail
        self._in_flight.discard(mail.task)
        if self._end is None and not mail.task.frame.is_dead:
            self._settle(mail.task, mail.outcome)
        return None

    def _succeed(self, ended: Sequence[tuple[Task, NodeResult]]) -> None:
        self._in_flight.difference_update(task for task, _ in ended)
        living = [(task, result) for task, result in ended if not task.frame.is_dead]
        records = self._keep_together([self._success(task, result) for task, result in living])
        for (task, _), record in zip(living, records, strict=True):
            # One that ended beside it may have ended its frame: then this one is kept, and means nothing.
            if not task.frame.is_dead:
                self._apply(task.frame, record)
        self._check_steps()

    def _settle(self, task: Task, outcome: Outcome) -> None:
        if isinstance(outcome, NodeResult):
            self._conclude(task, self._success(task, outcome), durable=not task.node.node.is_pure)
        elif isinstance(outcome, NodeError):
            self._fail(task, outcome)
        else:
            # It has not ended, so neither does its frame: whatever else is ready goes on.
            self._asking.append((task, outcome if isinstance(outcome, HeldForm) else task.asked(outcome)))

    def _fail(self, task: Task, error: NodeError) -> None:
        self._counters.exceptions += task.frame.is_root
        spending = error.partial.spending
        task.spending += spending
        if task.node.retry.allows(task.attempts):
            self._note_retried(task, spending)
            self._retry(task, error)
            return
        record = self._failure(task, error)
        # A failed run is committed as a whole in a moment: its last record needs no commit of its own.
        self._conclude(task, record, durable=not task.node.node.is_pure and record.status is not NodeStatus.FAILED)

    def _conclude(self, task: Task, record: NodeRecord, *, durable: bool) -> None:
        self._apply(task.frame, self._keep(record, durable=durable))
        self._check_steps()
        self._check_time()

    def _keep(self, record: NodeRecord, *, durable: bool) -> NodeRecord:
        """Record it, unless an earlier attempt did: then what that one saw counts."""
        earlier = self._restored.pop(record.execution_id, None)
        if earlier is None:
            self._journal.record(record, durable=durable)
        return earlier or record

    def _keep_together(self, records: Sequence[NodeRecord]) -> list[NodeRecord]:
        """The same for several: what is recorded is durable with the last of it."""
        last = next((record for record in reversed(records) if record.execution_id not in self._restored), None)
        return [self._keep(record, durable=record is last) for record in records]

    def _success(self, task: Task, result: NodeResult) -> NodeRecord:
        if result.total_tokens or result.metadata:
            task.spending += Spending.of(result.total_tokens, result.metadata)
        shown = self._masked(task, result) if self._masker.is_needed else result
        return task.record(NodeStatus.SUCCEEDED, shown, None, self._clock)

    def _masked(self, task: Task, result: NodeResult) -> NodeResult:
        """With the secrets hidden that are none of the workflow's own outputs."""
        is_response = task.node.spec.type in RESPONSE_TYPES
        inputs = result.inputs if is_response else self._masker.value(result.inputs)
        return replace(result, inputs=inputs, process_data=self._masker.value(result.process_data))

    def _failure(self, task: Task, error: NodeError) -> NodeRecord:
        """The record of a final failure: handled by the node's strategy, or the end of its frame."""
        error.message = self._masker.text(error.message)
        recovery, metadata = task.node.recovery, error.partial.metadata
        handled = recovery.strategy is not None
        known = NodeResult(
            inputs=self._masker.value(error.partial.inputs),
            process_data=self._masker.value(error.partial.process_data),
            outputs=recovery.outputs(error) if handled else error.partial.outputs,
            handle=recovery.handle,
            metadata={**metadata, "error_strategy": str(recovery.strategy)} if handled else metadata,
        )
        return task.record(NodeStatus.EXCEPTION if handled else NodeStatus.FAILED, known, error.message, self._clock)

    def _apply(self, frame: Frame, record: NodeRecord) -> None:
        """What the end of a node does to the run, live or restored: values, chunks, successors, its event, in this order."""
        if self._resume.forms:
            self._tell_answer(record)
        if record.status is NodeStatus.FAILED:
            self._journal.emit(record.finished_event())
            self._fail_frame(frame, record)
            return
        self._store(frame, record)
        ready = self._advance(frame, record)
        self._journal.emit(record.finished_event())
        self._pass_on(frame, ready)

    def _tell_answer(self, record: NodeRecord) -> None:
        form = self._resume.forms.get(record.execution_id)
        if form is not None and form.answer is not None:
            self._journal.emit(form.closed(form.answer))

    def _store(self, frame: Frame, record: NodeRecord) -> None:
        frame.pool.add_outputs(record.node_id, record.outputs)
        for selector, value in record.writes:
            frame.pool.set(selector[0], selector[1], value)
        if frame.is_root:
            self._contribute(record)

    def _advance(self, frame: Frame, record: NodeRecord) -> list[Ready]:
        """Take the edges of a node that ended; chunks go out as values and edges allow."""
        self._count(frame, record)
        decision = frame.schedule.complete(record.node_id, record.handle)
        if frame.is_root:
            self._responses.on_edges(decision.taken)
        return decision.ready

    def _count(self, frame: Frame, record: NodeRecord) -> None:
        frame.node_types.add(record.node_type)
        told, spent = frame.retried.pop(record.execution_id, NOTHING_SPENT), record.spending
        if spent is NOTHING_SPENT:
            return
        frame.spending += spent
        if not record.is_container:
            self._counters.spending += spent - told

    def _pass_on(self, frame: Frame, ready: list[Ready]) -> None:
        """One node of the frame is done, others are ready; without any, the frame is done."""
        for item in ready:
            self._ready.append((frame, item))
        frame.pending += len(ready) - 1
        if not frame.pending:
            self._end_frame(frame, None)

    def _contribute(self, record: NodeRecord) -> None:
        """End nodes add their outputs to the run's, later ones win; answers are joined (nodes.md section 4.7)."""
        if record.node_type == "end":
            self._outputs.update(record.outputs)
        elif record.node_type == "answer":
            self._outputs["answer"] = self._outputs.get("answer", "") + record.outputs.get("answer", "")

    # ---- retries

    def _retry(self, task: Task, error: NodeError) -> None:
        known = NodeResult(
            inputs=self._masker.value(error.partial.inputs),
            process_data=self._masker.value(error.partial.process_data),
            outputs=error.partial.outputs,
            handle="",
            metadata=error.partial.metadata,
        )
        record = task.record(NodeStatus.RETRY, known, self._masker.text(error.message), self._clock)
        self._journal.emit(record.retried_event())
        heapq.heappush(self._retries, (self._clock.monotonic() + task.node.retry.interval_s, task.index, task))

    def _retry_due(self) -> None:
        now = self._clock.monotonic()
        while self._retries and self._retries[0][0] <= now and self._end is None and self._drain_until is None:
            task = heapq.heappop(self._retries)[2]
            if not task.frame.is_dead:
                self._attempt(task)

    # ---- containers

    def _open(self, task: Task, node: ContainerNode) -> None:
        """Start an iteration or a loop. One with nothing to go through ends at once, without an event."""
        self._count_attempt(task)
        context = self._context(task, lambda *chunk: None)
        opened = _guarded(node.open, task.frame.pool, context, self._graph.children(task.node.id))
        if isinstance(opened, NodeError):
            self._counters.exceptions += task.frame.is_root
            self._close(task, self._failure(task, opened))
        elif isinstance(opened, NodeResult):
            self._close(task, self._success(task, opened))
        else:
            self._begin(OpenContainer(task, node, opened))

    def _begin(self, container: OpenContainer) -> None:
        task, spec, rounds = container.task, container.task.node.spec, container.rounds
        inputs = self._masker.value(rounds.inputs)
        self._journal.emit(ContainerStarted(spec.id, spec.type, spec.title, task.created_at, inputs, rounds.metadata, task.frame.scope))
        self._move(container, rounds.begin())

    def _move(self, container: OpenContainer, moves: Sequence[Move]) -> None:
        spec = container.task.node.spec
        for move in moves:
            if isinstance(move, Announce):
                scope = container.frame.scope
                self._journal.emit(ContainerNext(spec.id, spec.type, spec.title, self._clock.now(), move.index, scope))
            elif isinstance(move, Round):
                self._enter(container, move)
            else:
                self._finish_container(container, move)

    def _enter(self, container: OpenContainer, round_: Round) -> None:
        schedule = Schedule(self._graph, self._graph.plan(container.node.start_node_id))
        frame = Frame(round_.pool, schedule, container.scope(round_.index), container, round_.index, self._clock.monotonic())
        self._frames[frame.scope.path] = frame
        self._ready.append((frame, schedule.start()))

    def _end_frame(self, frame: Frame, error: NodeError | None) -> None:
        """A round ended: its container says what now. The root frame ends with the run."""
        frame.is_over = True
        self._frames.pop(frame.scope.path, None)
        if frame.container is not None and not frame.container.frame.is_dead:
            outcome = frame.outcome(error, self._clock.monotonic())
            self._move(frame.container, frame.container.rounds.after(outcome))

    def _fail_frame(self, frame: Frame, record: NodeRecord) -> None:
        error = NodeError(record.error or "")
        self._count(frame, record)
        if frame.is_root:
            self._finish_early(RunStatus.FAILED, error.message)
        else:
            self._end_frame(frame, error)

    def _finish_container(self, container: OpenContainer, finish: Finish) -> None:
        task, rounds = container.task, container.rounds
        if finish.error is None:
            tokens = finish.spending.total_tokens
            result = NodeResult(finish.outputs, rounds.inputs, total_tokens=tokens, metadata=finish.metadata)
            record = self._success(task, result)
        else:
            self._counters.exceptions += task.frame.is_root
            task.spending += finish.spending
            finish.error.partial = replace(finish.error.partial, inputs=rounds.inputs, outputs=finish.outputs, metadata=finish.metadata)
            record = self._failure(task, finish.error)
        self._close(task, record, finish)

    def _close(self, task: Task, record: NodeRecord, finish: Finish | None = None) -> None:
        """The end of a container: its event comes first, then the values behind it (nodes.md section 4.3)."""
        record = self._keep(record, durable=False)
        if finish is not None:
            self._journal.emit(_completed(record, finish))
        if record.status is NodeStatus.FAILED:
            self._fail_frame(task.frame, record)
        else:
            self._store(task.frame, record)
            self._pass_on(task.frame, self._advance(task.frame, record))
        self._check_time()

    # ---- the end

    def _check_steps(self) -> None:
        limit = self._limits.workflow_max_execution_steps
        if self._counters.steps > limit:
            self._finish_early(RunStatus.FAILED, f"Aborted: Maximum execution steps exceeded: {self._counters.steps} > {limit}")

    def _check_time(self) -> None:
        late = self._clock.monotonic() - self._deadline
        if late > 0:
            limit = self._limits.workflow_max_execution_time
            self._finish_early(RunStatus.FAILED, f"Aborted: Maximum execution time exceeded: {limit + late:.2f}s > {limit:g}s")

    def _finish_early(self, status: RunStatus, error: str) -> None:
        """The first reason to end is the one that counts."""
        if self._end is None:
            self._end = (status, error)

    def _paused(self, forms: Sequence[AskedForm | HeldForm]) -> RunPause:
        return RunPause(
            forms=forms,
            elapsed_s=self._elapsed_s,
            spending=self._counters.spending,
            total_steps=self._counters.total_steps,
            exceptions_count=self._counters.exceptions,
            created_at=self._start.created_at,
        )

    @property
    def _elapsed_s(self) -> float:
        return self._clock.monotonic() - self._began

    def _finished(self) -> RunFinished:
        usual = RunStatus.PARTIAL_SUCCEEDED if self._counters.exceptions else RunStatus.SUCCEEDED
        status, error = self._end or (usual, None)
        return RunFinished(
            status=status,
            outputs=self._outputs,
            error=error,
            elapsed_s=self._elapsed_s,
            total_tokens=self._counters.spending.total_tokens,
            total_steps=self._counters.total_steps,
            exceptions_count=self._counters.exceptions,
            created_at=self._start.created_at,
            finished_at=self._clock.now(),
            total_price=self._counters.spending.total_price,
            currency=self._counters.spending.currency,
        )

    # ---- what earlier attempts did

    def _restore(self) -> None:
        """Apply the records in their order; what is ready after that has still to run.

        Containers and silent nodes follow from the records of the nodes inside, so they are gone through again.
        """
        if self._resume is NOTHING_LEFT:
            return
        self._counters.index = max((index for index, _ in self._resume.started.values()), default=0)
        for record in self._resume.records:
            self._open_ready()
            if record.execution_id in self._restored and record.scope.path in self._frames:
                self._restore_record(self._frames[record.scope.path], record)

    def _open_ready(self) -> None:
        """Start what has no effect and opens frames, until nothing of the kind is ready."""
        opening = [item for item in self._ready if self._opens(item[1].node_id)]
        while opening:
            for item in opening:
                self._ready.remove(item)
                self._start_node(*item)
            opening = [item for item in self._ready if self._opens(item[1].node_id)]

    def _opens(self, node_id: str) -> bool:
        node = self._graph.nodes[node_id]
        return node.is_silent or node.container is not None

    def _restore_record(self, frame: Frame, record: NodeRecord) -> None:
        del self._restored[record.execution_id]
        self._ready = deque(item for item in self._ready if item[0] is not frame or item[1].node_id != record.node_id)
        self._counters.steps += 1
        self._counters.total_steps += record.attempts if frame.is_root else 0
        self._counters.exceptions += record.failures if frame.is_root else 0
        self._counters.index = max(self._counters.index, record.index)
        self._journal.emit(self._graph.nodes[record.node_id].started(record.started_event()))
        self._apply(frame, record)


def _guarded(work: Callable[P, T], *given: P.args, **named: P.kwargs) -> T | NodeError:
    """What a node gives, or its failure."""
    try:
        return work(*given, **named)
    except NodeError as error:
        return error
    except Exception as error:  # One of the two places: a node may fail in ways it does not know.
        return NodeError(str(error), error_type=type(error).__name__)


def _completed(record: NodeRecord, finish: Finish) -> ContainerCompleted:
    failed = record.status is not NodeStatus.SUCCEEDED
    return ContainerCompleted(
        record.node_id,
        record.node_type,
        record.title,
        record.created_at,
        record.finished_at,
        record.inputs,
        finish.outputs,
        NodeStatus.FAILED if failed else NodeStatus.SUCCEEDED,
        record.error,
        record.elapsed_s,
        finish.spending.total_tokens,
        finish.steps,
        finish.metadata,
        record.scope,
    )


def _pool(graph: Graph, start: RunStart, ports: Ports) -> VariablePool:
    pool = VariablePool(ports.files.url)
    pool.add_outputs(SYS, start.system)
    pool.add_outputs(ENV, start.environment)
    pool.add_outputs(graph.root, start.inputs)
    for variable in start.conversation:
        pool.declare(CONVERSATION, variable.name, variable.type)
        pool.set(CONVERSATION, variable.name, variable.value)
    return pool
