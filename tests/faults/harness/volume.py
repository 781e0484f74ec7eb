"""Batches at full size: accepted within bounds, run to their ends while workers die, and small ones not behind large ones.

    ./deploy/test --volume                          100,000 items, then 100 beside 50,000 of another app
    ./deploy/test --volume --database sqlite
    ./deploy/test --volume --items 2000 --crowd 1000

One API instance and two workers on this machine, PostgreSQL with fsync on, settings as they come. Every 20 s one of the workers is killed
(`kill -9`) and replaced while the batch runs. At its end every result is read over HTTP and compared with what its item asked for, and the
doctor looks at everything. Then a batch of 100 is measured, alone and beside the queue of another app. A line a figure; ends with status 1
if one promise was broken. The logs of all processes are left in `chaos-results`.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.faults.harness import items
from tests.faults.harness.batching import Stay, accept, examine, facts, stay, wait_for_end
from tests.faults.harness.beside import harmed, say, told
from tests.faults.harness.chaos import RESULTS
from tests.faults.harness.faults import Fault, Trouble
from tests.faults.harness.ledger import Ledger, recoveries_s
from tests.faults.harness.report import recovery_violations, spread
from tests.services.batches import cancel, upload
from tests.services.client import Client
from tests.services.postgres import DURABLE, Postgres
from tests.services.stage import Stage
from tests.services.waiting import wait_for

WEBS, WORKERS = 1, 2

#: Seconds between two losses, and between two lines that say how it goes.
KILL_S = 20.0
PROGRESS_S = 10.0

#: What was promised: seconds and megabytes for accepting a batch, and how much longer a small one may take beside a large one.
ACCEPTED_S = 60.0
GROWTH_MB = 100.0
SLOWER = 3.0

#: How often the small batch is measured, alone and beside the large one. Alone it takes up to a second more or less: the dispatcher rests.
#: So medians are compared.
TIMES = 5


@dataclass(frozen=True, slots=True)
class Options:
    items: int
    #: Queued items of another app, and items of the batch that is measured beside them.
    crowd: int
    few: int
    database: str
    minutes: float
    seed: int


@dataclass(slots=True)
class Findings:
    """Says figures as they come, and remembers the promises that were broken."""

    violations: list[str] = field(default_factory=list)

    def figure(self, text: str, *, is_kept: bool = True) -> None:
        say(text)
        if not is_kept:
            self.violations.append(text)


@dataclass(slots=True)
class Trial:
    stage: Stage
    options: Options
    findings: Findings
    #: Monotonic seconds at which it is given up.
    until: float

    @property
    def left_s(self) -> float:
        return max(self.until - time.monotonic(), 0.0)


@contextmanager
def prepared(folder: Path, database: str) -> Iterator[Stage]:
    """``folder`` gets the logs of all processes."""
    with ExitStack() as resources:
        if database == "sqlite":
            url = f"sqlite:///{resources.enter_context(TemporaryDirectory(prefix='penstock-volume-'))}/test.sqlite3"
        else:
            url = resources.enter_context(Postgres(DURABLE)).create_database()
        stage = resources.enter_context(Stage(folder, url))
        stage.deployment.shows_logs = False
        stage.staff(webs=WEBS, workers=WORKERS)
        yield stage


def work_off(trial: Trial) -> None:
    """A batch from its upload to its last result, while workers die."""
    stage, options, findings = trial.stage, trial.options, trial.findings
    kind, asked = items.cheap("volume", stage.counting.url), items.items(options.items)
    app = stage.deployment.import_document(kind.document)
    with stage.client(app) as client:
        accepted = accept(stage, client, asked)
        findings.figure(f"accepted {options.items} items in {accepted.took_s:.1f} s", is_kept=accepted.took_s <= ACCEPTED_S)
        memory = accepted.memory
        findings.figure(
            f"memory of the API: {memory.before_kb / 1024:.0f} MB before, {memory.most_kb / 1024:.0f} MB at most, "
            f"{memory.after_kb / 1024:.0f} MB after: {memory.growth_mb:.0f} MB more",
            is_kept=memory.growth_mb <= GROWTH_MB,
        )
        survive(trial, accepted.batch_id)
        problems = list(examine(stage, client, kind, app.app_id, asked, accepted.batch_id))
    findings.figure(f"results: {len(problems)} problems in {options.items} items", is_kept=not problems)
    for problem in [*problems, *stage.findings()]:
        findings.figure(f"problem: {problem}", is_kept=False)


def survive(trial: Trial, batch_id: str) -> None:
    """Until the batch has ended."""
    stage, findings = trial.stage, trial.findings
    with Ledger(stage) as ledger, told(lambda: progress(stage, ledger, batch_id), PROGRESS_S):
        trouble = Trouble(stage, None, ledger, random.Random(trial.options.seed))
        with harmed(trouble, [Fault(Trouble.kill_worker, KILL_S)], expected_s=2 * KILL_S):
            ended = wait_for_end(stage, batch_id, trial.left_s)
    ledger.look()
    took_s = (ended.ended_at or 0.0) - (ended.started_at or 0.0)
    findings.figure(f"ran {ended.counts.ended} items in {took_s:.0f} s: {ended.counts.ended / took_s:.0f} a second")
    losses = ledger.injections
    findings.figure(f"{len(losses)} workers killed, with {sum(len(loss.hit) for loss in losses)} runs")
    findings.figure(f"seconds until these had another: {spread(recoveries_s(losses))}")
    for problem in [*trouble.problems, *recovery_violations(losses)]:
        findings.figure(f"problem: {problem}", is_kept=False)


def progress(stage: Stage, ledger: Ledger, batch_id: str) -> str:
    counts = facts(stage, batch_id).counts
    return f"{counts.ended} of {counts.total} items have ended, {counts.running} run, {len(ledger.injections)} workers killed"


def share(trial: Trial) -> None:
    """A small batch, alone and beside a large one of another app."""
    stage, options, findings = trial.stage, trial.options, trial.findings
    stage.staff(webs=WEBS, workers=WORKERS)
    kinds = [items.cheap(name, stage.counting.url) for name in ("crowd", "few")]
    crowd, few = stage.deployment.import_documents([kind.document for kind in kinds])
    with stage.client(crowd) as many, stage.client(few) as client:
        alone = stays(trial, client)
        behind = upload(many, items.jsonl(items.items(options.crowd)))["id"]
        wait_for(lambda: facts(stage, behind).counts.ended > options.few, "the large batch to run", trial.left_s)
        beside = stays(trial, client, behind)
        left = facts(stage, behind).counts.waiting
        cancel(many, behind)
        wait_for_end(stage, behind, trial.left_s)
    findings.figure(f"{options.few} items alone: {seconds(alone)}")
    findings.figure(f"{options.few} items beside {options.crowd} of another app: {seconds(beside)}")
    findings.figure(f"items of the other app that ended meanwhile: {', '.join(str(one.others) for one in beside)}; {left} still waited")
    ratio = median(one.took_s for one in beside) / median(one.took_s for one in alone)
    findings.figure(f"the small batch takes {ratio:.2f} times as long as alone", is_kept=ratio <= SLOWER)
    if not left:
        findings.figure("problem: the large batch was too small to be there until the end", is_kept=False)


def stays(trial: Trial, client: Client, beside: str | None = None) -> list[Stay]:
    """One behind the other."""
    asked = items.items(trial.options.few)
    return [stay(trial.stage, client, asked, beside, trial.left_s) for _ in range(TIMES)]


def seconds(of: Sequence[Stay]) -> str:
    return f"{', '.join(f'{one.took_s:.2f}' for one in of)} s"


def volume(stage: Stage, options: Options) -> list[str]:
    """The promises that were broken; everything is told meanwhile."""
    trial = Trial(stage, options, Findings(), until=time.monotonic() + options.minutes * 60)
    try:
        work_off(trial)
        share(trial)
    except TimeoutError as error:
        trial.findings.figure(f"given up: {error} (--minutes {options.minutes:g})", is_kept=False)
    return trial.findings.violations


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="deploy/test --volume", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000, help="of the batch whose workers die")
    parser.add_argument("--crowd", type=int, default=50_000, help="items of another app beside which the small batch is measured")
    parser.add_argument("--few", type=int, default=100, help="items of the small batch")
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    parser.add_argument("--minutes", type=float, default=25.0, help="after which all is given up")
    parser.add_argument("--seed", type=int, default=1, help="of the choice among workers")
    options = Options(**vars(parser.parse_args(arguments)))
    folder = RESULTS / f"volume-{datetime.now():%Y%m%d-%H%M%S}"
    with prepared(folder, options.database) as stage:
        violations = volume(stage, options)
    for violation in violations:
        say(f"VIOLATION {violation}")
    say(f"{len(violations)} violations." if violations else "Every promise was kept.")
    say(f"Details: {folder}")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
