from typing import Any

import pytest

from worker.store.batch_facts import BatchCounts, BatchStatus
from worker.store.batch_settling import Standing, error_rate, judge


def counts(**numbers: int) -> BatchCounts:
    facts = {**dict.fromkeys(BatchCounts.__slots__, 0), **numbers}
    return BatchCounts(**{**facts, "total": sum(facts.values())})


def standing(status: BatchStatus = BatchStatus.IN_PROGRESS, **changes: Any) -> Standing:
    facts: dict[str, Any] = {
        "closing_as": None,
        "error": None,
        "counts": counts(waiting=1),
        "stop_on_error_rate": None,
        "is_late": False,
    }
    return Standing(status, **{**facts, **changes})


@pytest.mark.parametrize("status", [BatchStatus.IN_PROGRESS, BatchStatus.PAUSED, BatchStatus.CANCELLING])
def test_a_batch_with_open_items_goes_on(status: BatchStatus) -> None:
    assert judge(standing(status, closing_as=BatchStatus.CANCELLED)).status is status
    assert judge(standing(status, counts=counts(running=1))).status is status


@pytest.mark.parametrize("status", [BatchStatus.IN_PROGRESS, BatchStatus.PAUSED])
def test_a_batch_without_open_items_is_complete_even_if_it_is_late_or_much_failed(status: BatchStatus) -> None:
    ended = counts(succeeded=1, failed=99)

    assert judge(standing(status, counts=ended, is_late=True, stop_on_error_rate=0.1)).status is BatchStatus.COMPLETED


def test_a_closing_batch_becomes_what_it_closes_as() -> None:
    verdict = judge(standing(BatchStatus.CANCELLING, closing_as=BatchStatus.EXPIRED, error="Late.", counts=counts(expired=1)))

    assert (verdict.status, verdict.closing_as, verdict.error) == (BatchStatus.EXPIRED, None, "Late.")


def test_a_late_batch_is_closed_as_expired() -> None:
    verdict = judge(standing(is_late=True))

    assert (verdict.status, verdict.closing_as) == (BatchStatus.CANCELLING, BatchStatus.EXPIRED)


@pytest.mark.parametrize(("failed", "rate", "is_stopped"), [(10, 0.5, False), (11, 0.5, True), (1, 0.0, True), (0, 0.0, False)])
def test_a_batch_is_stopped_when_more_fail_than_it_allows(failed: int, rate: float, is_stopped: bool) -> None:
    verdict = judge(standing(counts=counts(waiting=5, failed=failed, succeeded=20 - failed), stop_on_error_rate=rate))

    assert (verdict.closing_as is BatchStatus.FAILED) is is_stopped


def test_errors_are_judged_once_some_items_have_ended() -> None:
    assert error_rate(counts(failed=19, waiting=80)) is None
    assert error_rate(counts(failed=10, succeeded=10, waiting=80)) == 0.5
    assert error_rate(counts(failed=1, succeeded=2, partial=1, invalid=6)) == 0.25
    assert error_rate(counts(invalid=5)) is None
    assert error_rate(counts(cancelled=5)) is None


@pytest.mark.parametrize("status", [*(status for status in BatchStatus if status.is_final), BatchStatus.VALIDATING])
def test_what_has_ended_or_not_begun_stays(status: BatchStatus) -> None:
    assert judge(standing(status, is_late=True)).status is status
    assert judge(standing(status, counts=counts(succeeded=1))).status is status
