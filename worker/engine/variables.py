"""The variable pool: every value of a run, found by selector.

The values themselves, their renderings, their JSON form and the masking of secrets live in modules of their own; nodes and the engine
find all of it here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Final, Literal

from worker.engine.file_json import file_from_json, file_to_json, files_in, is_file_json, restore_files, sign_files, to_json
from worker.engine.masking import Masker, mask
from worker.engine.rendering import Rendering, log_of, markdown_of, text_of
from worker.engine.values import (
    FILE_ATTRIBUTES,
    FILE_IDENTITY,
    File,
    FileURL,
    Secret,
    file_address,
    file_attribute,
    plain,
    remote_address,
    type_of,
)

__all__ = [
    "CONVERSATION",
    "ENV",
    "FILE_IDENTITY",
    "MISSING",
    "SYS",
    "File",
    "FileURL",
    "Masker",
    "Missing",
    "Rendering",
    "Secret",
    "Selector",
    "VariablePool",
    "file_address",
    "file_attribute",
    "file_from_json",
    "file_to_json",
    "files_in",
    "is_file_json",
    "log_of",
    "markdown_of",
    "mask",
    "plain",
    "remote_address",
    "restore_files",
    "sign_files",
    "text_of",
    "to_json",
    "type_of",
]

#: ``(node_id, name, *path)``, at least two parts (nodes.md section 3.1).
Selector = tuple[str, ...]

#: First parts of selectors that are no node ids.
SYS: Final = "sys"
ENV: Final = "env"
CONVERSATION: Final = "conversation"


class Missing(Enum):
    """Type of ``MISSING``: what a selector finds where there is no value; a null that was found is None."""

    MISSING = "missing"

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING

NO_VALUES: Final[Mapping[str, Any]] = {}

NO_SECRETS: Final = Masker(())


class VariablePool:
    """Values by node id and name; deeper selectors look into objects and files.

    Environment variables lie under ``ENV``, system variables under ``SYS`` (names without the prefix), form inputs under the start
    node's id. Values are shared, not copied, and nobody changes one in place.
    """

    __slots__ = ("_masked", "_masker", "_types", "_values", "file_url")

    def __init__(self, file_url: FileURL = remote_address) -> None:
        #: Signs the address of a file; used by selectors that end in ``url`` and by renderings.
        self.file_url = file_url
        #: Copies of the pool share the inner mappings: a write makes a new one.
        self._values: dict[str, Mapping[str, Any]] = {}
        #: Declared types, by node id and name; shared likewise.
        self._types: dict[str, Mapping[str, str]] = {}
        self._masked: Sequence[str] = ()
        self._masker = NO_SECRETS

    def get(self, selector: Sequence[str]) -> Any:
        """The value, or ``MISSING`` (which is false; a found null is None)."""
        if len(selector) == 2:
            return self._values.get(selector[0], NO_VALUES).get(selector[1], MISSING)
        return self._descend(self.get(selector[:2]), selector[2:]) if len(selector) > 2 else MISSING

    def _descend(self, value: Any, path: Sequence[str]) -> Any:
        if isinstance(value, File):
            return file_attribute(value, path[0], self.file_url) if path[0] in FILE_ATTRIBUTES else MISSING
        for key in path:
            if not isinstance(value, dict) or key not in value:
                return MISSING
            value = value[key]
        return value

    def set(self, node_id: str, name: str, value: Any) -> None:
        self._values[node_id] = {**self._values.get(node_id, NO_VALUES), name: value}

    def add_outputs(self, node_id: str, outputs: Mapping[str, Any]) -> None:
        """Each output becomes a variable ``(node_id, name)``; earlier ones of other names stay."""
        earlier = self._values.get(node_id)
        self._values[node_id] = {**earlier, **outputs} if earlier else dict(outputs)

    def declare(self, node_id: str, name: str, kind: str) -> None:
        """Fix the type of a variable for those who write it: an empty list, for one, does not say what may be put into it."""
        self._types[node_id] = {**self._types.get(node_id, NO_VALUES), name: kind}

    def type_at(self, node_id: str, name: str) -> str:
        """The declared type of a variable that is there, else that of its value."""
        return self.type_of_new(node_id, name, self._values[node_id][name])

    def type_of_new(self, node_id: str, name: str, value: Any) -> str:
        """The declared type of a variable, else that of the value that it is to have."""
        return self._types.get(node_id, NO_VALUES).get(name) or type_of(value)

    def take_over(self, node_id: str, other: VariablePool) -> None:
        """The variables under one first part become those of another pool."""
        if node_id in other._values:
            self._values[node_id] = other._values[node_id]

    def remove_node(self, node_id: str) -> None:
        """Forget all outputs of a node; a node without any is fine."""
        self._values.pop(node_id, None)
        self._types.pop(node_id, None)

    def node_values(self, node_id: str) -> dict[str, Any]:
        """Names and values under one first part, in the order in which they were first set; a copy."""
        return dict(self._values.get(node_id, {}))

    def copy(self) -> VariablePool:
        """A pool whose later writes are invisible here, and the other way round: for the rounds of an iteration."""
        twin = VariablePool(self.file_url)
        twin._values, twin._types = self._values.copy(), self._types.copy()
        return twin

    def part(self, node_ids: Iterable[str]) -> VariablePool:
        """A copy with the variables under these first parts only."""
        twin = VariablePool(self.file_url)
        twin._values = {node_id: self._values[node_id] for node_id in node_ids if node_id in self._values}
        twin._types = {node_id: self._types[node_id] for node_id in node_ids if node_id in self._types}
        return twin

    @property
    def masker(self) -> Masker:
        """Hides the values of the secret environment variables."""
        secrets = tuple(value for value in self._values.get(ENV, {}).values() if isinstance(value, Secret))
        if secrets != self._masked:
            self._masked, self._masker = secrets, Masker(secrets)
        return self._masker
