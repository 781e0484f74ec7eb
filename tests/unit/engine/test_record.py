from decimal import Decimal

from worker.engine.events import ROOT, NodeStatus, Scope
from worker.engine.record import NodeRecord


def record_in(scope: Scope) -> NodeRecord:
    return NodeRecord(
        execution_id="e",
        node_id="n",
        node_type="code",
        title="N",
        index=1,
        predecessor_node_id=None,
        status=NodeStatus.SUCCEEDED,
        inputs={},
        process_data={},
        outputs={},
        error=None,
        handle="source",
        attempts=1,
        elapsed_s=0.5,
        created_at=1.0,
        finished_at=1.5,
        total_price=Decimal(0),
        scope=scope,
        metadata={"total_tokens": 3},
    )


def test_the_event_of_a_node_in_a_container_says_in_which_pass():
    inside = record_in(Scope(iteration_id="it", iteration_index=4, path=(("it", 4),)))

    assert inside.finished_event().metadata == {"total_tokens": 3, "iteration_id": "it", "iteration_index": 4}
    assert record_in(ROOT).finished_event().metadata == {"total_tokens": 3}
