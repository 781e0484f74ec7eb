"""Every endpoint of a whole deployment under generated requests; `./deploy/test --fuzz 20000` sends more of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzzing.campaign import Campaign
from tests.fuzzing.scene import prepared

#: Requests: some twenty for each operation, about a minute.
CASES = 2000


@pytest.fixture(scope="module")
def campaign() -> Iterator[Campaign]:
    with prepared() as scene:
        yield Campaign(scene, CASES)


def test_no_request_makes_the_product_fail(campaign: Campaign) -> None:
    ledger = campaign.run()

    assert not ledger.failures, "\n".join(map(str, ledger.failures))
    assert ledger.cases >= CASES
    assert set(ledger.operations()) == {operation.label for operation in campaign.operations}
    # Else it would only be the look-ups that are tested. Which ids there are just then is not the same each time.
    untried = {operation for operation in ledger.operations() if not ledger.successes[operation]} - NEVER_SUCCEED
    assert len(untried) < len(campaign.operations) / 10, untried


#: Operations that nothing is there for: the trigger takes POST alone, the other modes are refused.
NEVER_SUCCEED = {
    *(f"{method} /triggers/webhook/{{token}}" for method in ("GET", "PUT", "PATCH", "DELETE")),
    "POST /v1/chat-messages",
    "POST /v1/completion-messages",
    "GET /v1/conversations",
}
