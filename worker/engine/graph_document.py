"""Reads ``workflow.graph``: nodes and edges of the canvas -> specs, old shapes normalised (dsl.md sections 6 and 11)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from worker.engine.errors import kind_of
from worker.engine.findings import Findings
from worker.engine.node import SOURCE_HANDLE, NodeSpec
from worker.engine.normalise import HANDLE_ALIASES, TYPE_ALIASES, identifier, normalise_data
from worker.engine.workflow import EdgeSpec

START_TYPE = "start"
TRIGGER_TYPES = frozenset({"trigger-webhook", "trigger-schedule", "trigger-plugin"})

#: Containers, and the type of the child at which each of their passes starts.
CONTAINER_STARTS = {"iteration": "iteration-start", "loop": "loop-start"}

MAX_NODES = 1000
MAX_EDGES = 10_000

NODES_PATH = "workflow.graph.nodes"
EDGES_PATH = "workflow.graph.edges"


@dataclass(frozen=True, slots=True)
class DraftGraph:
    nodes: tuple[NodeSpec, ...]
    edges: tuple[EdgeSpec, ...]
    #: Ids of nodes that the document does not have: start nodes added to containers of the oldest shape.
    added: frozenset[str] = frozenset()


def read_graph(graph: Any, findings: Findings) -> DraftGraph | None:
    """Nodes and edges; None when there is nothing that could be checked further."""
    if not isinstance(graph, Mapping):
        findings.error("missing_graph", f"graph must be a mapping, not {kind_of(graph)}", path="workflow.graph")
        return None
    raw_nodes, raw_edges = graph.get("nodes"), graph.get("edges")
    if not isinstance(raw_nodes, list):
        findings.error("invalid_graph", "nodes in workflow graph must be a list", path=NODES_PATH)
    if not isinstance(raw_edges, list | None):
        findings.error("invalid_graph", "edges in workflow graph must be a list", path=EDGES_PATH)
    if not isinstance(raw_nodes, list):
        return None
    return _read(raw_nodes, raw_edges if isinstance(raw_edges, list) else [], findings)


def _read(raw_nodes: list[Any], raw_edges: list[Any], findings: Findings) -> DraftGraph | None:
    nodes = read_nodes(raw_nodes, findings)
    if not nodes:
        findings.error("empty_graph", "Graph must have at least one node", path=NODES_PATH)
        return None
    for path, number, limit in ((NODES_PATH, len(nodes), MAX_NODES), (EDGES_PATH, len(raw_edges), MAX_EDGES)):
        if number > limit:
            findings.error("graph_too_large", f"the workflow has {number} {path.rpartition('.')[2]}, {limit} are allowed", path=path)
            return None
    return with_container_starts(nodes, read_edges(raw_edges, nodes, dropped_ids(raw_nodes), findings), findings)


def read_nodes(raw_nodes: list[Any], findings: Findings) -> dict[str, NodeSpec]:
    """Every node that can run, by id; notes are dropped."""
    containers = {identifier(raw.get("id")) for raw in raw_nodes if isinstance(raw, Mapping) and _type_of(raw) in CONTAINER_STARTS}
    nodes: dict[str, NodeSpec] = {}
    for index, raw in enumerate(raw_nodes):
        node = _read_node(raw, f"{NODES_PATH}[{index}]", containers, findings)
        if node is not None and node.id in nodes:
            findings.error("duplicate_node_id", f"two nodes have the id '{node.id}'", node=node)
        elif node is not None:
            nodes[node.id] = node
    return nodes


def _read_node(raw: Any, path: str, containers: Set[str], findings: Findings) -> NodeSpec | None:
    if not isinstance(raw, Mapping):
        findings.error("invalid_node", f"a node must be a mapping, not {kind_of(raw)}", path=path)
        return None
    if _is_note(raw):
        return None
    data, node_id = raw.get("data"), identifier(raw.get("id"))
    if not isinstance(data, Mapping) or not isinstance(data["type"], str):
        findings.error("invalid_node", "data of a node must be a mapping, and its type a text", path=f"{path}.data")
        return None
    if not node_id:
        findings.error("invalid_node_id", "a node must have an id", path=f"{path}.id")
        return None
    node = _spec(node_id, data, path)
    return replace(node, container_id=_container_of(node, raw, containers, findings))


def _type_of(raw: Mapping[str, Any]) -> str:
    data = raw.get("data")
    return identifier(data.get("type")) if isinstance(data, Mapping) else ""


def _is_note(raw: Mapping[str, Any]) -> bool:
    data = raw.get("data")
    return raw.get("type") == "custom-note" or data is None or (isinstance(data, Mapping) and not data.get("type"))


def dropped_ids(raw_nodes: list[Any]) -> set[str]:
    """Ids of the notes: edges that touch them are dropped without a word."""
    return {identifier(raw.get("id")) for raw in raw_nodes if isinstance(raw, Mapping) and _is_note(raw)}


def _spec(node_id: str, data: Mapping[str, Any], path: str) -> NodeSpec:
    node_type = TYPE_ALIASES.get(data["type"], data["type"])
    title, version = identifier(data.get("title")), identifier(data.get("version")) or "1"
    return NodeSpec(node_id, node_type, title, version, normalise_data(node_type, data), path=path)


def _container_of(node: NodeSpec, raw: Mapping[str, Any], containers: Set[str], findings: Findings) -> str | None:
    """The innermost enclosing container; it is written up to three times, and editors leave stale copies behind."""
    written = [identifier(value) for value in (node.data.get("iteration_id"), node.data.get("loop_id"), raw.get("parentId"))]
    named = [container_id for container_id in written if container_id]
    known = next((container_id for container_id in named if container_id in containers and container_id != node.id), None)
    if named and known is None:
        findings.warning("unknown_container", f"the node says that it lies in '{named[0]}', which is no iteration or loop", node=node)
    return known


def read_edges(raw_edges: list[Any], nodes: Mapping[str, NodeSpec], dropped: Set[str], findings: Findings) -> list[EdgeSpec]:
    """Edges between existing nodes of one level, in document order."""
    edges = []
    for index, raw in enumerate(raw_edges):
        path = f"{EDGES_PATH}[{index}]"
        if not isinstance(raw, Mapping):
            findings.error("invalid_edge", f"an edge must be a mapping, not {kind_of(raw)}", path=path)
            continue
        source = identifier(raw.get("source"))
        edge = EdgeSpec(source, identifier(raw.get("target")), _handle(raw, nodes.get(source)))
        if not {edge.source, edge.target} & dropped and _connects(edge, nodes, path, findings):
            edges.append(edge)
    return edges


def _handle(raw: Mapping[str, Any], source: NodeSpec | None) -> str:
    handle = identifier(raw.get("sourceHandle")) or SOURCE_HANDLE
    aliases = HANDLE_ALIASES.get(source.type, {}) if source is not None else {}
    return aliases.get(handle, handle)


def _connects(edge: EdgeSpec, nodes: Mapping[str, NodeSpec], path: str, findings: Findings) -> bool:
    source, target = nodes.get(edge.source), nodes.get(edge.target)
    if source is None or target is None:
        end = f"source node '{edge.source}'" if source is None else f"target node '{edge.target}'"
        findings.warning("dangling_edge", f"an edge refers to the unknown {end} and is dropped", path=path, node=source or target)
        return False
    if source.container_id != target.container_id:
        message = f"an edge to node '{target.title or target.id}' crosses the border of a container and is dropped"
        findings.warning("edge_crosses_container", message, path=path, node=source)
        return False
    return True


def with_container_starts(nodes: Mapping[str, NodeSpec], edges: list[EdgeSpec], findings: Findings) -> DraftGraph:
    """Every container with a ``start_node_id`` that names its start child (dsl.md section 6.3).

    The oldest shape has no such child: there ``start_node_id`` is the first real node, and the child is added here.
    """
    found, links, added = dict(nodes), list(edges), set[str]()
    for container in nodes.values():
        if container.type not in CONTAINER_STARTS:
            continue
        start = _start_of(container, nodes, edges)
        if start is None:
            message = f"the {container.type} has no start node: start_node_id names none of its nodes"
            findings.error("unresolved_start_node", message, path=f"{container.path}.data.start_node_id", node=container)
            continue
        if start.type not in CONTAINER_STARTS.values():
            first, start = start, _added_start(container, found)
            found[start.id] = start
            links.append(EdgeSpec(start.id, first.id))
            added.add(start.id)
        found[container.id] = replace(container, data={**container.data, "start_node_id": start.id})
    return DraftGraph(tuple(found.values()), tuple(links), frozenset(added))


def _start_of(container: NodeSpec, nodes: Mapping[str, NodeSpec], edges: Iterable[EdgeSpec]) -> NodeSpec | None:
    children = [node for node in nodes.values() if node.container_id == container.id]
    named = identifier(container.data.get("start_node_id"))
    if named:
        return next((child for child in children if child.id == named), None)
    starts = [child for child in children if child.type in CONTAINER_STARTS.values()]
    if not starts:
        targets = {edge.target for edge in edges}
        starts = [child for child in children if child.id not in targets]
    return starts[0] if len(starts) == 1 else None


def _added_start(container: NodeSpec, taken: Mapping[str, NodeSpec]) -> NodeSpec:
    free = next(name for number in count() if (name := f"{container.id}start{number}") not in taken)
    node_type = CONTAINER_STARTS[container.type]
    return NodeSpec(free, node_type, "", "1", {"type": node_type}, container_id=container.id, path=container.path)
