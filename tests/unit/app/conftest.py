from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.app.serving import Caller, Service, served


@pytest.fixture(scope="module")
def shared_service() -> Iterator[Service]:
    with served() as made:
        yield made


@pytest.fixture
def service(shared_service: Service) -> Iterator[Service]:
    """One application for all tests of a module. Each makes its own apps; one that breaks parts takes ``served()`` instead."""
    shared_service.worker.reset()
    yield shared_service
    shared_service.worker.join()


@pytest.fixture
def caller(service: Service) -> Caller:
    """A client of an app of its own that asks for one required text, ``q``."""
    return service.hello()
