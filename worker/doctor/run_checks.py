"""What has to be true of every run, as SQL shows it (reliability.md section 1.12)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from worker.doctor.evidence import Evidence, RunRow
from worker.doctor.finding import Check
from worker.engine.events import RunStatus
from worker.store.encoding import clean_text

#: Seconds after which the sweeper should have brought on whatever waits for it (reliability.md section 1.4).
PATIENCE_S = 60.0

#: Seconds that a run may wait for a worker before somebody should look at that.
WAITING_S = 300.0


class Reads(Enum):
    """What a check needs besides the row of the run."""

    EVENTS = "events"
    NODES = "nodes"


@dataclass(frozen=True, slots=True)
class RunCheck(Check):
    """A check of one run at a time."""

    #: What is wrong, in words that go on after the run's id.
    find: Callable[[Evidence], Iterator[str]]
    reads: frozenset[Reads] = frozenset()


def find_contradictions(seen: Evidence) -> Iterator[str]:
    run, state = seen.run, seen.state
    if state is None:
        yield f"has the status {run.status!r}, which no run has"
        return
    if state.is_final != (run.finished_at is not None):
        yield f"is {state}, and finished_at is {run.finished_at}"
    if state is not RunStatus.SCHEDULED and not (run.attempt and run.started_at is not None and run.deadline_at is not None):
        yield f"is {state} without ever having been claimed"
    if not 0 <= run.lost_attempts <= run.attempt:
        yield f"lost {run.lost_attempts} of {run.attempt} attempts"
    if not run.has_payload:
        yield "has neither inputs nor outputs"


def find_bad_lease(seen: Evidence) -> Iterator[str]:
    run = seen.run
    if seen.state is RunStatus.RUNNING:
        if run.lease_owner is None or run.lease_until is None:
            yield "is running, and no worker holds a lease"
        elif run.lease_until < run.now - PATIENCE_S:
            yield f"is running, and its lease ran out {run.now - run.lease_until:.0f} s ago"
    elif run.lease_owner is not None:
        yield f"is {run.status}, and {run.lease_owner} holds its lease"


def find_overdue(seen: Evidence) -> Iterator[str]:
    run = seen.run
    if not seen.is_final and run.paused_at is None and run.deadline_at is not None and run.deadline_at < run.now - PATIENCE_S:
        yield f"is {run.status}, and its deadline was {run.now - run.deadline_at:.0f} s ago"


def find_long_wait(seen: Evidence) -> Iterator[str]:
    run = seen.run
    # When it came back after an earlier attempt is not written down, but when its task was last sent is.
    since = run.lease_until if run.attempt and run.lease_until is not None else run.created_at
    if seen.state is RunStatus.SCHEDULED and since < run.now - WAITING_S:
        yield f"has been waiting for a worker for {run.now - since:.0f} s"


def find_deaf_pause(seen: Evidence) -> Iterator[str]:
    run = seen.run
    if seen.state is not RunStatus.PAUSED:
        return
    if run.paused_at is None:
        yield "is paused, and nobody knows since when"
    if run.form_expires_at is None:
        yield "is paused, and waits for no form"
    elif run.form_expires_at < run.now - PATIENCE_S:
        yield f"is paused, and its form expired {run.now - run.form_expires_at:.0f} s ago"


def find_broken_log(seen: Evidence) -> Iterator[str]:
    log, run = seen.log, seen.run
    yield from log.problems
    if log.last != run.last_event:
        yield f"has events up to number {log.last}, and should have them up to {run.last_event}"
    if log.opening not in ("", "workflow_started", "error"):
        yield f"begins with {log.opening}"
    for execution_id, times in log.started.items():
        if times > 1:
            yield f"tells {times} times that node execution {execution_id} started"
    for execution_id, times in log.finished.items():
        if times > 1:
            yield f"tells {times} times that node execution {execution_id} ended"
        if not log.started[execution_id]:
            yield f"tells that node execution {execution_id} ended, but not that it started"


def find_bad_ending(seen: Evidence) -> Iterator[str]:
    endings = seen.log.endings
    if not seen.is_final:
        yield from (f"is {seen.run.status}, and event {number} tells its end" for number, _ in endings[:1])
        return
    if seen.is_bare:
        return
    if len(endings) != 1:
        yield f"has ended, and {len(endings)} events tell its end"
    elif seen.log.afterwards:
        yield f"has ended, and {len(seen.log.afterwards)} events follow its end, {seen.log.afterwards[0]} first"
    else:
        yield from _disagreements(seen.run, endings[0][1])


def _disagreements(run: RunRow, told: dict[str, Any]) -> Iterator[str]:
    for name, value in told.items():
        # The database takes no NUL, for one.
        if getattr(run, name) not in (value, clean_text(value) if isinstance(value, str) else value):
            yield f"is stored with {name} {getattr(run, name)!r}, and was told with {value!r}"


#: How runs end that nobody brings to their end. They keep the results of the last commit; what was told beyond that was cheap to repeat.
CUT_OFF = frozenset({RunStatus.FAILED, RunStatus.STOPPED})


def find_bad_nodes(seen: Evidence) -> Iterator[str]:
    nodes, told = seen.nodes, seen.log.statuses
    yield from nodes.problems
    if nodes.attempt > seen.run.attempt:
        yield f"has a node result of attempt {nodes.attempt}, and made only {seen.run.attempt}"
    if nodes.unreadable and not seen.is_final:
        yield f"cannot go on: this release cannot read {nodes.unreadable} of its node results"
    for execution_id in told.keys() & nodes.statuses.keys():
        if told[execution_id] != nodes.statuses[execution_id]:
            yield f"stored node execution {execution_id} as {nodes.statuses[execution_id]}, and told it as {told[execution_id]}"
    if seen.state not in CUT_OFF:
        yield from (
            f"told the end of node execution {execution_id}, and has no result of it"
            for execution_id in told.keys() - nodes.statuses.keys()
        )
    # Results that a new run took over from another one may belong to branches that it does not come to.
    if seen.is_success and seen.run.resumed_from is None and not seen.is_bare:
        yield from (f"has a result of node execution {execution_id}, and never told its end" for execution_id in nodes.plain - told.keys())


def find_wrong_sums(seen: Evidence) -> Iterator[str]:
    run, nodes = seen.run, seen.nodes
    # Of other runs the last attempts of some nodes are known to nobody but the row.
    if not seen.is_success or seen.is_bare or nodes.unreadable or run.resumed_from is not None:
        return
    sums = {"total_steps": nodes.tally.total_steps, "exceptions_count": nodes.tally.exceptions_count}
    if not nodes.has_containers:
        sums["total_tokens"] = nodes.tally.total_tokens
    for name, found in sums.items():
        if getattr(run, name) != found:
            yield f"is stored with {name} {getattr(run, name)}, and its nodes add up to {found}"


def _check(name: str, promise: str, advice: str, find: Callable[[Evidence], Iterator[str]], *reads: Reads) -> RunCheck:
    return RunCheck(name, promise, advice, find, frozenset(reads))


RESTART_WORKER = "See that workers are up and reach the database: one of them sweeps, and its log says what it does."
REPORT = "Nothing that is allowed leads there: keep the row and the workers' logs of that time, and report it."

RUN_CHECKS = (
    _check("state", "What the row of a run says fits together.", REPORT, find_contradictions),
    _check("lease", f"A running run has a lease, renewed within {PATIENCE_S:g} s; no other has one.", RESTART_WORKER, find_bad_lease),
    _check("deadline", f"No run goes on for more than {PATIENCE_S:g} s after its deadline.", RESTART_WORKER, find_overdue),
    _check(
        "waiting",
        f"No run waits for a worker for more than {WAITING_S:g} s.",
        "Start workers, or more of them; see that they use the same database, Redis and prefix as the API.",
        find_long_wait,
    ),
    _check("paused", "A paused run has a form that somebody can answer, or that expires.", RESTART_WORKER, find_deaf_pause),
    _check("events", "The events of a run are numbered 1, 2, 3 ..., and nothing is told twice.", REPORT, find_broken_log, Reads.EVENTS),
    _check(
        "ending", "One event tells the end of a run, the last one, and it tells what the row says.", REPORT, find_bad_ending, Reads.EVENTS
    ),
    _check(
        "nodes",
        "Node results are numbered 1, 2, 3 ..., by attempts in order, and are those that the events tell.",
        REPORT,
        find_bad_nodes,
        Reads.EVENTS,
        Reads.NODES,
    ),
    _check("sums", "Steps, tokens and exceptions of a run are those of its nodes.", REPORT, find_wrong_sums, Reads.NODES),
)
