"""A deployment of several processes, and servers on this machine that workflows call."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.acceptance.examples import Scene, prepared
from tests.services.client import Client
from tests.services.counting import CountingServer
from tests.services.penstock import Deployment, ImportedApp, Server, Web
from tests.services.valkey import Valkey


@pytest.fixture
def counting() -> Iterator[CountingServer]:
    with CountingServer() as server:
        yield server


@pytest.fixture(scope="session")
def shared_counting() -> Iterator[CountingServer]:
    """One for tests that share a deployment; each uses names of its own."""
    with CountingServer() as server:
        yield server


@pytest.fixture(scope="session")
def scene(server: Server, shared_counting: CountingServer) -> Iterator[Scene]:
    """What the requests of `api-examples.json` are sent to."""
    with prepared(server, shared_counting) as scene:
        yield scene


@dataclass(frozen=True, slots=True)
class Cluster:
    """Two API instances and two workers over PostgreSQL and Redis."""

    deployment: Deployment
    webs: tuple[Web, Web]

    def client(self, app: ImportedApp, instance: int = 0, user: str = "tester") -> Client:
        return self.deployment.client(self.webs[instance], app, user)


@pytest.fixture(scope="session")
def cluster(new_postgres_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Shared by tests that do not harm it. Each worker has room for all runs of the largest test."""
    settings = {"PENSTOCK_OUTBOUND_ALLOW": "127.0.0.1", "PENSTOCK_WORKER_CONCURRENCY": "128"}
    folder = tmp_path_factory.mktemp("cluster")
    with Valkey() as valkey, Deployment(folder, new_postgres_database(), valkey.url, **settings) as deployment:
        deployment.add_worker()
        deployment.add_worker()
        yield Cluster(deployment, (deployment.add_web(), deployment.add_web()))
