import jsonschema
import pytest

from app.dev_model.samples import sample_of

TREE = {
    "$defs": {
        "node": {"type": "object", "properties": {"below": {"type": "array", "items": {"$ref": "#/$defs/node"}}}, "required": ["below"]}
    },
    "$ref": "#/$defs/node",
}


@pytest.mark.parametrize(
    "schema",
    [
        {
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
            "required": ["a"],
            "additionalProperties": False,
        },
        {"type": "object", "required": ["free"]},
        {"type": "array", "items": {"type": "number"}, "minItems": 3},
        {"type": "array", "items": {"type": "string"}, "maxItems": 1, "uniqueItems": True},
        {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
        {"type": "string", "enum": ["red", "green"]},
        {"const": 7},
        {"type": ["null", "boolean"]},
        {"anyOf": [{"type": "null"}, {"type": "string", "minLength": 30}]},
        {"oneOf": [{"type": "integer"}, {"type": "string"}]},
        {"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"required": ["b"]}]},
        {"type": "string", "maxLength": 4},
        {"type": "string", "format": "date-time"},
        {"type": "integer", "minimum": 10, "multipleOf": 4},
        {"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5},
        {"type": "number", "exclusiveMaximum": 0},
        {"type": "number", "minimum": 0, "maximum": 1},
        {"type": "integer", "maximum": -5},
        {"properties": {"a": {"type": "null"}}, "required": ["a"]},
        {"items": {"type": "boolean"}},
        {},
        TREE,
    ],
)
def test_a_sample_fits_its_schema(schema):
    jsonschema.validate(sample_of(schema), schema)


def test_texts_speak_of_their_names():
    schema = {"type": "object", "properties": {"city": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}}}

    assert sample_of(schema) == {"city": "sample city", "tags": ["sample tags 1", "sample tags 2"]}


def test_optional_properties_are_filled_in_too():
    assert sample_of({"type": "object", "properties": {"a": {"type": "boolean"}}}) == {"a": True}
