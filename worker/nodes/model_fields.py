"""What every node that asks a language model has in its configuration: the model with its parameters, and the files it looks at.

self._model = read_model(fields.mapping("model"))
self._vision = read_vision(fields.mapping("vision"))
...
request = self._model.request(messages, pool)
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.engine.errors import NodeError
from worker.engine.models import CHAT, COMPLETION, Message, ModelRef, ModelRequest, ToolSpec
from worker.engine.templates import Template
from worker.engine.variables import MISSING, File, Selector, VariablePool, type_of
from worker.nodes.fields import Fields

#: Longest text of a parameter with placeholders (nodes.md section 7).
MAX_PARAMETER = 1024

NO_FILES = ("none", "array[any]")


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model and how it is to answer."""

    ref: ModelRef
    #: ``completion_params`` without ``stop``; texts with placeholders are templates.
    parameters: Mapping[str, Any]
    stop: Sequence[str]

    @property
    def inputs(self) -> dict[str, str]:
        """How node inputs and process data name the model."""
        return {"model_provider": self.ref.provider, "model_name": self.ref.name}

    def request(self, messages: Sequence[Message], pool: VariablePool, tools: Sequence[ToolSpec] = ()) -> ModelRequest:
        parameters = {name: parameter_value(value, pool) for name, value in self.parameters.items()}
        return ModelRequest(self.ref, messages, parameters, self.stop, tools)


def read_model(fields: Fields) -> ModelChoice:
    mode = fields.choice("mode", (CHAT, COMPLETION), CHAT)
    # Both may be blank in exports of templates: a run that comes to the node says that there is no such provider.
    ref = ModelRef(fields.text("provider"), fields.text("name"), mode)
    return choice_of(ref, fields.mapping("completion_params").data)


def choice_of(ref: ModelRef, given: Mapping[str, Any]) -> ModelChoice:
    """``given`` are ``completion_params`` as the document has them."""
    parameters = {name: _prepared(value) for name, value in given.items() if name != "stop" and value is not None}
    return ModelChoice(ref, parameters, _read_stop(given.get("stop")))


def _prepared(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    template = Template.parse(value)
    return template if template.selectors else value


def _read_stop(given: Any) -> tuple[str, ...]:
    """A list of texts; one alone is tolerated, and what is empty stops nothing."""
    stops = given if isinstance(given, list) else [given]
    return tuple(str(stop) for stop in stops if stop)


def parameter_value(value: Any, pool: VariablePool) -> Any:
    """A template becomes its text, cut short, or the number or boolean that this text spells (nodes.md section 6.4)."""
    if not isinstance(value, Template):
        return value
    text = value.render(pool)[:MAX_PARAMETER]
    try:
        spelled = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return spelled if isinstance(spelled, bool | int | float) and math.isfinite(spelled) else text


@dataclass(frozen=True, slots=True)
class Vision:
    """Files that a model is to look at."""

    is_enabled: bool
    selector: Selector
    #: ``high`` or ``low``.
    detail: str

    def files(self, pool: VariablePool) -> list[File]:
        """None when it is off, or nothing is there. Raises ``NodeError`` for what is no file."""
        value: Any = pool.get(self.selector) if self.is_enabled else MISSING
        if value is MISSING or type_of(value) in NO_FILES:
            return []
        if type_of(value) not in ("file", "array[file]"):
            raise NodeError(f"Invalid variable type: {type_of(value)}", error_type="InvalidVariableTypeError")
        return value if isinstance(value, list) else [value]


def read_vision(fields: Fields) -> Vision:
    configs = fields.mapping("configs")
    selector = configs.selector("variable_selector") or ("sys", "files")
    return Vision(fields.flag("enabled"), selector, configs.text("detail", "high"))
