"""What is wrong with batches is found, and nothing else."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from tests.contract.doctor.conftest import Clinic
from worker.doctor import examination
from worker.store import batches
from worker.store.batch_models import BATCH_ITEMS, BATCHES

CHECKS = ("batch-counts", "batch-dispatch")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is on its way in these tests."""
    monkeypatch.setattr(examination.time, "sleep", lambda seconds: None)


@pytest.fixture
def batch_id(clinic: Clinic) -> str:
    """A batch in progress: one item whose run goes on, one that waits and an invalid one."""
    run, _ = clinic.running()
    new = batches.NewBatch(run.app_id, run.workflow_id, run.workflow_version, run.end_user_id)
    with clinic.database.begin() as session:
        made = batches.new_batch(session, new).batch_id
    items = [batches.NewItem("a", 1), batches.NewItem("b", 2), batches.NewItem("c", 3, error_code="x", error="y")]
    with clinic.database.begin() as session:
        batches.add_items(session, made, items)
        batches.seal_batch(session, made)
        session.execute(update(BATCH_ITEMS).where(BATCH_ITEMS.c.position == 1).values(status="running", run_id=run.run_id))
        session.execute(update(BATCHES).values(running=1, waiting=1))
    return made


def found(clinic: Clinic) -> list[tuple[str, str]]:
    return [(finding.check, finding.text) for finding in clinic.findings(checks=CHECKS)]


def change(clinic: Clinic, **values: object) -> None:
    with clinic.database.begin() as session:
        session.execute(update(BATCHES).values(**values))


def test_a_batch_in_order_has_no_finding(clinic: Clinic, batch_id: str) -> None:
    assert clinic.findings() == []


def test_counts_that_are_not_those_of_the_items_are_found(clinic: Clinic, batch_id: str) -> None:
    change(clinic, succeeded=2, waiting=0)

    assert found(clinic) == [
        ("batch-counts", "says that 0 items are waiting, and there are 1"),
        ("batch-counts", "says that 2 items are succeeded, and there are 0"),
    ]


def test_an_ended_batch_with_open_items_is_found(clinic: Clinic, batch_id: str) -> None:
    change(clinic, status="completed", ended_at=1.0)

    assert found(clinic) == [("batch-counts", "has ended as completed, and 2 of its items have not")]


def test_an_end_that_nobody_noted_is_found(clinic: Clinic, batch_id: str) -> None:
    clinic.execute("UPDATE runs SET status = 'succeeded', finished_at = 1.0")

    ((check, text),) = found(clinic)

    assert check == "batch-dispatch"
    assert text.startswith("does not know of item 'a' that its run ")


@pytest.mark.parametrize("values", [{"expires_at": 1.0}, {"status": "validating", "validating_until": 1.0}])
def test_a_batch_whose_time_is_up_is_found(clinic: Clinic, batch_id: str, values: dict[str, object]) -> None:
    change(clinic, **values)

    assert [check for check, _ in found(clinic)] == ["batch-dispatch"]


def test_a_batch_that_is_being_made_is_in_order(clinic: Clinic, batch_id: str) -> None:
    change(clinic, status="validating", validating_until=1e12, total=99)

    assert found(clinic) == []
