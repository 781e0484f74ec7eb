"""The shape language that acceptance tests check answers with."""

import pytest

from tests.acceptance.shapes import mismatches


@pytest.mark.parametrize(
    ("shape", "good", "bad"),
    [
        ("int", 1, True),
        ("str?", None, 1),
        ("str+", "x", ""),
        ("uuid", "b1ad3277-089e-42c6-9dff-6820d94fbc76", "b1ad"),
        ("jsonstr", "null", "{"),
        ("rfc822", "Thu, 18 Jul 2024 03:17:40 -0000", "2024-07-18"),
        ("ts", 1705407629, 0),
        ("intstr", "12", 12),
        ({"a": "int", "~b": "str"}, {"a": 1, "c": 2}, {"b": "x"}),
        ({"$each": "int"}, [1, 2], [1, "x"]),
        ({"$enum": ["a", "b"]}, "a", "c"),
        ({"$const": 1}, 1, True),
        ({"$exact": {}}, {}, {"a": 1}),
        ({"$nullable": {"a": "int"}}, None, {}),
        ({"$one_of_keys": {"a": "int", "b": "str"}}, {"a": 1}, {"a": 1, "b": "x"}),
    ],
)
def test_shape_tells_good_from_bad(shape, good, bad):
    assert list(mismatches(shape, good)) == []
    assert list(mismatches(shape, bad)) != []
