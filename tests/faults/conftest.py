"""A deployment for each module, which its tests may harm, and the checker that looks at it after every test."""

from collections.abc import Callable, Iterator, Mapping

import pytest

from tests.faults.harness.audience import Audience
from tests.services.stage import FAST, Stage


@pytest.fixture(scope="module")
def settings() -> Mapping[str, str]:
    """Settings of the module beside ``FAST``; a module may have a fixture of its own, and so with the next."""
    return {}


@pytest.fixture(scope="module")
def database_url(new_postgres_database: Callable[[], str]) -> str:
    return new_postgres_database()


@pytest.fixture(scope="module")
def stage(settings: Mapping[str, str], database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Nobody is up yet: every test says whom it needs (``staff``)."""
    with Stage(tmp_path_factory.mktemp("stage"), database_url, **{**FAST, **settings}) as stage:
        yield stage


@pytest.fixture(autouse=True)
def examined(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test does to its deployment, the doctor finds nothing in it afterwards."""
    stage: Stage | None = request.getfixturevalue("stage") if "stage" in request.fixturenames else None
    yield
    if stage is None:
        return
    stage.counting.release_all()
    stage.staff(webs=max(len(stage.webs), 1), workers=max(len(stage.workers), 1))
    assert stage.findings() == []


@pytest.fixture
def audience(stage: Stage) -> Iterator[Audience]:
    stage.counting.reset()
    with Audience(stage) as audience:
        yield audience
