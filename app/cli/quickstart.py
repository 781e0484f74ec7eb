"""`penstock quickstart`, which deploy/quickstart calls: everything started, the example app run over HTTP, the way to repeat it."""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from app.cli.serve import DEFAULT_PORT
from app.cli.settings import pass_config
from app.cli.up import Stack, listen, running
from worker.config import Config, ConfigError

EXAMPLE = Path(__file__).parent.parent / "examples" / "order_desk.yml"
INPUTS = {"customer": "Ada", "items": "tea, 2, 4.50\ncake, 3, 32.00", "speed": "express"}
HOST = "127.0.0.1"
#: Lines of the log that are shown when something cannot start.
LOG_TAIL = 30


@click.command(hidden=True)
@click.option("--once", is_flag=True, help="End after the run; exit 0 only if it succeeded.")
@click.option("--port", type=int, help=f"By default {DEFAULT_PORT}, or any free one if that is taken.")
@pass_config
def quickstart(config: Config, once: bool, port: int | None) -> None:
    """Start everything, run the example app and show how to repeat it."""
    with contextlib.ExitStack() as cleanup:
        if once:
            folder = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="penstock-"))
            config = replace(config, data_dir=Path(folder))
        log = cleanup.enter_context(_log_in(config.data_dir))
        click.echo(f"Starting API, worker, Valkey and SQLite in {config.data_dir} ...")
        stack = cleanup.enter_context(running(config, HOST, _choose_port(once, port), 1, log))
        status = _demonstrate(stack) if not stack.supervisor.is_stopping else "stopped"
        if not once and not stack.supervisor.is_stopping:
            click.echo("\nServing until Ctrl-C.")
            stack.supervisor.run()
    sys.exit(0 if status == "succeeded" or not once else 1)


@contextlib.contextmanager
def _log_in(folder: Path) -> Iterator[int]:
    """Descriptor of the file that takes what the processes print; its end is shown when they cannot start."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "penstock.log"
    with path.open("wb") as file:
        try:
            yield file.fileno()
        except ConfigError:
            lines = path.read_text("utf-8", "replace").splitlines()[-LOG_TAIL:]
            click.echo("\n".join(lines), err=True)
            raise


def _choose_port(once: bool, port: int | None) -> int:
    if port is not None or once:
        return port or 0
    try:
        with listen(HOST, DEFAULT_PORT, 0.0):
            return DEFAULT_PORT
    except ConfigError:
        return 0


def _demonstrate(stack: Stack) -> str:
    """Import the example, run it as a client would and say how to do it again; the run's status."""
    base_url, (name, key) = f"{stack.url}/v1", _provide_app(stack.config)
    body = {"inputs": INPUTS, "response_mode": "streaming", "user": "quickstart"}
    click.echo(f"Ready at {stack.url}. POST /v1/workflows/run of the app {name}:\n")
    finished = _stream(base_url, key, body, lambda: stack.supervisor.is_stopping)
    click.echo(f"\n{finished.get('outputs', {}).get('receipt', '')}")
    click.echo(f"\nBase URL  {base_url}\nKey       {key}\nAgain     {_curl(base_url, key, body)}")
    return str(finished.get("status"))


def _provide_app(config: Config) -> tuple[str, str]:
    """Name and a new key of the example app, which is imported unless an earlier quickstart did that."""
    from app.cli.storage import opened
    from app.documents import read_document
    from app.publish import import_document, publish_document
    from worker.nodes.registry import Registry
    from worker.store import apps, keys
    from worker.store.sealing import Sealing

    document = read_document(EXAMPLE)
    name = document["app"]["name"]
    sealing = partial(Sealing.provide, config)
    with opened(config) as database, database.begin() as session:
        known = next((app for app in apps.list_apps(session) if app.name == name), None)
        if known is None:
            return name, import_document(session, document, Registry(), sealing=sealing).api_key
        publish_document(session, known.id, document, Registry(), sealing=sealing)
        return name, keys.create_key(session, known.id, "quickstart")[1]


def _stream(base_url: str, key: str, body: dict[str, Any], is_stopping: Callable[[], bool]) -> dict[str, Any]:
    """Print the events of a run as they come; ``data`` of the last one."""
    import httpx

    from app.cli.frames import line_of

    started, last = time.monotonic(), {}
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.stream("POST", f"{base_url}/workflows/run", json=body, headers=headers, timeout=30, trust_env=False) as response:
        if response.status_code != 200:
            raise ConfigError(f"The API answered {response.status_code}: {response.read().decode()}")
        for line in response.iter_lines():
            if line.startswith("data: "):
                click.echo(f"{time.monotonic() - started:7.3f} s  {line_of(line[6:])}")
                last = json.loads(line[6:])
            if is_stopping():
                break
    return dict(last.get("data") or {})


def _curl(base_url: str, key: str, body: dict[str, Any]) -> str:
    """The command line that repeats the run, for any POSIX shell."""
    headers = (f"Authorization: Bearer {key}", "Content-Type: application/json")
    parts = ["curl", "-N", f"{base_url}/workflows/run", *(part for header in headers for part in ("-H", header)), "-d", json.dumps(body)]
    return shlex.join(parts)
