"""Checks ``json_object`` inputs against the schema that the form declares (api-contract.md section 3.1); for both processes."""

from __future__ import annotations

from typing import Any


def mismatch(schema: Any, value: Any) -> str | None:
    """Why a value does not fit a schema, in the validator's words; None if it does."""
    # Few forms declare one, and these packages weigh 4 MB.
    from jsonschema import SchemaError, ValidationError
    from jsonschema.validators import validator_for
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    kind = validator_for(schema)
    try:
        kind.check_schema(schema)
        # A registry that knows no other documents, so that a schema cannot make the server fetch one.
        kind(schema, registry=Registry()).validate(value)
    except ValidationError as error:
        return str(error.message)
    except SchemaError as error:
        return f"the schema itself is invalid: {error.message}"
    except Unresolvable as error:
        return f"the schema refers to something unknown: {error}"
    return None
