"""Answers of a given JSON schema: asking for them, and reading them (nodes.md section 6.4)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import json_repair
from jsonschema import Draft7Validator
from jsonschema.exceptions import SchemaError, best_match

from worker.engine.errors import NodeError
from worker.engine.models import SYSTEM, Message
from worker.nodes.thinking import without_thinking

ERROR = "LLMNodeError"

INSTRUCTION = """\
Answer with one JSON object and nothing else: no explanation, no code fence. The object must be valid against this JSON schema, with \
every required key and no value of another type:
{schema}"""


def check_schema(schema: Mapping[str, Any]) -> None:
    """Raises ``NodeError`` for what is no Draft 7 schema of an object."""
    try:
        Draft7Validator.check_schema(schema)
    except SchemaError as error:
        raise invalid_schema(error.json_path, error.message) from None
    if schema.get("type") != "object":
        raise invalid_schema("$.type", f"{schema.get('type')!r} is not 'object'")


def invalid_schema(path: str, message: str) -> NodeError:
    return NodeError(f"Invalid structured output schema (stage=schema, path={path}): {message}", error_type=ERROR)


def instructed(messages: Sequence[Message], schema: Mapping[str, Any]) -> list[Message]:
    """For models that take no schema: it leads the system message, which stands first then."""
    text = INSTRUCTION.format(schema=json.dumps(schema, ensure_ascii=False))
    place = next((place for place, message in enumerate(messages) if message.role == SYSTEM), None)
    if place is None:
        return [Message.of(SYSTEM, text), *messages]
    rest = [message for other, message in enumerate(messages) if other != place]
    return [Message.of(SYSTEM, f"{text}\n\n{messages[place].text}"), *rest]


def read_structured(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The object that an answer is. Raises ``NodeError``."""
    found = parsed(without_thinking(text).strip())
    if not isinstance(found, dict):
        raise NodeError(f"Failed to parse structured output: {text[:500]}", error_type=ERROR)
    error = best_match(Draft7Validator(schema).iter_errors(found))
    if error is not None:
        message = f"Structured output validation failed (stage=result, path={error.json_path}): {error.message}"
        raise NodeError(message, error_type=ERROR)
    return found


def parsed(text: str) -> Any:
    """JSON, mended if it must be; of a list its first object."""
    try:
        found = json.loads(text)
    except ValueError:
        found = json_repair.loads(text)
    if isinstance(found, list):
        return next((item for item in found if isinstance(item, dict)), None)
    return found
