"""Rules that a graph as a whole must keep (dsl.md section 6.4)."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import replace
from typing import Any

from worker.engine.errors import GraphError
from worker.engine.findings import Findings
from worker.engine.graph_document import CONTAINER_STARTS, START_TYPE, TRIGGER_TYPES, DraftGraph
from worker.engine.node import FAIL_BRANCH_HANDLE, SOURCE_HANDLE, NodeRegistry, NodeSpec
from worker.engine.normalise import identifier
from worker.engine.recovery import Recovery
from worker.engine.references import references
from worker.engine.topology import cycles, reachable
from worker.engine.variables import CONVERSATION, ENV, SYS

#: Node types of the language (dsl.md section 6.1); what of it runs is for the registry to say.
NODE_TYPES = frozenset(
    {
        *("start", "end", "answer", "if-else", "code", "template-transform", "http-request", "variable-aggregator", "assigner"),
        *("llm", "question-classifier", "parameter-extractor", "knowledge-retrieval", "knowledge-index", "datasource", "agent", "tool"),
        *("loop", "loop-start", "loop-end", "iteration", "iteration-start", "document-extractor", "list-operator", "human-input"),
    }
    | TRIGGER_TYPES
)
ROOT_TYPES = TRIGGER_TYPES | {START_TYPE, "datasource"}
RESPONSE_TYPES = frozenset({"end", "answer"})

#: Types that mean nothing inside a container.
OUTER_TYPES = ROOT_TYPES | {"end"}


def check_graph(
    graph: DraftGraph, registry: NodeRegistry | None, findings: Findings, *, environment: Set[str], is_chat: bool
) -> DraftGraph:
    """Report every broken rule; answers the graph without the nodes that no run can reach."""
    roots = check_roots(graph, findings)
    check_cycles(graph, findings)
    entries = {node.id: identifier(node.data.get("start_node_id")) for node in graph.nodes if node.type in CONTAINER_STARTS}
    everything = {node.id for node in graph.nodes}
    reached = reachable(roots, everything, graph.edges, entries) if roots else everything
    check_nodes(graph, registry, reached, findings)
    check_handles(graph, findings)
    check_deliveries(graph, findings)
    # A workflow app has no conversation, so its variables are unknown there (dsl.md section 7.2).
    check_references(graph, everything | {SYS, "rag"} | ({CONVERSATION} if is_chat else set()), environment, findings)
    if not any(node.type in RESPONSE_TYPES for node in graph.nodes):
        findings.warning("no_end", "the workflow has no end node, so its outputs are empty", path="workflow.graph.nodes")
    return _limited_to(graph, reached)


def check_roots(graph: DraftGraph, findings: Findings) -> list[str]:
    """Exactly one start, or triggers and no start. Answers where runs can begin."""
    outer = [node for node in graph.nodes if node.container_id is None]
    starts = [node for node in outer if node.type == START_TYPE]
    triggers = [node for node in outer if node.type in TRIGGER_TYPES]
    if starts and triggers:
        findings.error("start_and_trigger", "Start node and trigger nodes cannot coexist in the same workflow", node=triggers[0])
    elif len(starts) > 1:
        findings.error("several_starts", f"the workflow has {len(starts)} start nodes, one is needed", node=starts[1])
    elif not starts and not triggers:
        findings.error("no_start", "the workflow has no start node", path="workflow.graph.nodes")
    elif not starts:
        message = "the workflow begins at triggers and has no start node, so its runs cannot be started over the API"
        findings.warning("only_triggers", message, node=triggers[0])
    return [node.id for node in outer if node.type in ROOT_TYPES]


def check_cycles(graph: DraftGraph, findings: Findings) -> None:
    """Each level, that is the root or one container, must be free of cycles; edges do not leave their level."""
    nodes = {node.id: node for node in graph.nodes}
    for cycle in cycles(nodes, graph.edges):
        way = " → ".join(nodes[node_id].title or node_id for node_id in [*cycle, cycle[0]])
        findings.error("cyclic_graph", f"the nodes {way} form a cycle", node=nodes[cycle[0]])


def check_nodes(graph: DraftGraph, registry: NodeRegistry | None, reached: Set[str], findings: Findings) -> None:
    """Types, places and configurations; a mistake in a node that no run reaches is a warning."""
    for node in graph.nodes:
        if node.id in graph.added:
            continue
        if node.id not in reached:
            findings.warning("unreachable_node", "no path leads from the start to the node, so it never runs", node=node)
        level = "error" if node.id in reached else "warning"
        findings.extend(replace(mistake, level=level) for mistake in _mistakes(node, registry))


def _mistakes(node: NodeSpec, registry: NodeRegistry | None) -> Findings:
    found = Findings()
    if not (registry.knows(node.type) if registry else node.type in NODE_TYPES):
        found.unsupported_node_type(node)
        return found
    if node.container_id and node.type in OUTER_TYPES:
        found.error("misplaced_node", f"a node of type '{node.type}' cannot stand inside a container", node=node)
    for parse in (Recovery.of, registry.create) if registry else (Recovery.of,):
        try:
            parse(node)
        except GraphError as error:
            found.extend(error.findings)
    return found


def check_handles(graph: DraftGraph, findings: Findings) -> None:
    """Warn of edges that are never taken because their source cannot choose their handle."""
    nodes = {node.id: node for node in graph.nodes}
    exits = {node.id: exits_of(node) for node in graph.nodes}
    for edge in graph.edges:
        node, handles = nodes[edge.source], exits[edge.source]
        if handles is not None and edge.handle not in handles:
            message = f"the edge to '{edge.target}' leaves by the exit '{edge.handle}', which the node does not have: it is never taken"
            findings.warning("unknown_handle", message, node=node)


def check_deliveries(graph: DraftGraph, findings: Findings) -> None:
    """Warn of forms that would be sent to people: here an application shows them, as it gets them over the API."""
    for node in graph.nodes:
        methods = node.data.get("delivery_methods") if node.type == "human-input" else None
        for method in methods if isinstance(methods, list) else []:
            if isinstance(method, Mapping) and method.get("enabled") and method.get("type") != "webapp":
                message = f"the form is not sent by {method.get('type')!r:.60}: it is answered over the API alone"
                findings.warning("unsupported_delivery", message, node=node)


def exits_of(node: NodeSpec) -> Set[str] | None:
    """Handles that a branching node can choose (dsl.md section 6.2); None where all edges are taken whatever their handle."""
    read = EXITS.get(node.type)
    failed = {FAIL_BRANCH_HANDLE} if node.data.get("error_strategy") == FAIL_BRANCH_HANDLE else set()
    if read is not None:
        key, id_key, others = read
        return _ids(node.data.get(key), id_key) | others | failed
    return failed | {SOURCE_HANDLE} if failed else None


#: Of the branching types: the list of exits, the id of each, and the exits that are always there.
EXITS: Mapping[str, tuple[str, str, Set[str]]] = {
    "if-else": ("cases", "case_id", {"false"}),
    "question-classifier": ("classes", "id", set()),
    "human-input": ("user_actions", "id", {"__timeout", "__timeout__"}),
}


def _ids(items: Any, key: str) -> set[str]:
    return {identifier(item.get(key)) for item in items if isinstance(item, Mapping)} if isinstance(items, list) else set()


VARIABLE_KINDS = {ENV: "environment", CONVERSATION: "conversation"}


def check_references(graph: DraftGraph, known: Set[str], environment: Set[str], findings: Findings) -> None:
    """Warn of selectors that can find nothing: unknown nodes and undeclared environment variables."""
    for node in graph.nodes:
        seen = set()
        for path, selector in references(node.data, f"{node.path}.data"):
            first, name = selector[:2]
            is_found = name in environment if first == ENV else first in known
            if not is_found and (first, name) not in seen:
                seen.add((first, name))
                what = f"{VARIABLE_KINDS[first]} variable '{name}'" if first in VARIABLE_KINDS else f"node '{first}'"
                findings.warning("unknown_selector", f"'{'.'.join(selector)}' refers to the unknown {what}", path=path, node=node)


def _limited_to(graph: DraftGraph, reached: Set[str]) -> DraftGraph:
    nodes = tuple(node for node in graph.nodes if node.id in reached)
    edges = tuple(edge for edge in graph.edges if edge.source in reached and edge.target in reached)
    return replace(graph, nodes=nodes, edges=edges)
