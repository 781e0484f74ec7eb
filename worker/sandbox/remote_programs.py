"""Programs for a remote sandbox, which knows nothing of ``main``: the code as it is, then a call that prints the result between marks."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

PYTHON = """{source}

import base64 as _base64, json as _json
globals().setdefault("json", _json)
globals().setdefault("b64decode", _base64.b64decode)
print("{mark}" + _json.dumps(main(**_json.loads(_base64.b64decode("{inputs}"))), allow_nan=False) + "{mark}")
"""

JAVASCRIPT = """{source}

;(() => {{
  const inputs = JSON.parse(Buffer.from("{inputs}", "base64").toString("utf8"));
  console.log("{mark}" + (JSON.stringify(main(inputs)) ?? "null") + "{mark}");
}})()
"""


def python_program(source: str, inputs: Mapping[str, Any], mark: str) -> str:
    return PYTHON.format(source=source, inputs=_encoded(inputs), mark=mark)


def javascript_program(source: str, inputs: Mapping[str, Any], mark: str) -> str:
    return JAVASCRIPT.format(source=source, inputs=_encoded(inputs), mark=mark)


def _encoded(inputs: Mapping[str, Any]) -> str:
    return base64.b64encode(json.dumps(inputs).encode()).decode()


#: Language of a code node -> its name there, and what makes the program.
PROGRAMS: dict[str, tuple[str, Callable[[str, Mapping[str, Any], str], str]]] = {
    "python3": ("python3", python_program),
    "javascript": ("nodejs", javascript_program),
}
