"""regex: what of a text matches an expression. In the sandbox, since an expression can be made to search for ever."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from worker.engine.node import NodeContext
from worker.engine.tools import TextMessage, ToolMessage, ToolParameter
from worker.tools.function_tool import FunctionTool, by_name

SOURCE = """
import re

def main(content, expression):
    try:
        return {"text": str(re.findall(expression, content))}
    except re.error as error:
        return {"text": f"Failed to extract result, error: {error}"}
"""


def regex_extract(parameters: Mapping[str, Any], context: NodeContext) -> Iterator[ToolMessage]:
    inputs = {name: parameters[name].strip() for name in ("content", "expression")}
    empty = next((name for name, value in inputs.items() if not value), None)
    if empty:
        yield TextMessage(f"Invalid {empty}")
    else:
        yield TextMessage(context.ports.code.run("python3", SOURCE, inputs, context.cancellation)["text"])


TOOLS = by_name(
    FunctionTool(
        "regex_extract",
        "Finds everything in a text that matches a regular expression.",
        (
            ToolParameter("content", required=True, description="The text"),
            ToolParameter("expression", required=True, description="The regular expression, in Python's syntax"),
        ),
        regex_extract,
    )
)
