"""`penstock batch results` and `errors`: downloads that go on where an earlier one broke off."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import click

from app.batches.downloads import COLUMNS, TableWriter, json_line
from app.batches.encodings import Encoding
from app.batches.records import OpenQuote, RecordLines, records
from app.batches.results import RESULTS, Selection, read_results, result_facts
from app.cli.batch_lookup import find_batch
from app.cli.failures import say
from app.cli.settings import pass_config
from app.cli.storage import opened
from app.published import PublishedWorkflows
from app.schemas.batches import FORMATS, ORDERS
from worker.config import Config
from worker.engine.errors import GraphError
from worker.store.batch_facts import BatchFacts, ItemStatus
from worker.store.batch_items import ERRORS
from worker.store.deployment import signing_secret
from worker.store.session import Database
from worker.store.signing import FileLinks

STATUSES: dict[str, frozenset[ItemStatus]] = {"results": RESULTS, "errors": ERRORS}

EXPLAINED = {
    "results": "The items that have ended, however they ended, one a line.",
    "errors": "The items without a result, one a line: invalid, failed, stopped, cancelled, expired.",
}

#: How every line of JSON begins that is ours.
START = b'{"custom_id":'

#: Bytes of a row of a table that is there already: no row that was written is refused.
ANY_LENGTH = 2**40


@dataclass(frozen=True, slots=True)
class Known:
    """What a file has already: line -> id of the item's run; and where its last whole line ends, in bytes."""

    runs: dict[int, str]
    end: int


@dataclass(frozen=True, slots=True)
class Form:
    """How a file is written, and read again."""

    head: bytes
    render: Callable[[Any], bytes]
    known: Callable[[BinaryIO], Known]


def download(what: str) -> click.Command:
    """The command for ``results`` or ``errors``."""

    @click.command(what, help=f"{EXPLAINED[what]} With -o, a file of an earlier download is continued.")
    @click.argument("batch_id", metavar="BATCH")
    @click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Instead of stdout.")
    @click.option("--format", "kind", type=click.Choice(FORMATS), help="By the name of FILE without it, else jsonl.")
    @click.option("--order", type=click.Choice(ORDERS), default="input", show_default=True)
    @click.option("--spreadsheet", is_flag=True, help="Of a table: begin texts that a spreadsheet takes for formulas with an apostrophe.")
    @pass_config
    def command(config: Config, batch_id: str, output: Path | None, kind: str | None, order: str, spreadsheet: bool) -> None:
        with opened(config) as database:
            with database.read() as session:
                batch = find_batch(session, batch_id)
            form = form_of(database, batch, kind or ("csv" if output and output.suffix.lower() == ".csv" else "jsonl"), spreadsheet)
            wanted = Selection(batch.app_id, batch.id, STATUSES[what], order == "finished")
            items = lines(config, database, wanted)
            if output is None:
                _print(form, items)
            else:
                _say(batch, output, continued(output, form, items))

    return command


def form_of(database: Database, batch: BatchFacts, kind: str, is_spreadsheet: bool) -> Form:
    if kind == "jsonl":
        return Form(b"", json_line, known_json)
    try:
        workflow = PublishedWorkflows(database).find(batch.app_id, batch.workflow_id)
    except GraphError:
        workflow = None
    table = TableWriter(workflow.output_names if workflow else (), is_spreadsheet)
    head = table.head()
    return Form(head, table.row, partial(known_table, head=head))


def lines(config: Config, database: Database, wanted: Selection) -> Iterator[dict[str, Any]]:
    secret = config.secret_key or database.transact(signing_secret)
    file_url = FileLinks(secret, config.files_url, config.files_access_timeout_s).of_app(wanted.app_id)
    return (result_facts(item, wanted.as_ended, file_url) for item in read_results(database, wanted))


def _print(form: Form, items: Iterator[dict[str, Any]]) -> None:
    click.echo(form.head, nl=False)
    for item in items:
        click.echo(form.render(item), nl=False)


def continued(path: Path, form: Form, items: Iterator[dict[str, Any]]) -> int:
    """Write the items that the file does not have yet behind those that it has; answers how many it has now.

    Raises ``click.ClickException`` if the file is something else, or has the results of runs that were made again since.
    """
    path.touch()
    with path.open("r+b") as file:
        known = form.known(file)
        file.seek(known.end)
        file.truncate()
        if not known.end:
            file.write(form.head)
        number = len(known.runs)
        for item in items:
            if item["line"] not in known.runs:
                file.write(form.render(item))
                number += 1
            elif known.runs[item["line"]] != (item["workflow_run_id"] or ""):
                raise click.ClickException(f"{path} has another result of line {item['line']}: remove it, or choose another file.")
    return number


def known_json(file: BinaryIO) -> Known:
    """The known part ends at a line that was cut off, or is none of ours. Raises ``click.ClickException`` for a file of another kind."""
    begin = file.read(len(START))
    _check(file, is_ours=START.startswith(begin))
    file.seek(0)
    runs: dict[int, str] = {}
    end = 0
    for data in file:
        facts = _facts(data)
        if facts is None:
            break
        runs[facts["line"]] = facts["workflow_run_id"] or ""
        end += len(data)
    return Known(runs, end)


def _facts(data: bytes) -> dict[str, Any] | None:
    try:
        facts = json.loads(data)
    except ValueError:
        return None
    is_whole = data.endswith(b"\n") and isinstance(facts, dict) and {"line", "workflow_run_id"} <= facts.keys()
    return facts if is_whole else None


def known_table(file: BinaryIO, head: bytes) -> Known:
    """The same of a table with this header."""
    begin = file.read(len(head))
    if begin != head:
        _check(file, is_ours=head.startswith(begin))
        return Known({}, 0)
    runs: dict[int, str] = {}
    known_end = len(head)
    for cells, end in _rows(file, len(next(csv.reader([head.decode()])))):
        runs[int(cells[COLUMNS.index("line")])] = cells[COLUMNS.index("workflow_run_id")]
        known_end = end
    return Known(runs, known_end)


def _rows(file: BinaryIO, width: int) -> Iterator[tuple[list[str], int]]:
    """The whole rows from where the file stands, each with where it ends."""
    found = records(RecordLines(file, Encoding("utf-8"), ANY_LENGTH), ",", ANY_LENGTH)
    while True:
        try:
            record = next(found, None)
        except OpenQuote:
            return
        if record is None or record.error is not None or len(record.cells) != width or not _ends_a_line(file):
            return
        yield record.cells, file.tell()


def _ends_a_line(file: BinaryIO) -> bool:
    at = file.tell()
    file.seek(at - 1)
    return file.read(1) == b"\n"


def _check(file: BinaryIO, *, is_ours: bool) -> None:
    """A file that has something, but nothing of ours, must not be written over."""
    if not is_ours:
        raise click.ClickException(f"{file.name} is no download of a batch in this format: remove it, or choose another file.")


def _say(batch: BatchFacts, path: Path, number: int) -> None:
    say(f"{number} items are in {path}.")
    if not batch.status.is_final:
        say("The batch has not ended: the same command fetches the rest later.")
