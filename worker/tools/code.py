"""code: a program in the sandbox; what it prints is the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from worker.engine.errors import NodeError
from worker.engine.node import NodeContext
from worker.engine.tools import TextMessage, ToolMessage, ToolParameter
from worker.tools.function_tool import FunctionTool, by_name

PYTHON = """
import contextlib, io

def main(code):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "<code>", "exec"), {"__name__": "__main__"})
    return {"text": printed.getvalue()}
"""

JAVASCRIPT = """
function main({code}) {
  const lines = [];
  const shown = (value) => typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
  const log = (...values) => { lines.push(values.map(shown).join(" ") + "\\n"); };
  new Function("console", "print", code)({log, info: log, warn: log, error: log, debug: log}, log);
  return {text: lines.join("")};
}
"""

#: Language -> (language of the code runner, program that runs the code).
PROGRAMS = {"python3": ("python3", PYTHON), "javascript": ("javascript", JAVASCRIPT)}


def simple_code(parameters: Mapping[str, Any], context: NodeContext) -> Iterator[ToolMessage]:
    if parameters["language"] not in PROGRAMS:
        raise NodeError(f"Only python3 and javascript are supported, not {parameters['language']}")
    language, source = PROGRAMS[parameters["language"]]
    yield TextMessage(context.ports.code.run(language, source, {"code": parameters["code"]}, context.cancellation)["text"])


TOOLS = by_name(
    FunctionTool(
        "simple_code",
        "Runs a program without network and files, and answers what it prints with print() or console.log().",
        (
            ToolParameter("language", required=True, options=tuple(PROGRAMS), description="python3 or javascript"),
            ToolParameter("code", required=True, description="The program"),
        ),
        simple_code,
    )
)
