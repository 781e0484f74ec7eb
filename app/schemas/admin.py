"""What all schemas of the admin API share. Fields that nobody knows are refused by their names; messages are predicates."""

from __future__ import annotations

from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

#: Entries of a page: at most, and without a word about it.
MAX_LIMIT, DEFAULT_LIMIT = 100, 20

#: Characters of a cursor: more were never given out.
MAX_CURSOR = 2000


class AdminSchema(Schema):
    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "is not a known field", "type": "must be an object"}  # noqa: RUF012, as marshmallow declares it


class Text(fields.String):
    """A text without NUL, of at most ``most`` characters."""

    default_error_messages = {  # noqa: RUF012, as marshmallow declares it
        "required": "is required",
        "null": "must be a text",
        "invalid": "must be a text",
        "invalid_utf8": "must be UTF-8",
        "nul": "must not have NUL characters",
        "long": "must not be longer than {most} characters",
    }

    def __init__(self, *, most: int = 255, **options: Any) -> None:
        super().__init__(**options)
        self._most = most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if "\0" in text:
            raise self.make_error("nul")
        if len(text) > self._most:
            raise self.make_error("long", most=self._most)
        return text


class Flag(fields.Boolean):
    """``true`` or ``false``, as JSON has them or as texts of a query."""

    truthy = {True, "true"}  # noqa: RUF012, as marshmallow declares it
    falsy = {False, "false"}  # noqa: RUF012
    default_error_messages = {  # noqa: RUF012
        "required": "is required",
        "null": "must be true or false",
        "invalid": "must be true or false",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        # 1 and 0 equal True and False.
        if not isinstance(value, bool | str):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class Texts(fields.Dict):
    """An object of texts."""

    default_error_messages = {"invalid": "must be an object of texts", "null": "must be an object of texts"}  # noqa: RUF012

    def __init__(self, *, most: int, **options: Any) -> None:
        super().__init__(keys=Text(), values=Text(most=most), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return super()._deserialize(value, attr, data, **kwargs)
        except ValidationError as error:
            raise self.make_error("invalid") from error


class PageQuery(AdminSchema):
    limit = fields.Integer(
        load_default=DEFAULT_LIMIT,
        validate=validate.Range(1, MAX_LIMIT, error=f"must be between 1 and {MAX_LIMIT}"),
        error_messages={"invalid": "must be a whole number", "too_large": "must be a whole number"},
        metadata={"description": "Entries of a page."},
    )
    after = Text(load_default=None, most=MAX_CURSOR, metadata={"description": "`next` of the page before."})


class PageOf(Schema):
    has_more = fields.Boolean(required=True)
    next = fields.String(required=True, allow_none=True, metadata={"description": "`after` of the next page; null on the last one."})


class Finding(Schema):
    """One thing that is wrong, or odd, in a document."""

    level = fields.String(required=True, metadata={"description": "`error` or `warning`."})
    code = fields.String(required=True)
    message = fields.String(required=True)
    node_id = fields.String(required=True, allow_none=True)
    node_title = fields.String(required=True, allow_none=True)
    path = fields.String(required=True, allow_none=True, metadata={"description": "Where in the document."})
