import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.engine.checkpoint import CheckpointError, dump_record, dump_value, load_record, load_value
from worker.engine.events import NodeStatus, Scope
from worker.engine.record import NodeRecord
from worker.engine.variables import File, Secret

FILE = File("image", "local_file", "a.png", ".png", "image/png", 3, related_id="id-1")

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("$type"), inner),
    max_leaves=20,
)
values = st.recursive(
    plain | st.just(FILE) | st.text().map(Secret), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


@given(values)
def test_a_value_survives_the_checkpoint_unchanged(value):
    loaded = load_value(json.loads(json.dumps(dump_value(value))))

    assert loaded == value
    assert type(loaded) is type(value)


def record_of(**values):
    usual = {
        "execution_id": "e",
        "node_id": "n",
        "node_type": "code",
        "title": "N",
        "index": 3,
        "predecessor_node_id": None,
        "status": NodeStatus.SUCCEEDED,
        "inputs": {"a": 1},
        "process_data": {},
        "outputs": {"f": FILE},
        "error": None,
        "handle": "source",
        "attempts": 2,
        "elapsed_s": 0.5,
        "created_at": 1.0,
        "finished_at": 1.5,
    }
    return NodeRecord(**{**usual, **values})


def test_a_record_survives_json_with_scope_writes_and_files():
    record = record_of(
        scope=Scope(iteration_id="it", iteration_index=4, path=(("it", 4),)),
        writes=((("loop", "x"), Secret("s")),),
        metadata={"total_tokens": 3},
    )

    assert load_record(json.loads(json.dumps(dump_record(record)))) == record


def test_a_record_of_an_unknown_version_is_refused():
    with pytest.raises(CheckpointError, match="99"):
        load_record({**dump_record(record_of()), "v": 99})
