"""Two questions about a graph of ids and edges: which cycles has it, and what does a run reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from worker.engine.workflow import EdgeSpec


def cycles(ids: Iterable[str], edges: Iterable[EdgeSpec]) -> Iterator[list[str]]:
    """Cycles that share no node, until the rest of the graph has none; each begins at its first node in the order of ``ids``."""
    order = list(ids)
    onward = successors(order, edges)
    left = on_cycles(set(order), onward)
    while left:
        cycle = _some_cycle(left, onward, order)
        yield cycle
        left = on_cycles(left - set(cycle), onward)


def reachable(roots: Iterable[str], ids: Iterable[str], edges: Iterable[EdgeSpec], entries: Mapping[str, str]) -> set[str]:
    """Ids of all nodes that a run can reach from its roots; ``entries`` are the start nodes of containers."""
    onward = successors(ids, edges)
    found, waiting = set(roots), list(roots)
    while waiting:
        node_id = waiting.pop()
        inner = [entries[node_id]] if entries.get(node_id) in onward else []
        fresh = {target for target in [*onward[node_id], *inner] if target not in found}
        found |= fresh
        waiting.extend(fresh)
    return found


def successors(ids: Iterable[str], edges: Iterable[EdgeSpec]) -> dict[str, list[str]]:
    onward: dict[str, list[str]] = {node_id: [] for node_id in ids}
    for edge in edges:
        onward[edge.source].append(edge.target)
    return onward


def on_cycles(among: Set[str], onward: Mapping[str, Sequence[str]]) -> set[str]:
    """Nodes of ``among`` that lie on a cycle or between two: each that is left has a predecessor and a successor left."""
    forward = {node_id: [target for target in onward[node_id] if target in among] for node_id in among}
    backward: dict[str, list[str]] = {node_id: [] for node_id in among}
    for source, targets in forward.items():
        for target in targets:
            backward[target].append(source)
    return _peeled(_peeled(among, forward, backward), backward, forward)


def _peeled(among: Set[str], onward: Mapping[str, Sequence[str]], back: Mapping[str, Sequence[str]]) -> set[str]:
    """What is left when nodes that nothing leads to are taken away again and again."""
    left = set(among)
    sources = {node_id: sum(source in left for source in back[node_id]) for node_id in left}
    free = [node_id for node_id, number in sources.items() if not number]
    while free:
        node_id = free.pop()
        left.discard(node_id)
        for target in onward[node_id]:
            if target in left:
                sources[target] -= 1
                if not sources[target]:
                    free.append(target)
    return left


def _some_cycle(left: Set[str], onward: Mapping[str, Sequence[str]], order: Iterable[str]) -> list[str]:
    way = [next(node_id for node_id in order if node_id in left)]
    while (following := next(target for target in onward[way[-1]] if target in left)) not in way:
        way.append(following)
    return way[way.index(following) :]
