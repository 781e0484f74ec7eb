import pytest

from worker.json_schema import mismatch

NUMBER_A = {"type": "object", "properties": {"a": {"type": "number"}}}


@pytest.mark.parametrize(
    ("schema", "value", "reason"),
    [
        (NUMBER_A, {"a": 1}, None),
        (NUMBER_A, {"a": "x"}, "'x' is not of type 'number'"),
        ({"required": ["a"]}, {"b": 1}, "'a' is a required property"),
        ({"type": 3}, {"a": 1}, "the schema itself is invalid: 3 is not valid under any of the given schemas"),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "type": "object"}, {"a": 1}, None),
    ],
)
def test_a_value_fits_or_the_validator_says_why_not(schema: object, value: object, reason: str | None):
    assert mismatch(schema, value) == reason


def test_no_schema_makes_us_fetch_another_document():
    assert mismatch({"$ref": "http://127.0.0.1:1/schema"}, {"a": 1}).startswith("the schema refers to something unknown")
