from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.app.admin.administering import Operator, operated


@pytest.fixture(scope="module")
def shared_operator() -> Iterator[Operator]:
    with operated() as made:
        yield made


@pytest.fixture
def operator(shared_operator: Operator) -> Iterator[Operator]:
    """The operator of one application for all tests of a module; each makes its own apps."""
    shared_operator.service.worker.reset()
    yield shared_operator
    shared_operator.service.worker.join()


@pytest.fixture
def app_id(operator: Operator) -> str:
    """An app with one version and one key."""
    return str(operator.import_app()["app_id"])
