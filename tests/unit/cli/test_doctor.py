"""`penstock doctor` as a command; what its checks find is tested in tests/contract/doctor."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from app.cli import doctor as doctor_module
from tests.unit.running import accept, claimed
from worker.config import Config
from worker.doctor import CHECKS
from worker.store.models import RUNS
from worker.store.session import Database


@pytest.fixture
def database(penstock, tmp_path):
    """The embedded default, with its tables."""
    assert penstock("migrate").code == 0
    made = Database.connect(Config(data_dir=tmp_path / "data"))
    yield made
    made.dispose()


def stuck_runs(database, number):
    """Runs that nobody brings on."""
    runs = [accept(database) for _ in range(number)]
    for run in runs:
        claimed(database, run)
    with database.begin() as session:
        session.execute(update(RUNS).values(deadline_at=1.0))
    return {run.run_id for run in runs}


def test_a_deployment_in_order_ends_with_0(penstock, database):
    done = penstock("doctor")

    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines()[-1] == "penstock: All is in order."
    assert "Redis is left out" in done.err


def test_a_finding_ends_with_1_and_advice(penstock, database):
    [run_id] = stuck_runs(database, 1)

    done = penstock("doctor")

    assert done.code == 1
    assert done.out.startswith(f"deadline\t{run_id}\tis running, and its deadline was ")
    [advice] = [check.advice for check in CHECKS if check.name == "deadline"]
    assert done.err.splitlines()[-1] == f"penstock: deadline (1): {advice}"


def test_programs_get_a_json_line_for_each(penstock, database):
    run_ids = stuck_runs(database, 3)

    lines = penstock("doctor", "--json").lines()

    assert {line["subject"] for line in lines} == run_ids
    assert set(lines[0]) == {"check", "subject", "text", "advice"}


def test_people_get_no_more_than_they_can_read(penstock, database, monkeypatch):
    monkeypatch.setattr(doctor_module, "SHOWN", 2)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    stuck_runs(database, 3)

    assert penstock("doctor").out.splitlines()[-1] == "... and 1 more: --json prints all of them."


def test_only_what_is_asked_for_is_looked_at(penstock, database):
    run_id, _ = sorted(stuck_runs(database, 2))

    assert [line["subject"] for line in penstock("doctor", "--run", run_id, "--json").lines()] == [run_id]
    assert penstock("doctor", "--check", "paused", "--check", "lease").code == 0
    assert penstock("doctor", "--since", "1d").code == 1
    assert penstock("doctor", "--since", "0s").code == 0
    assert penstock("doctor", "--check", "weather").code == 2


def test_what_cannot_be_looked_at_ends_with_2_and_is_not_made(penstock, tmp_path, monkeypatch):
    assert (done := penstock("doctor")).code == 2
    assert "There is no database" in done.err
    assert not (tmp_path / "data").exists()

    penstock("migrate")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    assert (done := penstock("doctor")).code == 2
    assert "Redis cannot be reached" in done.err


def test_a_run_that_is_not_there_is_not_in_order(penstock, database):
    done = penstock("doctor", "--run", "typo")

    assert (done.code, done.out) == (2, "")
    assert "There is no run 'typo'." in done.err


def test_an_older_schema_is_a_finding(penstock, database):
    with database.begin() as session:
        session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")

    done = penstock("doctor")

    assert (done.code, done.out.split("\t")[0]) == (1, "schema")
