"""`penstock web`, `worker` and `migrate`: what the Procfile calls; the first two become gunicorn and Celery."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

import click

import app
from app.cli.failures import say
from app.cli.settings import child_environment, pass_config, require_kept_database, require_redis
from app.config import ApiConfig
from worker.broker import worker_arguments
from worker.config import Config, ConfigError

DEFAULT_PORT = 5001
#: Processes may start while the release step still migrates.
SCHEMA_WAIT_S = 60.0


@click.command()
@click.option("--host", default="0.0.0.0", show_default=True)
@click.option("--port", type=int, envvar="PORT", default=DEFAULT_PORT, show_default=True, help="Also read from PORT.")
@pass_config
def web(config: Config, host: str, port: int) -> NoReturn:
    """Run the API under gunicorn, in place of this process."""
    ApiConfig.from_env(os.environ)
    _check_deployment(config)
    _become(config, web_arguments(f"{bracketed(host)}:{port}"))


@click.command()
@pass_config
def worker(config: Config) -> NoReturn:
    """Run a Celery worker, in place of this process."""
    _check_deployment(config)
    _become(config, worker_arguments(config))


@click.command()
@pass_config
def migrate(config: Config) -> None:
    """Bring the database to the schema of this release.

    Under a Procfile runner for one machine, which ends everything when one process ends, it stays until it is told to stop.
    """
    from worker.store.migrate import upgrade

    upgrade(require_kept_database(config, os.environ))
    click.echo("The database is up to date.")
    if "HONCHO_PROCESS_NAME" in os.environ or "PS" in os.environ:
        _stay()


def web_arguments(bind: str) -> list[str]:
    """Command line of the API. ``bind`` is an address or ``fd://N``."""
    return [sys.executable, "-m", "gunicorn", "--config", str(gunicorn_config()), "--bind", bind, "--no-control-socket", "app.wsgi:app"]


def gunicorn_config() -> Path:
    """`deploy/gunicorn.conf.py` of the checkout, else the copy that an installed distribution carries. Raises ``ConfigError``."""
    folders = [Path(app.__file__).parent.parent / "deploy", Path(sys.prefix) / "share" / "penstock"]
    for folder in folders:
        if (path := folder / "gunicorn.conf.py").is_file():
            return path
    raise ConfigError(f"gunicorn.conf.py is neither in {folders[0]} nor in {folders[1]}.")


def bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _check_deployment(config: Config) -> None:
    require_redis(require_kept_database(config, os.environ))
    _wait_for_schema(config)


def _wait_for_schema(config: Config) -> None:
    """Return once the database answers with the tables of this release. Raises ``StoreError`` when that takes too long."""
    from worker.store.errors import StoreError
    from worker.store.migrate import check_schema
    from worker.store.session import Database

    database = Database.connect(config)
    deadline = time.monotonic() + SCHEMA_WAIT_S
    try:
        while True:
            try:
                return check_schema(database)
            except StoreError as error:
                if time.monotonic() > deadline:
                    raise
                say(f"Waiting: {error}")
            time.sleep(1.0)
    finally:
        database.dispose()


def _become(config: Config, argv: list[str]) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvpe(argv[0], argv, child_environment(config))


def _stay() -> None:
    stops = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    signal.sigwait(stops)
