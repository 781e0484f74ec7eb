"""Another try after a failure that may pass: a rate limit, a server in trouble, a connection that broke before the answer."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from worker.engine.models import ModelError
from worker.llm.calls import Call

T = TypeVar("T")

#: Seconds before the first further try; doubled for each one after it.
FIRST_DELAY_S = 0.5

#: Longest wait that a provider may ask for. Who asks for more fails the node, which has retries of its own.
MAX_RETRY_AFTER_S = 30.0


class Transient(ModelError):
    """A failure that another try may mend."""

    #: How long the provider asks to be left alone; None: it does not say.
    retry_after_s: float | None = None


def with_retries(attempt: Callable[[], T], call: Call, retries: int) -> T:
    """The result of the first attempt that works. Raises ``ModelError``; a stop ends the wait between two attempts too.

    Nothing is asked for again once a piece of the answer is out: who listens has seen it.
    """
    for tried in range(retries + 1):
        call.begin_attempt()
        try:
            return attempted(attempt, call)
        except Transient as error:
            delay_s = _delay_s(error, tried)
            if tried == retries or call.has_begun or delay_s > MAX_RETRY_AFTER_S:
                raise
        call.cancellation.wait(delay_s)
        call.cancellation.check()
    raise AssertionError


def attempted(attempt: Callable[[], T], call: Call) -> T:
    """One attempt, which a stop ends within moments."""
    try:
        with call.stoppable(), call.as_current():
            return attempt()
    except ModelError:
        # A stop makes waits fail in all kinds of ways; the stop is the reason then.
        call.cancellation.check()
        raise


def _delay_s(error: Transient, tried: int) -> float:
    if error.retry_after_s is not None:
        return error.retry_after_s
    # Spread, so that runs which were refused together do not come back together.
    return FIRST_DELAY_S * 2**tried * random.uniform(0.5, 1.0)
