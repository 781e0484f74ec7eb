"""`penstock run`: a DSL file in this process, without a server."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from app.cli.failures import say
from app.cli.inputs import read_inputs
from app.cli.known_knowledge import known_knowledge
from app.cli.known_models import known_models
from app.cli.local_files import LocalFiles
from app.cli.sample_inputs import sample_values
from app.cli.scripted_models import scripted_models
from app.cli.settings import pass_config
from app.cli.tool_check import known_tools
from app.cli.watching import LineView, TreeView, View, WireView, brief
from app.documents import read_document
from worker.bus.wire import Envelope
from worker.config import Config
from worker.engine.dsl import Workflow, read_workflow
from worker.engine.environment import environment_values, supplied_by
from worker.engine.events import RunFinished, RunStatus
from worker.engine.execution import Threads
from worker.engine.form import Form
from worker.engine.graph import compile_graph
from worker.engine.inbox import Inbox
from worker.engine.memory import MemoryJournal, SystemClock
from worker.engine.ports import Ports
from worker.engine.response import ResponsePlan
from worker.engine.run import WorkflowRun
from worker.engine.start import RunStart
from worker.engine.tools import missing_tools
from worker.engine.variables import FileURL, to_json
from worker.json_schema import mismatch
from worker.nodes.registry import Registry
from worker.outbound.client import GuardedClient
from worker.sandbox.opening import Sandboxes

#: The end user of these runs.
USER = "penstock-run"


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("-i", "--input", "pairs", multiple=True, metavar="NAME=VALUE", help="An input; a file as @path or by its address.")
@click.option("--inputs", metavar="JSON", help="Inputs as a JSON object, or @file with one.")
@click.option("--sample-inputs", is_flag=True, help="Make up the inputs that are not given.")
@click.option("--dev-model", is_flag=True, help="Answer every model with a scripted server, without an account.")
@click.option("--events", is_flag=True, help="Print the events as JSON lines, as the API streams them.")
@pass_config
def run(config: Config, file: Path, pairs: Sequence[str], inputs: str | None, sample_inputs: bool, dev_model: bool, events: bool) -> None:
    """Run a DSL file here, without a server; its outputs go to stdout as JSON."""
    registry, inbox = Registry(), Inbox()
    workflow = read_workflow(read_document(file), registry)
    form = Form.of(workflow)
    with (
        closing(GuardedClient(config.outbound_allow)) as http,
        closing(Sandboxes.open(config)) as sandboxes,
        known_tools(config) as tools,
        scripted_models(config) if dev_model else closing(known_models(config, os.environ)) as models,
        known_knowledge(config, http, models, made_up=dev_model) as knowledge,
        TemporaryDirectory(prefix="penstock-run-") as folder,
    ):
        files = LocalFiles(http, inbox)
        made_up = sample_values(form, Path(folder), files.offer) if sample_inputs else {}
        values = form.prepare(made_up | read_inputs(form, pairs, inputs, files.offer), files.resolve, mismatch)
        start = _start(workflow, values)
        view = _view(workflow.name or file.stem, start, events, files.url)
        readers = (sandboxes.code, sandboxes.local, sandboxes.documents)
        ports = Ports(http, *readers, files, SystemClock(), config.limits, models, tools, knowledge)
        finished = _execute(workflow, registry, start, ports, inbox, view)
    if not events:
        _report(finished, files.url)
    sys.exit(0 if finished.status in (RunStatus.SUCCEEDED, RunStatus.PARTIAL_SUCCEEDED) else 1)


def _start(workflow: Workflow, values: Mapping[str, Any]) -> RunStart:
    now = time.time()
    app_id, workflow_id, run_id = (str(uuid.uuid4()) for _ in range(3))
    system = {
        "files": [],
        "user_id": USER,
        "app_id": app_id,
        "workflow_id": workflow_id,
        "workflow_run_id": run_id,
        "timestamp": int(now),
    }
    environment = environment_values(workflow.environment, supplied_by(os.environ))
    return RunStart(run_id, app_id, values, system, environment, created_at=now, started_at=now)


def _view(name: str, start: RunStart, as_events: bool, file_url: FileURL) -> View:
    if as_events:
        workflow_id = str(start.system["workflow_id"])
        return WireView(Envelope(start.run_id, str(uuid.uuid4()), workflow_id, 1, str(uuid.uuid4()), USER, file_url))
    return TreeView(name) if sys.stderr.isatty() else LineView()


def _execute(workflow: Workflow, registry: Registry, start: RunStart, ports: Ports, inbox: Inbox, view: View) -> RunFinished:
    graph = compile_graph(workflow, registry)
    for finding in missing_tools(graph, ports.tools):
        say(f"warning: {finding}")
    journal = MemoryJournal(view.show)
    attempt = WorkflowRun(graph, ResponsePlan.of(graph), start, ports=ports, journal=journal, inbox=inbox, threads=Threads())
    _stop_on_signals(inbox)
    try:
        finished = attempt.execute()
        view.show(finished)
    finally:
        view.close()
    return finished


def _stop_on_signals(inbox: Inbox) -> None:
    """Ctrl-C stops the run as the API would. On another thread: a handler must not take locks that its own thread may hold."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: threading.Thread(target=inbox.stop).start())


def _report(finished: RunFinished, file_url: FileURL) -> None:
    if finished.outputs:
        click.echo(json.dumps(to_json(finished.outputs, file_url), ensure_ascii=False, indent=2))
    if finished.error:
        say(f"The run {finished.status}: {brief(finished.error)}")
