"""Batches on the wire (docs/batches.md)."""

from __future__ import annotations

import re
from typing import Any

import orjson
from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, validate

from app.batches.encodings import encoding_named
from app.schemas.fields import EpochSeconds, ErrorTexts
from app.schemas.runs import NO_OBJECT, WebhookRequest
from worker.store.batch_facts import WINDOW_UNITS, BatchStatus
from worker.store.webhooks import BATCH_EVENTS

MAX_WINDOW_S = 30 * 86_400
WINDOW = re.compile(r"(\d{1,6})([mhd])")

MAX_CONCURRENCY = 10_000
LOWEST_PRIORITY, HIGHEST_PRIORITY = -100, 100

MAX_METADATA = 16
MAX_METADATA_KEY, MAX_METADATA_VALUE = 64, 512

STATUSES = ", ".join(f"`{status}`" for status in BatchStatus if status is not BatchStatus.VALIDATING)

FORMATS = ("jsonl", "csv")
ORDERS = ("input", "finished")

NO_TEXT: ErrorTexts = {"invalid": "must be a text"}
NO_INTEGER: ErrorTexts = {"invalid": "must be a whole number", "too_large": "must be a whole number"}
NO_RATE = "must be a number from 0 to 1"


def window_s(text: str) -> int:
    """Seconds of a completion window. Raises ``ValueError`` with a predicate."""
    found = WINDOW.fullmatch(text)
    length = int(found[1]) * WINDOW_UNITS[found[2]] if found else 0
    if not WINDOW_UNITS["m"] <= length <= MAX_WINDOW_S:
        raise ValueError("must be a time such as 90m, 24h or 7d, from 1m to 30d")
    return length


def _check_window(text: str) -> None:
    try:
        window_s(text)
    except ValueError as error:
        raise ValidationError(str(error)) from error


def _check_encoding(text: str) -> None:
    try:
        encoding_named(text)
    except ValueError as error:
        raise ValidationError(str(error)) from error


def _check_metadata(value: dict[str, Any]) -> None:
    """The bounds of OpenAI's API."""
    fits = all(
        isinstance(item, str) and len(key) <= MAX_METADATA_KEY and len(item) <= MAX_METADATA_VALUE and "\0" not in key + item
        for key, item in value.items()
    )
    if not fits or len(value) > MAX_METADATA:
        raise ValidationError(
            f"must have at most {MAX_METADATA} texts of at most {MAX_METADATA_VALUE} characters, "
            f"under names of at most {MAX_METADATA_KEY} characters"
        )


class BatchWebhook(WebhookRequest):
    """Who is to be told of the end of the batch, besides the endpoints of the app."""

    class Meta:
        unknown = EXCLUDE

    events = fields.List(
        fields.String(validate=validate.OneOf(BATCH_EVENTS, error=f"must be one of {', '.join(BATCH_EVENTS)}")),
        allow_none=True,
        load_default=None,
        error_messages={"invalid": "must be an array of event names"},
        metadata={"description": "Which events it wants; all without this."},
    )


class BatchOptions(Schema):
    """What every way to submit a batch can say of it. Own names only: a typing mistake here would be expensive."""

    class Meta:
        unknown = RAISE

    error_messages = {"unknown": "is not a field of a batch"}  # noqa: RUF012, as marshmallow declares it

    user = fields.Raw(load_default=None, metadata={"type": "string", "description": "Your name for the end user of its runs."})
    workflow_id = fields.String(
        allow_none=True,
        load_default=None,
        error_messages=NO_TEXT,
        metadata={
            "description": "Id of a published version, or an alias; the current one without this. Either way the batch keeps it to its end."
        },
    )
    max_concurrency = fields.Integer(
        strict=True,
        allow_none=True,
        load_default=None,
        validate=validate.Range(1, MAX_CONCURRENCY, error=f"must be between 1 and {MAX_CONCURRENCY}"),
        error_messages=NO_INTEGER,
        metadata={"description": "Runs of the batch that may be open at a time."},
    )
    priority = fields.Integer(
        strict=True,
        allow_none=True,
        load_default=None,
        validate=validate.Range(LOWEST_PRIORITY, HIGHEST_PRIORITY, error=f"must be between {LOWEST_PRIORITY} and {HIGHEST_PRIORITY}"),
        error_messages=NO_INTEGER,
        metadata={"description": "Among the batches of the app, higher ones go first. 0 without this."},
    )
    stop_on_error_rate = fields.Float(
        allow_none=True,
        load_default=None,
        validate=validate.Range(0, 1, error=NO_RATE),
        error_messages={"invalid": NO_RATE, "special": NO_RATE, "too_large": NO_RATE},
        metadata={"description": "Share of failed runs, from 0 to 1, above which the batch stops; not before 20 have ended."},
    )
    completion_window = fields.String(
        allow_none=True,
        load_default=None,
        validate=_check_window,
        error_messages=NO_TEXT,
        metadata={
            "description": "How long it may take, such as `90m`, `24h` or `7d`: what has not begun then, does not.",
            "example": "24h",
        },
    )
    webhook = fields.Nested(
        BatchWebhook,
        allow_none=True,
        load_default=None,
        metadata={"description": "Tell this address when the batch has ended."},
    )
    metadata = fields.Dict(
        allow_none=True,
        load_default=None,
        validate=_check_metadata,
        error_messages=NO_OBJECT,
        metadata={"description": "Up to 16 texts of your own, which are shown with the batch."},
    )


class BatchRequest(BatchOptions):
    """A batch as JSON: either `items` or `input_file_id`."""

    items = fields.List(
        fields.Dict(error_messages=NO_OBJECT),
        allow_none=True,
        load_default=None,
        error_messages={"invalid": "must be an array of items"},
        metadata={"description": 'The items: `{"custom_id": "...", "inputs": {...}, "files": [...]}` each; only `inputs` is required.'},
    )
    input_file_id = fields.String(
        allow_none=True,
        load_default=None,
        error_messages=NO_TEXT,
        metadata={"description": "Id of an uploaded JSONL or CSV file, instead of `items`."},
    )
    format = fields.String(
        allow_none=True,
        load_default=None,
        validate=validate.OneOf(FORMATS, error="must be 'jsonl' or 'csv'"),
        error_messages=NO_TEXT,
        metadata={"description": "`jsonl` or `csv`; without this, by the name of the file, else by its content."},
    )
    encoding = fields.String(
        allow_none=True,
        load_default=None,
        validate=_check_encoding,
        error_messages=NO_TEXT,
        metadata={"description": "Encoding of the file, such as `gb18030`; found out without this.", "example": "utf-8"},
    )


class BatchForm(BatchRequest):
    """A batch with its file, as a form; the options are texts, `webhook` and `metadata` JSON."""

    class Meta(BatchOptions.Meta):
        exclude = ("items", "input_file_id")

    file = fields.Raw(required=True, metadata={"type": "string", "format": "binary", "description": "JSONL or CSV."})


#: Options that a form carries as JSON.
JSON_OPTIONS = ("max_concurrency", "priority", "stop_on_error_rate", "webhook", "metadata")


def form_options(form: dict[str, str]) -> dict[str, Any]:
    """Texts of a form as the values that a JSON body would have; empty ones are not given. What is no JSON stays text, and is refused."""
    given = {name: text for name, text in form.items() if text != ""}
    return {name: _json(text) if name in JSON_OPTIONS else text for name, text in given.items()}


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


class BatchCount(Schema):
    """Items by what became of them; all but `total` and `ended` add up to `total`."""

    total = fields.Integer(required=True)
    invalid = fields.Integer(required=True, metadata={"description": "Items that cannot be run, from the start."})
    waiting = fields.Integer(required=True)
    running = fields.Integer(required=True)
    succeeded = fields.Integer(required=True)
    partial_succeeded = fields.Integer(required=True, attribute="partial-succeeded", data_key="partial-succeeded")
    failed = fields.Integer(required=True)
    stopped = fields.Integer(required=True)
    cancelled = fields.Integer(required=True)
    expired = fields.Integer(required=True)
    ended = fields.Integer(required=True, metadata={"description": "All but `waiting` and `running`."})


class BatchUsage(Schema):
    total_tokens = fields.Integer(required=True)
    total_price = fields.Float(required=True)
    currency = fields.String(required=True, metadata={"description": "Empty where no model was asked."})


class BatchPaceView(Schema):
    items_per_second = fields.Float(required=True, attribute="items_per_s", metadata={"description": "Of the last minutes."})
    remaining_seconds = fields.Float(required=True, allow_none=True, attribute="remaining_s")


class BatchView(Schema):
    id = fields.String(required=True)
    object = fields.Constant("batch", required=True)
    status = fields.String(required=True, metadata={"description": STATUSES})
    closing_as = fields.String(required=True, allow_none=True, metadata={"description": "What a batch that is `cancelling` becomes."})
    error = fields.String(required=True, allow_none=True, metadata={"description": "Why it ended before its time."})
    workflow_id = fields.String(required=True)
    workflow_version = fields.String(required=True)
    user = fields.String(required=True)
    max_concurrency = fields.Integer(required=True, allow_none=True)
    priority = fields.Integer(required=True)
    stop_on_error_rate = fields.Float(required=True, allow_none=True)
    completion_window = fields.String(required=True, allow_none=True)
    metadata = fields.Dict(required=True)
    counts = fields.Nested(BatchCount, required=True)
    usage = fields.Nested(BatchUsage, required=True)
    created_at = EpochSeconds(required=True, metadata={"description": "Unix seconds."})
    started_at = EpochSeconds(required=True, allow_none=True)
    expires_at = EpochSeconds(required=True, allow_none=True, metadata={"description": "When the completion window is over."})
    ended_at = EpochSeconds(required=True, allow_none=True)


class BatchDetail(BatchView):
    pace = fields.Nested(BatchPaceView, required=True, metadata={"description": "How fast it goes."})


class ItemError(Schema):
    line = fields.Integer(required=True)
    custom_id = fields.String(required=True)
    code = fields.String(required=True, attribute="error_code")
    message = fields.String(required=True, attribute="error")


class InputFacts(Schema):
    format = fields.String(required=True)
    encoding = fields.String(required=True)
    delimiter = fields.String()


class AcceptedBatchView(BatchView):
    errors = fields.List(fields.Nested(ItemError), required=True, metadata={"description": "The first items that cannot be run."})
    input = fields.Nested(InputFacts, allow_none=True, metadata={"description": "How a file was read."})


class BatchesQuery(Schema):
    class Meta:
        unknown = EXCLUDE

    limit = fields.Integer(load_default=20, validate=validate.Range(1, 100, error="must be between 1 and 100"), error_messages=NO_INTEGER)
    after = fields.String(load_default=None, metadata={"description": "Id of the last batch that the client has."})
    status = fields.String(
        load_default=None,
        validate=validate.OneOf([status for status in BatchStatus if status is not BatchStatus.VALIDATING], error=f"must be {STATUSES}"),
        metadata={"description": STATUSES},
    )


class BatchPage(Schema):
    object = fields.Constant("list", required=True)
    data = fields.List(fields.Nested(BatchView), required=True)
    has_more = fields.Boolean(required=True)
    first_id = fields.String(required=True, allow_none=True)
    last_id = fields.String(required=True, allow_none=True)


class ResultsQuery(Schema):
    class Meta:
        unknown = EXCLUDE

    format = fields.String(
        load_default=None,
        validate=validate.OneOf(FORMATS, error="must be 'jsonl' or 'csv'"),
        metadata={"description": "`jsonl` or `csv`; without it, what `Accept` asks for, else `jsonl`."},
    )
    order = fields.String(
        load_default="input",
        validate=validate.OneOf(ORDERS, error="must be 'input' or 'finished'"),
        metadata={"description": "`input`, the order of the items, or `finished`, the one in which they ended: new ones only join behind."},
    )
    after = fields.Integer(
        load_default=0,
        strict=False,
        validate=validate.Range(0, 2**62, error="must be the cursor of a line"),
        error_messages={"invalid": "must be the cursor of a line"},
        metadata={"description": "`cursor` of the last line that the client has: the answer goes on behind it, in the same order."},
    )
    spreadsheet = fields.Boolean(
        load_default=False,
        error_messages={"invalid": "must be true or false"},
        metadata={"description": "Of a table: begin texts that a spreadsheet would take for formulas with an apostrophe."},
    )


class RetriedBatch(BatchView):
    retried = fields.Integer(required=True, metadata={"description": "Items that wait again."})
