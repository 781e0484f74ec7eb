"""`deploy/test --volume` in small: batches whose workers die, and small ones beside large ones."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from tests.faults.harness import items
from tests.faults.harness.batching import examine, facts, stay, wait_for_end
from tests.faults.harness.faults import Trouble
from tests.faults.harness.ledger import Ledger
from tests.services.batches import cancel, upload
from tests.services.processes import Process
from tests.services.stage import Stage
from tests.services.waiting import wait_for

#: Items, and every how many of them one calls the server, where it is held.
ITEMS = 300
RING_EVERY = 25

#: Workers that die, and runs that are held before each of them does.
LOSSES = 2
HELD = 4

LARGE, SMALL = 1500, 50


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def database_url(request, new_postgres_database, tmp_path_factory):
    is_file = request.param == "sqlite"
    return f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'test.sqlite3'}" if is_file else new_postgres_database()


class Cruel(random.Random):
    """Chooses the worker that has the most runs."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage

    def choice(self, workers: Sequence[Process]) -> Process:
        under_way = self._stage.under_way().values()
        return max(workers, key=lambda worker: sum(position.is_held_by(worker) for position in under_way))


def test_every_item_has_one_right_result_although_workers_die(stage):
    stage.counting.reset()
    stage.staff(webs=1, workers=2)
    kind = items.cheap("killed", stage.counting.url, answering="hold")
    app = stage.deployment.import_document(kind.document)
    asked = items.items(ITEMS, RING_EVERY)
    with stage.client(app) as client, Ledger(stage) as ledger:
        trouble = Trouble(stage, None, ledger, Cruel(stage))
        batch_id = upload(client, items.jsonl(asked))["id"]
        for loss in range(1, LOSSES + 1):
            wait_for(lambda due=loss * HELD: len(stage.counting.calls()) >= due, "runs that are held", 60.0)
            trouble.kill_worker()
            wait_for(lambda: not any(injection.waiting for injection in ledger.injections), "the lost runs to go on", 60.0)
        stage.counting.release_all()
        wait_for_end(stage, batch_id, timeout_s=120.0)

        assert list(examine(stage, client, kind, app.app_id, asked, batch_id)) == []
        assert all(injection.hit for injection in ledger.injections)


def test_a_small_batch_ends_before_three_times_as_many_items_of_another_app(stage):
    stage.staff(webs=1, workers=2)
    kinds = [items.cheap(name, stage.counting.url) for name in ("large", "small")]
    large, small = stage.deployment.import_documents([kind.document for kind in kinds])
    with stage.client(large) as many, stage.client(small) as few:
        behind = upload(many, items.jsonl(items.items(LARGE)))["id"]
        wait_for(lambda: facts(stage, behind).counts.ended > SMALL, "a part of the large batch to end", 60.0)

        seen = stay(stage, few, items.items(SMALL), beside=behind)

        assert not facts(stage, behind).status.is_final
        assert seen.others <= 3 * SMALL
        cancel(many, behind)
        wait_for_end(stage, behind, timeout_s=60.0)


RESULTS = [
    {"custom_id": item.custom_id, "status": "succeeded", "outputs": {"said": item.query}, "workflow_run_id": item.custom_id, "error": None}
    for item in items.items(3)
]


@pytest.mark.parametrize(
    ("results", "problem"),
    [
        (RESULTS, None),
        (RESULTS[1:], "1 have no result, such as row-1."),
        ([*RESULTS, RESULTS[1]], "1 have several results, such as row-2."),
        ([*RESULTS, {**RESULTS[0], "custom_id": "row-4"}], "1 were never asked for, such as row-4."),
        ([*RESULTS[:2], {**RESULTS[2], "status": "failed"}], "1 did not succeed, such as row-3 (None)."),
        ([*RESULTS[:2], {**RESULTS[2], "outputs": RESULTS[1]["outputs"]}], "1 have wrong outputs, such as row-3 ({'said': 'item 2'})."),
    ],
)
def test_results_that_are_not_as_promised_are_seen(results, problem):
    assert list(items.result_problems(items.items(3), results)) == ([] if problem is None else [problem])
