"""Field types of the wire that marshmallow does not have, and how its findings become one short sentence."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import formatdate
from typing import Any

from marshmallow import Schema, ValidationError, fields
from marshmallow.exceptions import SCHEMA

from app.errors import APIError, invalid_param
from worker.store.encoding import dumps

#: Error messages of a field, as marshmallow types them.
ErrorTexts = dict[str, str | list[Any] | dict[Any, Any]]


class EpochSeconds(fields.Integer):
    """Whole unix seconds; inside, times are floats."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> int | None:
        return None if value is None else int(value)


class RFC822Date(fields.String):
    """A date as servers of November 2024 wrote it: ``Thu, 18 Jul 2024 03:17:40 -0000``."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else formatdate(int(value))


class JSONText(fields.String):
    """An object as JSON text, null when it is empty."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return dumps(value).lstrip() if value else None


class Moment(fields.AwareDateTime):
    """An ISO 8601 date and time of a query string, UTC unless it says otherwise; loaded as epoch seconds."""

    default_error_messages = {"invalid": "must be an ISO 8601 date and time"}  # noqa: RUF012, as marshmallow declares it

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="iso", default_timezone=UTC, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        # A plus sign that nobody encoded arrives as a blank.
        text = value[:-6] + "+" + value[-5:] if isinstance(value, str) and value[-6:-5] == " " else value
        return super()._deserialize(text, attr, data, **kwargs).timestamp()


def load(schema: Schema, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a request. Raises ``APIError`` ``invalid_param`` that names the first field to blame."""
    try:
        loaded: dict[str, Any] = schema.load(values)
    except ValidationError as error:
        raise blame(error.normalized_messages()) from error
    return loaded


def blame(messages: Mapping[str, Any]) -> APIError:
    """Error messages here are predicates, so that the name of the field makes them sentences."""
    field = next(iter(messages))
    path, predicate = _first(messages[field], field)
    return invalid_param(f"{path} {predicate}.", str(field))


def _first(messages: Any, path: str) -> tuple[str, str]:
    if isinstance(messages, Mapping):
        key = next(iter(messages))
        # The messages about an object as a whole lie under a name of marshmallow's.
        return _first(messages[key], path if key == SCHEMA else f"{path}.{key}")
    return path, str(messages[0]).rstrip(".")
