"""A workflow document after validation and normalisation: what the rest of the engine reads instead of the document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from worker.engine.node import SOURCE_HANDLE, NodeSpec


@dataclass(frozen=True, slots=True)
class EdgeSpec:
    source: str
    target: str
    #: Exit of the source node: ``source``, a case id, ``fail-branch`` ... (dsl.md section 6.2).
    handle: str = SOURCE_HANDLE


@dataclass(frozen=True, slots=True)
class EnvironmentVariable:
    name: str
    #: ``string``, ``number``, ``secret`` or ``llm``.
    type: str
    value: Any


@dataclass(frozen=True, slots=True)
class ConversationVariable:
    name: str
    #: As declared; of a number, ``integer`` or ``float`` by its value.
    type: str
    value: Any


@dataclass(frozen=True, slots=True)
class Workflow:
    name: str
    description: str
    mode: str
    icon: str
    icon_type: str
    icon_background: str
    #: In document order; nodes that no run can reach are left out.
    nodes: tuple[NodeSpec, ...]
    edges: tuple[EdgeSpec, ...]
    environment: tuple[EnvironmentVariable, ...]
    #: ``workflow.features`` as written.
    features: Mapping[str, Any]
    #: ``data.variables`` of the start node as written (nodes.md section 6.1).
    start_variables: tuple[Mapping[str, Any], ...]
    #: The document as it was read; kept whole, unknown keys included.
    document: Mapping[str, Any]
    #: With their first values; empty in workflow apps, which have no conversation.
    conversation: tuple[ConversationVariable, ...] = ()
