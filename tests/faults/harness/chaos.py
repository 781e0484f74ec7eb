"""Two API instances, three workers, Redis and PostgreSQL under load while all of it is killed, frozen, emptied and restarted.

    ./deploy/test --chaos 30              for 30 minutes
    ./deploy/test --chaos --runs 10000    until so many runs have been submitted
    ... --losses                          only kill workers, and restart Redis twice and PostgreSQL once

Then everything may end, and every run is examined: its outputs, its stream, its effects on servers that count them, its rows. Ends with
status 1 if one promise was broken; the figures and the logs of all processes are left in `chaos-results`.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import orjson

from tests.faults.harness import kinds
from tests.faults.harness.beside import harmed, say, told
from tests.faults.harness.driving import Load
from tests.faults.harness.examination import calls_so_far, examine, stored_runs
from tests.faults.harness.faults import PLAN, Fault, Trouble, losses
from tests.faults.harness.kinds import Kind
from tests.faults.harness.ledger import Ledger
from tests.faults.harness.report import Report
from tests.services.models import DevModel
from tests.services.penstock import ImportedApp
from tests.services.postgres import Postgres
from tests.services.stage import Stage
from tests.services.waiting import wait_for

RESULTS = Path(__file__).resolve().parents[3] / "chaos-results"

WEBS, WORKERS = 2, 3

#: Here every worker dies within seconds, and a run may well lose several of them without being guilty.
SETTINGS = {"PENSTOCK_MAX_ATTEMPTS": "20"}

#: Clients at a time: runs that have lost their worker wait for their leases meanwhile.
CLIENTS = 150

#: Seconds after which a client gives a run up.
PATIENCE_S = 240.0

#: Seconds between two lines that say how it goes.
PROGRESS_S = 30.0


@dataclass(frozen=True, slots=True)
class Options:
    minutes: float
    #: None: as many as the minutes allow.
    runs: int | None
    #: Runs a second.
    rate: float
    seed: int
    losses: bool = False

    @property
    def expected_s(self) -> float:
        return self.minutes * 60 if self.runs is None else self.runs / self.rate


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything is up, and nothing has happened yet."""

    stage: Stage
    postgres: Postgres
    model: DevModel
    kinds: Sequence[Kind]
    apps: Sequence[ImportedApp]


@contextmanager
def prepared(folder: Path, **more: str) -> Iterator[Scene]:
    """``folder`` gets the logs of all processes; ``more`` are settings."""
    settings = {**SETTINGS, **more}
    with Postgres() as postgres, DevModel() as model, Stage(folder, postgres.create_database(), **model.settings, **settings) as stage:
        stage.deployment.shows_logs = False
        load = kinds.load(stage.counting.url)
        apps = stage.deployment.import_documents([kind.document for kind in load])
        stage.staff(webs=WEBS, workers=WORKERS)
        yield Scene(stage, postgres, model, load, apps)


def chaos(scene: Scene, options: Options, plan: Sequence[Fault] = PLAN) -> Report:
    stage, began = scene.stage, time.monotonic()
    load = Load(scene.kinds, scene.apps, stage.urls, rate=options.rate, clients=CLIENTS, patience_s=PATIENCE_S)
    with Ledger(stage) as ledger, load, told(lambda: progress(load, ledger), PROGRESS_S):
        trouble = Trouble(stage, scene.postgres, ledger, random.Random(options.seed))
        with harmed(trouble, plan, options.expected_s):
            load.submit(options.runs, for_s=options.expected_s if options.runs is None else math.inf)
        outcomes = load.outcomes()
        # Some may have been accepted without their clients' knowledge.
        wait_for(lambda: not stage.unfinished(), "the last runs to end", timeout_s=PATIENCE_S, interval_s=1.0)
    took_s = time.monotonic() - began
    ledger.look()
    trouble.problems.extend(stage.findings())
    kind_of = {app.app_id: kind for app, kind in zip(scene.apps, scene.kinds, strict=True)}
    runs = examine(list(stored_runs(stage)), outcomes, kind_of, calls_so_far(stage, scene.model))
    return Report.of(ledger.injections, outcomes, runs, trouble.problems, lease_s=stage.config.lease_s, took_s=took_s)


def progress(load: Load, ledger: Ledger) -> str:
    return f"{load.submitted} runs, {load.open} of them open, {len(ledger.injections)} faults"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="deploy/test --chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("minutes", type=float, nargs="?", default=30.0)
    parser.add_argument("--runs", type=int, help="submit so many, however long it takes")
    parser.add_argument("--rate", type=float, default=10.0, help="runs a second")
    parser.add_argument("--seed", type=int, default=1, help="of the choice among workers and instances")
    parser.add_argument("--losses", action="store_true", help="only lose workers, Redis and PostgreSQL")
    options = Options(**vars(parser.parse_args(arguments)))
    folder = RESULTS / datetime.now().strftime("%Y%m%d-%H%M%S")
    with prepared(folder) as scene:
        report = chaos(scene, options, losses(options.expected_s) if options.losses else PLAN)
    for line in report.lines():
        say(line)
    (folder / "report.json").write_bytes(orjson.dumps(report.to_json(), option=orjson.OPT_INDENT_2))
    say(f"Details: {folder}")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
