"""A crashed run goes on where it was (reliability.md section 1.3): one crash, and what became of the runs that it met."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass

import pytest

from tests.faults.harness import kinds
from tests.faults.harness.audience import Audience, check
from tests.faults.harness.following import Followed
from tests.faults.harness.kinds import Kind
from tests.services import documents
from tests.services.penstock import ImportedApp
from tests.services.stage import Stage

NODES = [f"n{number}" for number in range(1, 11)]

#: The promise is five seconds on a machine of its own, and `deploy/test --chaos` measures it. Here each of the runs gets a process of its
#: own at the same moment, on two cores with whatever else runs on them.
WITHIN_S = 20.0

ITEMS = 100
#: The item in whose call the worker dies.
KILLED_AT = 57


@dataclass(frozen=True, slots=True)
class Crash:
    """The worker was killed while each of these runs waited for a call, and another one has taken them over."""

    stage: Stage
    audience: Audience
    #: Ten nodes each, the run of the nth in its nth node.
    chains: list[tuple[Kind, Future[Followed]]]
    iteration: tuple[Kind, Future[Followed]]
    #: A new version of its app was published before the other worker came.
    pinned: tuple[Kind, Future[Followed]]
    app: ImportedApp
    newer: Kind
    #: Seconds from the kill until every run was in its call again.
    recovery_s: float

    def effects(self, query: str) -> dict[str, int]:
        """Calls of the run with this query, without its name."""
        return {
            name.removeprefix(f"{query}:"): times for name, times in self.stage.counting.calls().items() if name.startswith(f"{query}:")
        }


@pytest.fixture(scope="module")
def settings():
    """Runs that have lost a worker are executed alone: there is room for all of them at a time."""
    return {"PENSTOCK_QUARANTINE_SLOTS": "16"}


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def database_url(request, new_postgres_database, tmp_path_factory):
    return new_postgres_database() if request.param == "postgresql" else f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'test.sqlite3'}"


@pytest.fixture(scope="module")
def crash(stage: Stage) -> Iterator[Crash]:
    url = stage.counting.url
    chains = [kinds.gated(f"chain-{node}", url, NODES, held=node) for node in NODES]
    iteration, old, newer = iterated(url), kinds.gated("pinned", url, ["a", "gate", "b"], held="gate"), kinds.gated("pinned", url, ["c"])
    apps = stage.deployment.import_documents([kind.document for kind in [*chains, iteration, old]])
    stage.staff(webs=1, workers=1)
    for number in set(range(ITEMS)) - {KILLED_AT}:
        stage.counting.release(f"items:{number}")
    with Audience(stage) as audience:
        *chained, items, pinned = (
            audience.follow(app, query)[0] for app, query in zip(apps, [*(f"at-{node}" for node in NODES), "items", "old"], strict=True)
        )
        for gate in GATES:
            stage.counting.wait_until_called(gate)
        stage.deployment.publish_document(apps[-1], newer.document)
        stage.staff(webs=1, workers=2)
        killed_at = time.monotonic()
        stage.kill_worker(stage.workers[0])
        for gate in GATES:
            stage.counting.wait_until_called(gate, times=2)
        recovery_s = time.monotonic() - killed_at
        for gate in GATES:
            stage.counting.release(gate)
        chained_kinds = list(zip(chains, chained, strict=True))
        yield Crash(stage, audience, chained_kinds, (iteration, items), (old, pinned), apps[-1], newer, recovery_s)


#: Calls that the runs are in when their worker dies.
GATES = [*(f"at-{node}:{node}" for node in NODES), f"items:{KILLED_AT}", "old:gate"]


def iterated(url: str) -> Kind:
    """A call for each of a hundred items."""
    listing = documents.code("listing", f"def main():\n    return {{'items': list(range({ITEMS}))}}", {"items": "array[number]"})
    ask = documents.http_get("ask", f"{url}/hold/{{{{#start.query#}}}}:{{{{#each.index#}}}}")
    each = documents.iteration("each", ["listing", "items"], ask, output_selector=["ask", "body"])
    nodes = [kinds.QUERY, listing, *each, documents.end(bodies=["each", "output"])]
    edges = [("start", "listing"), ("listing", "each"), documents.container_edge("each", ask), ("each", "end")]
    executions = {**dict.fromkeys(["start", "listing", "end"], 1), "ask": ITEMS}
    document = documents.workflow("hundred", nodes, edges)
    return Kind("hundred", document, lambda query, _: {"bodies": [f"{query}:{n}" for n in range(ITEMS)]}, executions, {"each": ITEMS})


def test_every_run_has_another_worker_soon_after_its_lease(crash):
    assert crash.recovery_s < crash.stage.config.lease_s + WITHIN_S


def test_only_the_node_in_flight_is_executed_again(crash):
    for (kind, stream), held in zip(crash.chains, NODES, strict=True):
        check([stream], kind)
        assert crash.effects(f"at-{held}") == {node: 2 if node == held else 1 for node in NODES}


def test_items_of_an_iteration_that_are_done_stay_done(crash):
    kind, stream = crash.iteration
    check([stream], kind)

    assert crash.effects("items") == {str(number): 2 if number == KILLED_AT else 1 for number in range(ITEMS)}


def test_a_version_that_was_published_meanwhile_is_for_later_runs(crash):
    kind, stream = crash.pinned
    check([stream], kind)
    check(crash.audience.follow(crash.app, "new"), crash.newer)

    assert (crash.effects("old"), crash.effects("new")) == ({"a": 1, "gate": 2, "b": 1}, {"c": 1})
