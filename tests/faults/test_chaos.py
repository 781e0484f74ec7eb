"""`deploy/test --chaos` in small: a load of every kind, and a few faults on top of each other (reliability.md section 1.12)."""

from __future__ import annotations

from tests.faults.harness.chaos import Options, chaos, prepared
from tests.faults.harness.faults import Fault, Trouble
from tests.services.stage import FAST

PLAN = (
    Fault(Trouble.kill_worker, 3.0),
    Fault(Trouble.freeze_worker, 5.0),
    Fault(Trouble.kill_web, 7.0),
    Fault(Trouble.restart_redis, 5.0),
    Fault(Trouble.restart_postgres, 6.0),
    Fault(Trouble.deliver_again, 4.0),
)


def test_no_promise_is_broken_by_faults_on_top_of_each_other(tmp_path):
    with prepared(tmp_path, **FAST) as scene:
        report = chaos(scene, Options(minutes=0.2, runs=None, rate=5.0, seed=1), PLAN)

    assert report.violations == []
    assert {row.fault for row in report.rows} > {"worker killed", "worker frozen, thawed", "API killed", "PostgreSQL restarted"}
    assert report.rows[-1].hit > 0
