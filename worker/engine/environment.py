"""Environment variables of a workflow (dsl.md section 7.1): constants of a run, read as ``env.NAME``."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from worker.engine.errors import VariableError, kind_of
from worker.engine.findings import Findings
from worker.engine.limits import Limits
from worker.engine.variables import Secret
from worker.engine.workflow import EnvironmentVariable

NUMBER_TYPES = ("number", "integer", "float")

#: Bytes of one value.
MAX_SIZE = Limits().max_variable_size


def read_environment(declared: Any, findings: Findings, max_size: int = MAX_SIZE) -> tuple[EnvironmentVariable, ...]:
    """The variables of ``workflow.environment_variables``; of two with one name the later one counts."""
    if not isinstance(declared, list | None):
        findings.error("invalid_environment", f"environment_variables must be a list, not {kind_of(declared)}", path=PATH)
        return ()
    found = (_read(item, f"{PATH}[{index}]", findings, max_size) for index, item in enumerate(declared or ()))
    return tuple({variable.name: variable for variable in found if variable}.values())


PATH = "workflow.environment_variables"


def _read(item: Any, path: str, findings: Findings, max_size: int) -> EnvironmentVariable | None:
    if not isinstance(item, Mapping):
        findings.error("invalid_environment", f"an environment variable must be a mapping, not {kind_of(item)}", path=path)
        return None
    if message := _mistake(item, max_size):
        findings.error("invalid_environment", message, path=path)
        return None
    variable = EnvironmentVariable(item["name"], _type(item["value_type"]), item["value"])
    if variable.type == "secret" and not variable.value:
        findings.warning("empty_secret", EMPTY_SECRET.format(variable.name, shlex.quote(variable.name)), path=path)
    return variable


#: With the variable's name, and that name for a shell.
EMPTY_SECRET = "the secret environment variable '{}' has no value, since exports leave it out: set one by `penstock apps env set APP {}`"


def _mistake(item: Mapping[str, Any], max_size: int) -> str | None:
    """What is wrong with a declared variable, in the reference server's words."""
    name, kind, value = item.get("name"), item.get("value_type"), item.get("value")
    if not name or not isinstance(name, str):
        return "missing name"
    if not kind:
        return "missing value type"
    if value is None:
        return "missing value"
    if kind not in (*NUMBER_TYPES, "string", "secret", "llm"):
        return f"not supported value type {kind}"
    if not _fits(kind, value):
        return f"invalid {_type(kind)} value"
    size = size_bytes(value)
    return f"variable size {size} exceeds limit {max_size}" if size > max_size else None


def _type(kind: str) -> str:
    return "number" if kind in NUMBER_TYPES else kind


def _fits(kind: str, value: Any) -> bool:
    if kind in NUMBER_TYPES:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, Mapping if kind == "llm" else str)


def size_bytes(value: Any) -> int:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return len(text.encode("utf-8", "replace"))


#: Variables of the process with this prefix supply values, since exports leave secrets out.
ENVIRONMENT_PREFIX = "PENSTOCK_ENV_"


def supplied_by(environ: Mapping[str, str]) -> dict[str, str]:
    """Values by name that the process's environment supplies for environment variables of workflows."""
    return {name.removeprefix(ENVIRONMENT_PREFIX): value for name, value in environ.items() if name.startswith(ENVIRONMENT_PREFIX)}


def environment_values(variables: Iterable[EnvironmentVariable], supplied: Mapping[str, str]) -> dict[str, Any]:
    """What a run sees: declared values, replaced by supplied texts of the same name; secrets typed as such.

    Raises ``VariableError`` for a supplied text that does not fit the declared type.
    """
    return {variable.name: _value(variable, supplied.get(variable.name)) for variable in variables}


def check_text(variable: EnvironmentVariable, text: str, max_size: int = MAX_SIZE) -> None:
    """Whether a text can be supplied for a variable. Raises ``VariableError``."""
    _parse(variable, text)
    if variable.type == "secret" and not text:
        raise VariableError(f"The value supplied for the secret '{variable.name}' is empty.")
    if (size := size_bytes(text)) > max_size:
        raise VariableError(f"The value supplied for '{variable.name}' has {size} bytes, {max_size} are allowed.")


def _value(variable: EnvironmentVariable, supplied: str | None) -> Any:
    value = variable.value if supplied is None else _parse(variable, supplied)
    return Secret(value) if variable.type == "secret" else value


def _parse(variable: EnvironmentVariable, text: str) -> Any:
    if variable.type in ("string", "secret"):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not _fits(variable.type, value):
        raise VariableError(f"The value supplied for the environment variable '{variable.name}' is no {variable.type}.")
    return value
