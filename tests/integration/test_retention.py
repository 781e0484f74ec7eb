"""A worker removes what is old without being asked, beside its runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update

from tests.services import documents
from tests.services.stage import Stage
from tests.services.waiting import wait_for
from worker.store.models import RUNS


@pytest.mark.parametrize("database", ["sqlite_url", "postgres_url"])
def test_a_worker_removes_old_runs(request: pytest.FixtureRequest, tmp_path: Path, database: str) -> None:
    with Stage(tmp_path / "stage", request.getfixturevalue(database)) as stage:
        stage.staff()
        held = documents.chain("held", [documents.start(), documents.http_get("call", f"{stage.counting.url}/hold/b"), documents.end()])
        quick, slow = stage.deployment.import_documents([documents.chain("quick", [documents.start(), documents.end()]), held])
        with stage.client(quick) as client, stage.client(slow) as waiting:
            old, young, running = client.run()["workflow_run_id"], client.run()["workflow_run_id"], waiting.start()
            stage.counting.wait_until_called("b")
            with stage.database.begin() as session:
                session.execute(update(RUNS).where(RUNS.c.id == old).values(finished_at=1.0))
                session.execute(update(RUNS).where(RUNS.c.id.in_([old, running])).values(created_at=1.0))

            # The one that runs already makes its next pass in a minute; one that starts makes one at once, when it is elected.
            stage.workers[0].terminate()
            stage.workers[0].wait(30)
            stage.forget_worker(stage.workers[0])
            stage.add_worker()

            wait_for(lambda: old not in dict(stage.tasks()), "the old run to go")
            assert {young, running} <= set(dict(stage.tasks()))
            stage.counting.release("b")
            wait_for(lambda: not stage.unfinished(), "the run in between to end")
