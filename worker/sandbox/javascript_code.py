"""Runs the JavaScript of a code node (nodes.md section 6.5) in QuickJS: the language alone, without files, network, timers or modules.

Each execution has a process of its own and in it a new engine, so whatever it does to prototypes and globals ends with it. The engine's
library is loaded once, in the zygote; the code of other nodes does not find it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType
from typing import Any

from worker.sandbox.failures import failure_text
from worker.sandbox.javascript_failures import exception_text
from worker.sandbox.protocol import FAILURE, RESULT
from worker.sandbox.python_code import encoded

#: The engine's library. The package beside it, ``quickjs``, starts a thread when it is imported.
ENGINE = "_quickjs"

#: Share of the process's memory that the engine may fill; the rest is for the interpreter and for the result on its way out.
ENGINE_SHARE = 0.75

#: Name of the function below in stacks.
CALL = "penstock_call"

#: Taken before the code could replace anything. What code prints is not captured, but it may print.
PRELUDE = f"""
(({{ parse, stringify }}) => {{
  const names = "assert clear count debug dir error group groupEnd info log table time timeEnd timeLog trace warn";
  globalThis.console = Object.fromEntries(names.split(" ").map((name) => [name, () => {{}}]));
  return function {CALL}(inputs) {{ return stringify(main(parse(inputs))); }};
}})(JSON)
"""


def load(path: str) -> ModuleType | None:
    """The engine's library from its file; None if it cannot be loaded here."""
    spec = spec_from_file_location(ENGINE, path)
    assert spec is not None
    assert spec.loader is not None
    try:
        engine = module_from_spec(spec)
        spec.loader.exec_module(engine)
    except ImportError:
        return None
    # It enters itself there, where Python code would find it.
    sys.modules.pop(ENGINE, None)
    return engine


def answer(engine: Any, source: str, inputs: Mapping[str, Any], memory_bytes: int) -> bytes:
    """``main(inputs)`` as JSON, or the text of what went wrong."""
    if engine is None:
        return FAILURE + b"JavaScript cannot be executed here: the library of the package quickjs-ng cannot be loaded."
    try:
        return RESULT + encoded(call_main(engine.Context(), source, inputs, memory_bytes))
    except engine.JSException as error:
        return FAILURE + exception_text(str(error), source, CALL).encode(errors="replace")
    except BaseException as error:
        return FAILURE + failure_text(error, ()).encode(errors="replace")


def call_main(context: Any, source: str, inputs: Mapping[str, Any], memory_bytes: int) -> Any:
    """The source is a script, so that ``main`` may be a function or a constant. What JSON leaves out (``undefined``) is None."""
    context.set_memory_limit(int(memory_bytes * ENGINE_SHARE))
    call = context.eval(PRELUDE)
    context.eval(source)
    result = call(json.dumps(inputs))
    return None if result is None else json.loads(result)
