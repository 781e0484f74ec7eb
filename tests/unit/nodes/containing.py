"""Containers in small graphs: what the tests of iteration and loop have in common."""

from __future__ import annotations

from typing import Any

from tests.unit.engine.building import Script, node
from worker.engine.events import ContainerCompleted, ContainerNext, ContainerStarted, NodeFinished, NodeStarted
from worker.engine.graph import GraphNode
from worker.engine.node import NodeSpec
from worker.nodes.iteration_start import MarkerNode


def inside(made: GraphNode, container_id: str) -> GraphNode:
    """The same node, standing in a container."""
    spec = made.spec
    return GraphNode.of(NodeSpec(spec.id, spec.type, spec.title, spec.version, spec.data, container_id, spec.path), made.node)


def marker(node_id: str, kind: str, container_id: str) -> GraphNode:
    spec = NodeSpec(node_id, kind, "", "1", {}, container_id)
    return GraphNode.of(spec, MarkerNode(spec))


def body(script: Script, *, container_id: str, node_id: str = "body", is_pure: bool = True, **data: Any) -> GraphNode:
    return inside(node(node_id, script, kind="code", is_pure=is_pure, **data), container_id)


def story(events: list[Any]) -> list[str]:
    """Starts and ends of nodes (ns, nf) and containers (CS, CC), and ``next 0``."""
    names = {ContainerStarted: "CS", ContainerCompleted: "CC", NodeStarted: "ns", NodeFinished: "nf"}
    told = [f"next {event.index}" if isinstance(event, ContainerNext) else names.get(type(event), "") for event in events]
    return [word for word in told if word]


def completed(events: list[Any]) -> ContainerCompleted:
    return next(event for event in events if isinstance(event, ContainerCompleted))
