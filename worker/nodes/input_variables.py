"""The declared inputs of code, template and llm nodes: ``variables: [{variable, value_selector, value_type}]``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from worker.engine.variables import MISSING, Selector, VariablePool
from worker.nodes.fields import Fields


@dataclass(frozen=True, slots=True)
class InputVariable:
    name: str
    selector: Selector
    #: As the editor noted it; ``any`` or absent in most documents.
    type: str

    @property
    def is_file_list(self) -> bool:
        """Known to hold files, even when it is empty."""
        return self.type == "array[file]" or self.selector == ("sys", "files")


def read_variables(fields: Fields, key: str = "variables") -> tuple[InputVariable, ...]:
    return tuple(
        InputVariable(item.required_text("variable"), item.selector("value_selector"), item.text("value_type"))
        for item in fields.items(key)
    )


def gather(variables: Sequence[InputVariable], pool: VariablePool) -> dict[str, Any]:
    """Their values by name; a missing one is None (nodes.md section 3.3)."""
    return {variable.name: None if (value := pool.get(variable.selector)) is MISSING else value for variable in variables}
