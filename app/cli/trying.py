"""`penstock apps try`: does each of these files run? Nothing of the world is needed: inputs, models and web are made up."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from app.cli.asking import made_up_answers
from app.cli.failures import sentence_of
from app.cli.local_files import LocalFiles
from app.cli.local_run import LocalRun
from app.cli.local_start import local_envelope, local_start
from app.cli.local_world import LocalWorld, Scripted, local_world
from app.cli.output import print_json, print_table
from app.cli.sample_inputs import sample_values
from app.cli.settings import pass_config
from app.cli.watching import brief
from app.documents import DocumentError, read_document
from worker.config import Config
from worker.engine.dsl import read_workflow
from worker.engine.errors import EngineError, GraphError
from worker.engine.events import Event, RunFinished, RunStatus
from worker.engine.form import Form
from worker.engine.graph import compile_graph
from worker.engine.inbox import Inbox
from worker.engine.limits import Limits
from worker.engine.tools import missing_tools
from worker.engine.workflow import Workflow
from worker.json_schema import mismatch
from worker.nodes.registry import Registry

#: Beside the statuses of runs: the document is refused; it needs a tool or a library that is not here.
REFUSED = "refused"
MISSING = "missing"

#: What makes the command fail: the rest is well, or is for the operator to provide.
BAD = frozenset({REFUSED, str(RunStatus.FAILED)})

#: How code fails that lacks something; what it lacks is for the operator to give.
NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '(\w+)")
NO_NETWORK = re.compile(r"\bsocket\.gaierror\b")


@dataclass(frozen=True, slots=True)
class Trial:
    file: str
    #: Of the run, or ``refused`` or ``missing``.
    status: str
    #: Empty where there is nothing to say.
    reason: str = ""
    elapsed_s: float = 0.0


@click.command("try")
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@click.option("--http-answers", "answers", multiple=True, metavar="FILE", type=click.Path(path_type=Path), help="What servers answer.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(1), default=60.0, show_default=True, help="Seconds for each file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line a file.")
@pass_config
def try_(config: Config, files: Sequence[Path], answers: Sequence[Path], timeout_s: float, as_json: bool) -> None:
    """Run DSL files here with made-up inputs, models and servers, and say how each ends."""
    limits, statuses = replace(config.limits, workflow_max_execution_time=timeout_s), list[str]()
    with local_world(config, Scripted(models=True, web=True, answers=answers)) as world:
        trials = _noted(statuses, (tried(file, world, limits) for file in files))
        if as_json:
            for trial in trials:
                print_json(asdict(trial))
        else:
            print_table(("File", "Status", "Reason"), ((trial.file, trial.status, trial.reason) for trial in trials))
    sys.exit(1 if BAD & set(statuses) else 0)


def _noted(statuses: list[str], trials: Iterator[Trial]) -> Iterator[Trial]:
    for trial in trials:
        statuses.append(trial.status)
        yield trial


def tried(file: Path, world: LocalWorld, limits: Limits) -> Trial:
    """How a run of this file ends. Raises ``click.Abort`` when it is interrupted."""
    began, registry = time.monotonic(), Registry()
    try:
        workflow = read_workflow(read_document(file), registry)
        status, reason = _outcome(workflow, registry, world, limits)
    except DocumentError as error:
        return Trial(str(file), REFUSED, sentence_of(error))
    except GraphError as error:
        return Trial(str(file), REFUSED, _first_of(error))
    except EngineError as error:
        return Trial(str(file), str(RunStatus.FAILED), error.message)
    return Trial(str(file), status, reason, round(time.monotonic() - began, 3))


def _first_of(error: GraphError) -> str:
    first, *others = error.findings
    return f"{first}{f' And {len(others)} more: penstock apps check.' if others else ''}"


def _outcome(workflow: Workflow, registry: Registry, world: LocalWorld, limits: Limits) -> tuple[str, str]:
    graph = compile_graph(workflow, registry)
    with TemporaryDirectory(prefix="penstock-try-") as folder:
        files = LocalFiles(world.http, Inbox())
        form = Form.of(workflow)
        values = form.prepare(sample_values(form, Path(folder), files.offer), files.resolve, mismatch)
        start, ports = local_start(workflow, values), world.ports(files, limits)
        ask = made_up_answers(Path(folder), files)
        finished = LocalRun(graph, start, ports, files, Unseen(), local_envelope(start, files.url), ask).execute()
    if finished.status is RunStatus.STOPPED:
        raise click.Abort
    if finished.status is RunStatus.FAILED:
        missing = [finding.message for finding in missing_tools(graph, world.tools)]
        return _failure(finished, missing)
    return str(finished.status), ""


def _failure(finished: RunFinished, missing: Sequence[str]) -> tuple[str, str]:
    """A run that failed where something is missing most likely failed for that; else its own words."""
    if missing:
        return MISSING, " ".join(dict.fromkeys(missing))
    error = finished.error or ""
    if found := NO_MODULE.search(error):
        return MISSING, f"Code imports {found[1]}: install what has it beside the worker, and name that in PENSTOCK_SANDBOX_PACKAGES."
    if NO_NETWORK.search(error):
        return MISSING, "Code calls a server itself, where no scripted answer reaches it: PENSTOCK_SANDBOX_NETWORK lets it."
    return str(finished.status), brief(error)


class Unseen:
    """A view that shows nothing."""

    def show(self, event: Event) -> None:
        """The end is all that counts."""

    def close(self) -> None:
        """Nothing is open."""

    def open(self) -> None:
        """Nothing was closed."""
