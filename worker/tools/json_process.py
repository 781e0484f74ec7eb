"""json_process: reads and changes JSON texts by JSONPath."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jsonpath_ng import Fields, JSONPath
from jsonpath_ng import parse as parse_path
from jsonpath_ng.exceptions import JSONPathError

from worker.engine.errors import NodeError
from worker.engine.node import NodeContext
from worker.engine.tool_values import boolean
from worker.engine.tools import JSONMessage, TextMessage, ToolMessage, ToolParameter, VariableMessage
from worker.tools.function_tool import FunctionTool, by_name

#: Bounds of a query. A step to all descendants can be repeated; each one multiplies the work.
MAX_QUERY = 500
MAX_DESCENTS = 2
#: Characters.
MAX_CONTENT = 5_000_000

Parameters = Mapping[str, Any]


def parse(parameters: Parameters, context: NodeContext) -> Iterator[ToolMessage]:
    """What a query finds: the one value, or the list of several."""
    document = document_of(parameters["content"])
    query = parameters.get("json_filter", "")
    if not query:
        yield TextMessage(written(document, parameters))
        yield JSONMessage(document)
        return
    found = guarded(lambda: [match.value for match in path_of(query).find(document)])
    result = found[0] if len(found) == 1 else found
    yield TextMessage(written(result, parameters) if isinstance(result, dict | list) else str(result))
    if parameters.get("output_full_parsed_json"):
        yield JSONMessage(document)


def json_insert(parameters: Parameters, context: NodeContext) -> Iterator[ToolMessage]:
    """Append to the lists that are found, merge into the objects, replace other values."""
    document, path = document_of(parameters["content"]), path_of(parameters["query"])
    value = value_of(parameters["new_value"])
    found = guarded(lambda: path.find(document))
    if not found and boolean(parameters["create_path"]):
        document = guarded(lambda: path.update_or_create(document, value))
    for match in found:
        if isinstance(match.value, list):
            place = int(parameters["index"]) if "index" in parameters else len(match.value)
            match.value.insert(place, value)
        elif isinstance(match.value, dict) and isinstance(value, dict):
            match.value.update(value)
        else:
            document = match.full_path.update(document, value)
    yield TextMessage(written(document, parameters))


def json_delete(parameters: Parameters, context: NodeContext) -> Iterator[ToolMessage]:
    document, path = document_of(parameters["content"]), path_of(parameters["query"])
    yield TextMessage(written(guarded(lambda: path.filter(lambda value: True, document)), parameters))


def json_replace(parameters: Parameters, context: NodeContext) -> Iterator[ToolMessage]:
    """Replace the values that are found, a text inside them, or their keys."""
    document, path = document_of(parameters["content"]), path_of(parameters["query"])
    change = REPLACEMENTS.get(parameters["replace_model"])
    if change is None:
        raise NodeError(f"Invalid parameter replace_model: {parameters['replace_model']}")
    found = guarded(lambda: path.find(document))
    for match in found:
        document = change(document, match, parameters)
    yield TextMessage(written(document, parameters))


def replace_value(document: Any, match: Any, parameters: Parameters) -> Any:
    return match.full_path.update(document, parameters["replace_value"])


def replace_pattern(document: Any, match: Any, parameters: Parameters) -> Any:
    if not parameters.get("replace_pattern"):
        raise NodeError("Invalid parameter replace_pattern")
    if not isinstance(match.value, str):
        return document
    return match.full_path.update(document, match.value.replace(parameters["replace_pattern"], parameters["replace_value"]))


def replace_key(document: Any, match: Any, parameters: Parameters) -> Any:
    holder = match.context.value if match.context else None
    if isinstance(holder, dict) and isinstance(match.path, Fields):
        holder[parameters["replace_value"]] = holder.pop(match.path.fields[0])
    return document


REPLACEMENTS: Mapping[str, Callable[[Any, Any, Parameters], Any]] = {
    "value": replace_value,
    "pattern": replace_pattern,
    "key": replace_key,
}


def json_parse(parameters: Parameters, context: NodeContext) -> Iterator[ToolMessage]:
    """The value in every form: documents read it from the variable ``result``."""
    document = document_of(parameters["json_string"])
    yield TextMessage(written(document, {"ensure_ascii": False}))
    yield JSONMessage(document)
    yield VariableMessage("result", document)


def document_of(content: str) -> Any:
    if not content:
        raise NodeError("Invalid parameter content")
    if len(content) > MAX_CONTENT:
        raise NodeError(f"The JSON text has {len(content)} characters; at most {MAX_CONTENT} are read.")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise NodeError(f"The content is not JSON: {error}") from error


def value_of(text: str) -> Any:
    """A JSON value if it is one, else the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def path_of(query: str) -> JSONPath:
    if not query or len(query) > MAX_QUERY or query.count("..") > MAX_DESCENTS:
        raise NodeError("Invalid parameter query: it must be a JSONPath of reasonable length with at most two steps to all descendants.")
    try:
        return parse_path(query)
    except (JSONPathError, RecursionError) as error:
        raise NodeError(f"Invalid JSONPath {query!r}: {error}") from error


def guarded(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except (JSONPathError, TypeError, ValueError, LookupError, AttributeError, NotImplementedError, RecursionError) as error:
        raise NodeError(f"The query cannot be applied to the content: {error}") from error


def written(value: Any, parameters: Parameters) -> str:
    try:
        return json.dumps(value, ensure_ascii=bool(parameters.get("ensure_ascii", True)))
    except RecursionError as error:
        raise NodeError("The JSON text is nested too deeply.") from error


CONTENT = ToolParameter("content", required=True, description="The JSON text")
QUERY = ToolParameter("query", required=True, description="JSONPath of the values")
ENSURE_ASCII = ToolParameter("ensure_ascii", "boolean", default=True, is_setting=True)

TOOLS = by_name(
    FunctionTool(
        "parse",
        "Extracts values from a JSON text by a JSONPath.",
        (
            CONTENT,
            ToolParameter("json_filter", description="JSONPath of the values"),
            ENSURE_ASCII,
            ToolParameter("output_full_parsed_json", "boolean", default=True, is_setting=True),
        ),
        parse,
    ),
    FunctionTool(
        "json_insert",
        "Inserts a value into a JSON text.",
        (
            CONTENT,
            QUERY,
            ToolParameter("new_value", required=True, description="The value, as JSON or as a plain text"),
            ToolParameter("create_path", "select", default="False", is_setting=True, options=("True", "False")),
            ToolParameter("index", "number", description="Place in the list, from 0"),
            ENSURE_ASCII,
        ),
        json_insert,
    ),
    FunctionTool("json_delete", "Deletes values from a JSON text.", (CONTENT, QUERY, ENSURE_ASCII), json_delete),
    FunctionTool(
        "json_replace",
        "Replaces values, keys or texts in a JSON text.",
        (
            CONTENT,
            QUERY,
            ToolParameter("replace_pattern", description="The text to replace, for the model `pattern`"),
            ToolParameter("replace_value", required=True, description="What comes in its place"),
            ToolParameter("replace_model", "select", default="pattern", is_setting=True, options=tuple(REPLACEMENTS)),
            ENSURE_ASCII,
        ),
        json_replace,
    ),
    FunctionTool(
        "json_parse",
        "Reads a JSON text.",
        (ToolParameter("json_string", required=True, description="The JSON text"),),
        json_parse,
    ),
)
