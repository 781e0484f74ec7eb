"""SQLite, held by somebody else (reliability.md section 1.13)."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.faults.harness import kinds
from tests.faults.harness.audience import check

#: Seconds for which another process keeps the database from being written; SQLite's clients wait for ten.
HELD_S = 3.0

RUNS = 20


@pytest.fixture(scope="module")
def database_url(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'test.sqlite3'}"


def test_a_writer_of_another_process_delays_and_refuses_nothing(stage, audience):
    stage.staff(webs=1, workers=1)
    kind = kinds.gated("locked", stage.counting.url, ["first", "second"])
    app = stage.deployment.import_document(kind.document)
    with held(stage.config.sql_url.removeprefix("sqlite:///")):
        seen = check(audience.follow(app, *(f"l{number}" for number in range(RUNS))), kind)

    assert max(followed.took_s for followed in seen) > HELD_S / 2
    assert not any(followed.refusals for followed in seen)


@contextmanager
def held(file: str) -> Iterator[None]:
    """The database has a writer from the beginning of the block on, for ``HELD_S``."""
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(HELD_S, other.execute, ["ROLLBACK"])
        timer.start()
        yield
        timer.join()
