import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.engine.checkpoint import VERSION, CheckpointError, dump_record, dump_value, load_record, load_value
from worker.engine.events import NodeStatus, Scope
from worker.engine.record import NodeRecord
from worker.engine.values import ARRAY_TYPES, SCALAR_TYPES
from worker.engine.variables import File, Secret, VariablePool, type_of
from worker.store.encoding import dumps, loads

FILE = File("image", "local_file", "a.png", ".png", "image/png", 3, related_id="id-1")

texts = st.text() | st.sampled_from(
    ["", "\0", "\u2028", "\u0085", "é", "e\u0301", "🎉" * 3, "\ufffd", "null", "{{#a.b#}}", '{"$type": "file"}']
)
#: Digits beyond 64 bits, and beyond what a float holds exactly.
integers = st.integers() | st.sampled_from([2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64, 10**40, -(10**40)])
floats = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.1, -0.0, 1.0, 1e16, 1e22, 5e-324, 1.7976931348623157e308])
secrets = texts.map(Secret)
files = st.builds(
    File,
    type=st.sampled_from(["image", "document", "audio", "video", "custom"]),
    transfer_method=st.sampled_from(["local_file", "remote_url", "tool_file"]),
    filename=texts,
    extension=texts,
    mime_type=texts,
    size=st.integers(-1, 2**40),
    remote_url=st.none() | texts,
    related_id=st.none() | texts,
    tenant_id=texts,
)
#: Names of the checkpoint's own marks are names like any other.
names = st.text() | st.sampled_from(["$type", "value", "v", "__dify__file__"])
scalars = st.none() | st.booleans() | integers | floats | texts | secrets | files
anything = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=8)
objects = st.dictionaries(names, scalars, max_size=3)

#: What there is of each type that ``type_of`` names.
OF_TYPE = {
    "none": st.none(),
    "boolean": st.booleans(),
    "integer": integers,
    "float": floats,
    "string": texts,
    "secret": secrets,
    "object": objects,
    "file": files,
    "array[string]": st.lists(texts, min_size=1, max_size=3) | st.lists(secrets, min_size=1, max_size=3),
    "array[number]": st.lists(integers, min_size=1, max_size=3) | st.lists(floats, min_size=1, max_size=3),
    "array[boolean]": st.lists(st.booleans(), min_size=1, max_size=3),
    "array[object]": st.lists(objects, min_size=1, max_size=3),
    "array[file]": st.lists(files, min_size=1, max_size=3),
    "array[any]": st.lists(st.none()) | st.lists(st.lists(scalars, max_size=2), min_size=1, max_size=3),
}


def is_same(one, other):
    """Equal in type and order too, all the way down; Python's ``==`` takes 1, 1.0 and True for one, and a secret for a text."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return is_same(list(one), list(other)) and is_same(list(one.values()), list(other.values()))
    if isinstance(one, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return repr(one) == repr(other)


def restored(record):
    """The record as a new attempt reads it from the database."""
    return load_record(loads(dumps(dump_record(record))))


def restored_pool(pool):
    """A pool of the values that were recorded of another: what one node put out, and what it wrote elsewhere."""
    writes = tuple((("loop", name), value) for name, value in pool.node_values("loop").items())
    record = restored(record_of(node_id="code", outputs=pool.node_values("code"), writes=writes))
    twin = VariablePool()
    twin.add_outputs(record.node_id, record.outputs)
    for selector, value in record.writes:
        twin.set(*selector, value)
    return twin


def check_survival(value):
    pool = VariablePool()
    pool.set("code", "output", value)
    pool.set("loop", "variable", value)

    twin = restored_pool(pool)

    assert is_same(twin.get(("code", "output")), value)
    assert is_same(twin.get(("loop", "variable")), value)


@pytest.mark.parametrize("name", OF_TYPE)
@settings(max_examples=50)
@given(data=st.data())
def test_a_value_of_every_type_survives_from_pool_to_pool(name, data):
    value = data.draw(OF_TYPE[name])
    assert type_of(value) == name

    check_survival(value)


@given(anything)
def test_values_inside_each_other_survive_from_pool_to_pool(value):
    check_survival(value)


def test_no_type_is_left_out():
    assert set(OF_TYPE) == {*SCALAR_TYPES.values(), *ARRAY_TYPES.values(), "array[any]"}


@given(anything)
def test_a_dumped_value_is_plain_json(value):
    assert is_same(load_value(json.loads(json.dumps(dump_value(value)))), value)


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


#: Records of each version of the format, one a line, as they lay in a database.
CHECKPOINTS = Path(__file__).parents[2] / "data" / "checkpoints"

PHOTO = File(
    "image",
    "local_file",
    "a.png",
    ".png",
    "image/png",
    3,
    related_id="00000000-0000-4000-8000-000000000009",
    tenant_id="00000000-0000-4000-8000-000000000008",
)
PAGE = File("document", "remote_url", "p.html", ".html", "text/html", -1, remote_url="https://example.com/p.html")

#: What the records of version 1 say.
KEPT = [
    record_of(
        execution_id="00000000-0000-4000-8000-000000000001",
        node_id="start",
        node_type="start",
        title="START",
        index=1,
        inputs={"query": "Grüße, 世界", "sys.user_id": "ada"},
        outputs={"query": "Grüße, 世界", "sys.user_id": "ada"},
        attempts=1,
        elapsed_s=0.25,
        created_at=100.5,
        finished_at=100.75,
    ),
    record_of(
        execution_id="00000000-0000-4000-8000-000000000002",
        node_id="llm",
        node_type="llm",
        title="Answer",
        index=4,
        predecessor_node_id="start",
        status=NodeStatus.EXCEPTION,
        inputs={"files": [PHOTO, PAGE]},
        process_data={"usage": {"total_tokens": 12}},
        outputs={"text": "x", "key": Secret("s3cret"), "marked": {"$type": "file", "value": 1}, "nothing": None, "big": 2**100},
        error="The model said no.",
        handle="fail-branch",
        attempts=3,
        elapsed_s=1.5,
        created_at=101.0,
        finished_at=102.5,
        total_tokens=12,
        total_price=Decimal("0.00123"),
        currency="USD",
        scope=Scope(iteration_id="inner", iteration_index=4, path=(("outer", 2), ("inner", 4))),
        metadata={"total_tokens": 12, "error_strategy": "fail-branch"},
    ),
    record_of(
        execution_id="00000000-0000-4000-8000-000000000003",
        node_id="add",
        node_type="assigner",
        title="ADD",
        index=5,
        predecessor_node_id="loopstart",
        status=NodeStatus.FAILED,
        inputs={},
        outputs={},
        error="no",
        handle="",
        attempts=1,
        elapsed_s=0.0,
        created_at=103.0,
        finished_at=103.0,
        scope=Scope(loop_id="loop", loop_index=1, path=(("loop", 1),)),
        writes=((("loop", "number"), 2), (("loop", "file"), PHOTO)),
    ),
]


def kept(version):
    return [load_record(loads(line)) for line in (CHECKPOINTS / f"v{version}.jsonl").read_text("utf-8").splitlines()]


@pytest.mark.parametrize("version", range(1, VERSION + 1))
def test_records_that_earlier_releases_stored_are_read_for_ever(version):
    records = kept(version)

    assert records == KEPT
    assert type(records[1].outputs["key"]) is Secret
    assert all(dump_record(record)["v"] == VERSION for record in records)


@pytest.mark.parametrize("record", KEPT, ids=lambda record: record.node_id)
def test_every_field_is_written(record):
    assert load_record(loads(dumps(dump_record(record)))) == record


def test_what_a_later_release_has_added_is_left_out():
    """It runs beside this one while it is rolled out."""
    stored = dump_record(record_of(scope=Scope(path=(("it", 1),))))
    stored["outputs"]["f"]["value"]["colour"] = stored["scope"]["colour"] = stored["colour"] = "red"

    assert load_record(stored) == record_of(scope=Scope(path=(("it", 1),)))
