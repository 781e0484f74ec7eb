"""`penstock run`: a DSL file in this process, without a server."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from app.cli.asking import answers_of_terminal, made_up_answers
from app.cli.failures import say
from app.cli.inputs import read_inputs
from app.cli.local_files import LocalFiles
from app.cli.local_run import LocalRun
from app.cli.local_start import local_envelope, local_start
from app.cli.local_world import Scripted, local_world
from app.cli.sample_inputs import sample_values
from app.cli.settings import pass_config
from app.cli.watching import LineView, TreeView, View, WireView, brief
from app.documents import read_document
from worker.bus.wire import Envelope
from worker.config import Config
from worker.engine.dsl import read_workflow
from worker.engine.events import RunFinished, RunStatus
from worker.engine.form import Form
from worker.engine.graph import compile_graph
from worker.engine.inbox import Inbox
from worker.engine.tools import missing_tools
from worker.engine.variables import FileURL, to_json
from worker.json_schema import mismatch
from worker.nodes.registry import Registry


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-i", "--input", "pairs", multiple=True, metavar="NAME=VALUE", help="An input; a file as @path or by its address.")
@click.option("--inputs", metavar="JSON", help="Inputs as a JSON object, or @file with one.")
@click.option("--sample-inputs", is_flag=True, help="Make up the inputs that are not given.")
@click.option("--dev-model", is_flag=True, help="Answer every model with a scripted server, without an account.")
@click.option("--dev-http", is_flag=True, help="Answer every other request with a scripted server, without a network.")
@click.option(
    "--http-answers",
    "answers",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="What --dev-http answers at which URL.",
)
@click.option("--events", is_flag=True, help="Print the events as JSON lines, as the API streams them.")
@pass_config
def run(
    config: Config,
    file: Path,
    pairs: Sequence[str],
    inputs: str | None,
    sample_inputs: bool,
    dev_model: bool,
    dev_http: bool,
    answers: Sequence[Path],
    events: bool,
) -> None:
    """Run a DSL file here, without a server; its outputs go to stdout as JSON."""
    registry = Registry()
    workflow = read_workflow(read_document(file), registry)
    form = Form.of(workflow)
    scripted = Scripted(models=dev_model, web=dev_http or bool(answers), answers=answers)
    with local_world(config, scripted) as world, TemporaryDirectory(prefix="penstock-run-") as folder:
        files = LocalFiles(world.http, Inbox())
        made_up = sample_values(form, Path(folder), files.offer) if sample_inputs else {}
        values = form.prepare(made_up | read_inputs(form, pairs, inputs, files.offer), files.resolve, mismatch)
        graph = compile_graph(workflow, registry)
        for finding in missing_tools(graph, world.tools):
            say(f"warning: {finding}")
        ask = made_up_answers(Path(folder), files) if sample_inputs else answers_of_terminal(files)
        start = local_start(workflow, values)
        envelope = local_envelope(start, files.url)
        with closing(_view(workflow.name or file.stem, envelope, events)) as view:
            finished = LocalRun(graph, start, world.ports(files, config.limits), files, view, envelope, ask).execute()
    if not events:
        _report(finished, files.url)
    sys.exit(0 if finished.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL_SUCCEEDED) else 1)


def _view(name: str, envelope: Envelope, as_events: bool) -> View:
    if as_events:
        return WireView(envelope)
    return TreeView(name) if sys.stderr.isatty() else LineView()


def _report(finished: RunFinished, file_url: FileURL) -> None:
    if finished.outputs:
        click.echo(json.dumps(to_json(finished.outputs, file_url), ensure_ascii=False, indent=2))
    if finished.error:
        say(f"The run {finished.status}: {brief(finished.error)}")
