"""Runners that share their zygote over a module."""

from collections.abc import Iterator

import pytest

from worker.engine.limits import Limits
from worker.sandbox.runner import SandboxRunner


@pytest.fixture(scope="module")
def runner() -> Iterator[SandboxRunner]:
    """With the default limits: 15 s for one execution."""
    runner = SandboxRunner()
    yield runner
    runner.close()


@pytest.fixture(scope="module")
def impatient_runner() -> Iterator[SandboxRunner]:
    """Ends executions after one second."""
    runner = SandboxRunner(Limits(sandbox_worker_timeout=1.0))
    yield runner
    runner.close()
