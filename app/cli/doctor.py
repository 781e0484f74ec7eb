"""`penstock doctor`: is everything as it was promised?"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice

import click
import redis
from sqlalchemy import make_url

from app.cli.ages import Age
from app.cli.failures import say, sentence_of
from app.cli.output import print_json, print_table
from app.cli.settings import pass_config
from worker.bus.connection import connect
from worker.config import Config, ConfigError
from worker.doctor import CHECK_NAMES, CHECKS, Finding, examine
from worker.store.errors import StorageUnavailable
from worker.store.runs import locate_run
from worker.store.session import Database

#: Rows of a table on a terminal; a program gets all of them.
SHOWN = 500

#: Exit codes.
CLEAN, FOUND, UNSEEN = 0, 1, 2


class Unseen(click.ClickException):
    """What was to be examined cannot be looked at."""

    exit_code = UNSEEN


@click.command()
@click.option("--since", type=Age(), metavar="AGE", help="Only runs that were accepted so long ago at most, such as 12h or 7d.")
@click.option("--run", "run_id", metavar="RUN", help="Only this run.")
@click.option("--check", "checks", multiple=True, type=click.Choice(CHECK_NAMES), help="Only this check; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line a finding.")
@pass_config
def doctor(config: Config, since: float | None, run_id: str | None, checks: tuple[str, ...], as_json: bool) -> None:
    """Look for whatever is not as it was promised: in the database, in Redis, among the files.

    Changes nothing, and may be used beside live traffic. Exit code 0: all is in order; 1: something was found; 2: it could not look.
    """
    try:
        with _opened(config) as database, _redis(config) as client:
            start = None if since is None else time.time() - since
            if run_id is not None and not _is_there(database, run_id):
                raise Unseen(f"There is no run {run_id!r}.")
            found = _tell(examine(config, database, client, since=start, run_id=run_id, checks=checks or None), as_json)
    except (StorageUnavailable, ConfigError, redis.RedisError) as error:
        raise Unseen(sentence_of(error)) from error
    if not found:
        say("All is in order.")
        sys.exit(CLEAN)
    _advise(found)
    sys.exit(FOUND)


@contextlib.contextmanager
def _opened(config: Config) -> Iterator[Database]:
    """The database as it is: neither made nor brought to this release."""
    file = make_url(config.sql_url).database if config.sql_url.startswith("sqlite") else None
    if file is not None and not os.path.exists(file):
        raise Unseen(f"There is no database {file}.")
    database = Database.connect(config)
    try:
        yield database
    finally:
        database.dispose()


@contextlib.contextmanager
def _redis(config: Config) -> Iterator[redis.Redis | None]:
    """None, and a word about it, where nobody knows of a Redis."""
    if not config.redis_url:
        say(f"Redis is left out: REDIS_URL is not set, and no `penstock up` runs with the data folder {config.data_dir}.")
        yield None
        return
    client = connect(config)
    try:
        client.ping()
        yield client
    finally:
        client.close()


def _is_there(database: Database, run_id: str) -> bool:
    with database.read() as session:
        return locate_run(session, run_id) is not None


def _tell(findings: Iterator[Finding], as_json: bool) -> Counter[str]:
    """Print them as they come; answers how many there are of each check."""
    found: Counter[str] = Counter()

    def counted(findings: Iterable[Finding]) -> Iterator[Finding]:
        for finding in findings:
            found[finding.check] += 1
            yield finding

    if as_json:
        for finding in counted(findings):
            print_json(asdict(finding))
        return found
    shown = SHOWN if sys.stdout.isatty() else None
    print_table(("Check", "What", "Finding"), ((each.check, each.subject, each.text) for each in islice(counted(findings), shown)))
    if rest := sum(1 for _ in counted(findings)):
        click.echo(f"... and {rest} more: --json prints all of them.")
    return found


def _advise(found: Counter[str]) -> None:
    for check in CHECKS:
        if check.name in found:
            say(f"{check.name} ({found[check.name]}): {check.advice}")
