"""Batches from the command line."""

from __future__ import annotations

import csv
import io
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from app.batches.results import RESULTS, Selection
from app.cli.batch_download import continued, form_of, lines
from tests.services import documents
from tests.unit.app.batches.ending import end_item
from tests.unit.app.serving import Caller, ScriptedWorker, Service, form
from worker.bus.memory import MemoryEventLog, MemoryListener
from worker.config import Config
from worker.store.batch_facts import ItemStatus, load_batch
from worker.store.session import Database

ITEMS = "".join(json.dumps({"custom_id": name, "inputs": {"q": name}}) + "\n" for name in "abcd")


@pytest.fixture
def app(penstock, tmp_path) -> str:
    path = tmp_path / "caller.yml"
    path.write_text(json.dumps(form(documents.variable("q", required=True)), ensure_ascii=False), "utf-8")
    (imported,) = penstock("apps", "import", path, "--json").lines()
    return imported["app_id"]


@pytest.fixture
def caller(app: str, tmp_path: Path):
    """What ends items, on the database of the commands."""
    database = Database.connect(Config(data_dir=tmp_path / "data"))
    log = MemoryEventLog(MemoryListener())
    yield Caller(Service(None, database, log, ScriptedWorker(database, log)), app, "")  # type: ignore[arg-type]
    database.dispose()


@pytest.fixture
def submit(penstock, app: str, tmp_path: Path):
    def submit(content: str = ITEMS, *options: Any, name: str = "batch.jsonl") -> Any:
        path = tmp_path / name
        path.write_text(content, "utf-8")
        return penstock("batch", "submit", app, path, *options)

    return submit


@pytest.fixture
def batch(submit) -> str:
    return submit().out.strip()


def test_a_file_is_submitted(submit, penstock, app: str):
    done = submit(ITEMS, "--max-concurrency", 3, "--user", "ada", "--metadata", "order=4711", "--completion-window", "24h")

    assert done.code == 0
    assert done.err == f"Batch {done.out.strip()} is in_progress: 0 of 4 items have ended.\n"
    (facts,) = penstock("batch", "show", done.out.strip(), "--json").lines()
    assert (facts["app_id"], facts["user"], facts["max_concurrency"], facts["completion_window"]) == (app, "ada", 3, "24h")
    assert (facts["metadata"], facts["counts"]["waiting"]) == ({"order": "4711"}, 4)


def test_what_is_wrong_with_items_is_said(submit):
    done = submit("q\nx\n" + '"y\n\n"z\n' + ",,\n" * 12 + "".join(f"{n},2\n" for n in range(12)), name="batch.csv")

    assert done.code == 0
    told = done.err.splitlines()
    assert told[0].startswith("line 3: The row, lines 3 to 5, is not CSV")
    assert told[10].startswith("and 3 more: penstock batch errors ")


@pytest.mark.parametrize(
    ("content", "options", "error"),
    [
        ("nothing\nx\n", (), "The header names 'nothing', which the start form does not have. A table can have the columns custom_id, q."),
        ("q\n", (), "The batch has no items."),
        ("q\nx\n", ("--max-concurrency", 0), "max_concurrency must be between 1 and 10000."),
        ("q\nx\n", ("--encoding", "klingon"), "--encoding must be the name of an encoding, such as utf-8, utf-16 or gb18030."),
        ("q\nx\n", ("--metadata", "x"), "--metadata x must have the form NAME=VALUE."),
        ("q\nx\n", ("--version", "x"), "The app has no version 'x'."),
        ("q\nx\n", ("--webhook", "x"), "webhook.url must be an address that starts with http:// or https://."),
    ],
)
def test_a_refusal_is_one_sentence(submit, penstock, content: str, options: tuple[Any, ...], error: str):
    done = submit(content, *options, name="batch.csv")

    assert done.code != 0
    assert done.err == f"penstock: {error}\n"
    assert penstock("batch", "list", "--json").lines() == []


def test_batches_are_listed(penstock, batch: str, app: str):
    (listed,) = penstock("batch", "list", app, "--json").lines()

    assert (listed["id"], listed["app_id"]) == (batch, app)
    assert penstock("batch", "list").out.split("\t")[:4] == [batch, app, "in_progress", "0/4"]
    assert penstock("batch", "list", "--status", "completed").out == ""


@pytest.mark.parametrize("command", ["show", "watch", "results", "errors", "cancel", "pause", "resume", "retry"])
def test_an_unknown_batch_is_named(penstock, command: str):
    done = penstock("batch", command, "nothing")

    assert (done.code, done.err) == (1, "penstock: There is no batch 'nothing'.\n")


def test_a_batch_is_paused_resumed_and_cancelled(penstock, batch: str):
    for command, status in (("pause", "paused"), ("resume", "in_progress"), ("cancel", "cancelling")):
        assert f"Batch {batch} is {status}: 0 of 4 items have ended." in penstock("batch", command, batch).out
    refused = penstock("batch", "pause", batch)
    assert (refused.code, refused.err) == (1, "penstock: The batch is cancelling and cannot be paused.\n")


def test_what_failed_runs_again(penstock, batch: str, caller: Caller):
    end_item(caller, batch, "a", ItemStatus.FAILED)

    assert penstock("batch", "retry", batch).out.startswith("1 items run again.")


def test_a_batch_is_watched_until_it_has_ended(penstock, batch: str, caller: Caller):
    def end_all() -> None:
        for name in "abcd":
            end_item(caller, batch, name)

    ending = threading.Thread(target=end_all)
    ending.start()
    done = penstock("batch", "watch", batch)
    ending.join()

    assert done.code == 0
    assert done.err.splitlines()[-1] == f"Batch {batch} is completed: 4 of 4 items have ended."


def test_watching_can_be_read_by_programs(penstock, batch: str, caller: Caller):
    for name in "abcd":
        end_item(caller, batch, name)

    (told,) = penstock("batch", "watch", batch, "--json").lines()

    assert (told["status"], told["counts"]["succeeded"]) == ("completed", 4)


def test_results_go_to_stdout_or_to_a_file(penstock, batch: str, caller: Caller, tmp_path: Path):
    for name in "db":
        end_item(caller, batch, name)

    printed = penstock("batch", "results", batch)
    saved = penstock("batch", "results", batch, "-o", tmp_path / "out.jsonl")

    assert [line["custom_id"] for line in printed.lines()] == ["b", "d"]
    assert (tmp_path / "out.jsonl").read_text() == printed.out
    assert saved.err.splitlines() == [
        f"penstock: 2 items are in {tmp_path / 'out.jsonl'}.",
        "penstock: The batch has not ended: the same command fetches the rest later.",
    ]


def test_results_are_a_table_by_the_name_of_the_file(penstock, batch: str, caller: Caller, tmp_path: Path):
    end_item(caller, batch, "a")

    penstock("batch", "results", batch, "-o", tmp_path / "out.csv")

    (row,) = csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text(), newline=""))
    assert (row["custom_id"], row["outputs.q"]) == ("a", "a")


def test_errors_are_the_items_without_a_result(penstock, batch: str, caller: Caller):
    end_item(caller, batch, "a")
    end_item(caller, batch, "b", ItemStatus.FAILED, error=("run_failed", "why"))

    (line,) = penstock("batch", "errors", batch).lines()

    assert (line["custom_id"], line["error"]) == ("b", {"code": "run_failed", "message": "why"})


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
@pytest.mark.parametrize("order", ["input", "finished"])
def test_a_download_goes_on_wherever_it_was_cut_off(submit, penstock, caller: Caller, tmp_path: Path, kind: str, order: str):
    texts = ['x "quoted"\nwith a line break,', "plain", "中文\r\n", '"']
    content = "".join(json.dumps({"custom_id": f"n{n}", "inputs": {"q": text}}) + "\n" for n, text in enumerate(texts))
    batch = submit(content).out.strip()
    for n in range(4):
        end_item(caller, batch, f"n{n}")
    command = ("batch", "results", batch, "--order", order, "-o", path := tmp_path / f"out.{kind}")
    penstock(*command)
    whole = path.read_bytes()

    path.write_bytes(whole[:-20])
    assert penstock(*command).code == 0
    assert path.read_bytes() == whole
    for end in range(0, len(whole), 3):
        path.write_bytes(whole[:end])
        assert download(caller, batch, path, kind, order) == 4
        assert path.read_bytes() == whole


def download(caller: Caller, batch_id: str, path: Path, kind: str, order: str) -> int:
    """What the command does, without the start of a command."""
    database = caller.service.database
    with database.read() as session:
        batch = load_batch(session, batch_id)
    assert batch is not None
    wanted = Selection(caller.app_id, batch_id, RESULTS, order == "finished")
    return continued(path, form_of(database, batch, kind, False), lines(Config(), database, wanted))


def test_a_download_of_a_batch_that_went_on_gets_the_rest(penstock, batch: str, caller: Caller, tmp_path: Path):
    path = tmp_path / "out.jsonl"
    for name in "dbac":
        end_item(caller, batch, name)
        penstock("batch", "results", batch, "-o", path)

    assert [json.loads(line)["custom_id"] for line in path.read_text().splitlines()] == ["d", "b", "a", "c"]


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_a_file_of_another_kind_is_not_written_over(penstock, batch: str, tmp_path: Path, kind: str):
    path = tmp_path / f"precious.{kind}"
    path.write_text("precious\n")

    done = penstock("batch", "results", batch, "-o", path)

    assert done.code == 1
    assert "is no download of a batch in this format" in done.err
    assert path.read_text() == "precious\n"


def test_a_download_does_not_mix_the_results_of_two_tries(penstock, batch: str, caller: Caller, tmp_path: Path):
    path = tmp_path / "out.jsonl"
    end_item(caller, batch, "a", ItemStatus.FAILED, error=("run_failed", "why"))
    penstock("batch", "results", batch, "-o", path)
    penstock("batch", "retry", batch)
    end_item(caller, batch, "a")
    with caller.service.database.read() as session:
        found = load_batch(session, batch)
    assert found is not None
    assert found.counts.succeeded == 1

    done = penstock("batch", "results", batch, "-o", path)

    assert done.code == 1
    assert "has another result of line 1" in done.err
