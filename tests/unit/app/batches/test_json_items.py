import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.batches.json_items import ItemsBody
from app.errors import APIError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)


def test_items_are_numbered_and_the_rest_are_options():
    body = ItemsBody(b' {"user": "u", "items" : [ {"inputs": {"q": "]"}} , {"custom_id": "b", "inputs": {}} ] , "priority": 3 } ')

    assert body.options == {"user": "u", "priority": 3}
    assert [(row.line, row.custom_id, row.inputs) for row in body.rows()] == [(1, None, {"q": "]"}), (2, "b", {})]


@pytest.mark.parametrize(("body", "count"), [(b"{}", None), (b'{"items": []}', 0), (b'{"items": [ ]}', 0), (b'{"items": [1]}', 1)])
def test_there_may_be_no_items(body: bytes, count: int | None):
    read = ItemsBody(body)

    assert read.has_items == (count is not None)
    assert len(list(read.rows())) == (count or 0)


def test_items_that_are_no_array_are_an_option_like_any_other():
    assert ItemsBody(b'{"items": {"a": 1}}').options == {"items": {"a": 1}}


@pytest.mark.parametrize("item", [b'{"inputs": {"n": NaN}}', b'{"inputs": {"n": -Infinity}}', b'{"inputs": {"q": "\\ud800"}}', b"1"])
def test_a_bad_item_is_an_error_of_its_own(item: bytes):
    good, bad, last = ItemsBody(b'{"items": [{"inputs": {}}, %s, {"inputs": {}}]}' % item).rows()

    assert (good.error, last.error) == (None, None)
    assert bad.line == 2
    assert bad.error


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b" ",
            b"{",
            b'{"items"',
            b'{"items":',
            b'{"items": [',
            b'{"items": [1',
            b'{"items": [1,]}',
            b'{"items": [1 2]}',
            b'{"a": 1,}',
        ),
        *(
            b'{"items": []',
            b'{"items": []} x',
            b'{"a": NaN}',
            b"{a: 1}",
            b'{"a" 1}',
            b"{1: 1}",
            b'{"a": 1 "b": 2}',
            b'{"items": [,]}',
            b"\xff",
        ),
        b'{"items": [' + b"[" * 100_000,
        b'{"a": "\\ud800"}',
    ],
)
def test_a_body_that_is_no_json_is_refused(body: bytes):
    with pytest.raises(APIError) as refused:
        ItemsBody(body)

    assert refused.value.code == "bad_request"


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b" 1 "])
def test_a_body_that_is_no_object_is_refused(body: bytes):
    with pytest.raises(APIError) as refused:
        ItemsBody(body)

    assert refused.value.code == "invalid_param"


@given(st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=3), max_size=5), st.sampled_from([None, 2]), st.booleans())
def test_every_item_arrives_however_it_is_written(items, indent, is_ascii):
    body = json.dumps({"a": [1, {"items": [2]}], "items": items, "z": None}, indent=indent, ensure_ascii=is_ascii).encode()

    assert [json.loads(text) for text in ItemsBody(body).texts()] == items


@given(st.binary(max_size=60))
def test_whatever_is_sent_is_read_or_refused(content):
    with contextlib.suppress(APIError):
        assert all(row.line for row in ItemsBody(b'{"items": [' + content).rows())
