"""What became of every run of a load: what its client saw, what SQL says, and what it did to the outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from tests.faults.harness.driving import Outcome
from tests.faults.harness.kinds import MODEL, Kind
from tests.faults.harness.report import RunReport
from tests.faults.harness.verdict import Calls, Effects, Problem
from tests.services.models import DevModel
from tests.services.stage import Stage
from worker.engine.events import RunStatus
from worker.store.encoding import loads
from worker.store.models import PAYLOADS, RUNS


@dataclass(frozen=True, slots=True)
class StoredRun:
    run_id: str
    app_id: str
    status: str
    attempts: int
    query: str
    outputs: Mapping[str, Any]


def stored_runs(stage: Stage) -> Iterator[StoredRun]:
    columns = (RUNS.c.id, RUNS.c.app_id, RUNS.c.status, RUNS.c.attempt, PAYLOADS.c.inputs, PAYLOADS.c.outputs)
    with stage.database.read() as session:
        for run_id, app_id, status, attempts, inputs, outputs in session.execute(
            select(*columns).join(PAYLOADS, PAYLOADS.c.run_id == RUNS.c.id)
        ):
            yield StoredRun(run_id, app_id, status, attempts, loads(inputs)["query"], loads(outputs))


def calls_so_far(stage: Stage, model: DevModel) -> Calls:
    """Of the counting server, and of the model."""
    counts = Counter(stage.counting.calls())
    counts.update(f"{run_of(call)}:{MODEL}" for call in model.calls())
    return Calls(counts, stage.counting.keys())


def run_of(call: Mapping[str, Any]) -> str:
    """The prompt says it (kinds.py ``llm``)."""
    words: list[str] = call["body"]["messages"][-1]["content"].split()
    return words[1]


def examine(stored: Sequence[StoredRun], outcomes: Sequence[Outcome], kind_of: Mapping[str, Kind], calls: Calls) -> dict[str, RunReport]:
    """By run id; submissions that never became a run by their query. ``kind_of``: by app id."""
    seen = {outcome.run_id: outcome for outcome in outcomes}
    reports = {run.run_id: report_of(run, seen.get(run.run_id), kind_of[run.app_id], calls) for run in stored}
    for outcome in outcomes:
        if outcome.run_id not in reports:
            lost = Problem("lost", "was never accepted" if not outcome.run_id else "is not in SQL")
            reports[outcome.query] = RunReport(outcome.kind.name, "none", 0, 0, [*outcome.problems, lost])
    return reports


def report_of(run: StoredRun, outcome: Outcome | None, kind: Kind, calls: Calls) -> RunReport:
    """``outcome``: None for a run whose client never learnt of it."""
    effects = Effects.of(run.run_id, kind, calls)
    problems = [*(outcome.problems if outcome else ()), *stored_problems(run, kind), *effects.problems(kind, run.attempts)]
    return RunReport(kind.name, run.status, run.attempts, effects.repeated, problems)


def stored_problems(run: StoredRun, kind: Kind) -> Iterator[Problem]:
    if not RunStatus(run.status).is_final:
        yield Problem("lost", f"is still {run.status}")
    elif run.status != RunStatus.SUCCEEDED:
        yield Problem("wrong", f"is stored as {run.status}")
    elif run.outputs != kind.outputs(run.query, run.run_id):
        yield Problem("wrong", f"is stored with the outputs {run.outputs}")
