"""DSL documents made in code, for tests whose workflow is a variation and not a specimen."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

Node = dict[str, Any]
Edge = tuple[str, str] | tuple[str, str, str]
Document = dict[str, Any]


def workflow(name: str, nodes: Iterable[Node], edges: Iterable[Edge], **features: Any) -> Document:
    """An export of a workflow app. An edge is (source, target) or (source, target, handle)."""
    graph = {"nodes": list(nodes), "edges": [edge(number, *ends) for number, ends in enumerate(edges)]}
    app = {"name": name, "mode": "workflow", "description": "", "icon": "🤖", "icon_background": "#FFEAD5"}
    body = {"graph": graph, "features": features, "environment_variables": [], "conversation_variables": []}
    return {"app": app, "kind": "app", "version": "0.5.0", "dependencies": [], "workflow": body}


def chain(name: str, nodes: list[Node]) -> Document:
    """Nodes one behind the other."""
    ids = [node["id"] for node in nodes]
    return workflow(name, nodes, itertools.pairwise(ids))


def edge(number: int, source: str, target: str, handle: str = "source") -> dict[str, Any]:
    return {"id": f"e{number}", "source": source, "sourceHandle": handle, "target": target, "targetHandle": "target", "type": "custom"}


def node(node_id: str, kind: str, **data: Any) -> Node:
    return {"id": node_id, "type": "custom", "data": {"type": kind, "title": node_id.upper(), "desc": "", **data}}


def start(*variables: dict[str, Any]) -> Node:
    return node("start", "start", variables=list(variables))


def variable(name: str, kind: str = "text-input", required: bool = False, **more: Any) -> dict[str, Any]:
    return {"variable": name, "label": name, "type": kind, "required": required, **more}


def end(node_id: str = "end", /, **outputs: list[str]) -> Node:
    """``name=[node, variable]`` for each output."""
    return node(node_id, "end", outputs=[{"variable": name, "value_selector": selector} for name, selector in outputs.items()])


def http_get(node_id: str, url: str, **more: Any) -> Node:
    request = {
        "method": "get",
        "url": url,
        "headers": "",
        "params": "",
        "authorization": {"type": "no-auth", "config": None},
        "body": {"type": "none", "data": []},
        "timeout": {"max_connect_timeout": 0, "max_read_timeout": 0, "max_write_timeout": 0},
        "retry_config": {"retry_enabled": False, "max_retries": 1, "retry_interval": 100},
    }
    return node(node_id, "http-request", **{**request, **more})


def code(node_id: str, source: str, outputs: dict[str, str], **more: Any) -> Node:
    declared = {name: {"type": kind, "children": None} for name, kind in outputs.items()}
    return node(node_id, "code", **{"code": source, "code_language": "python3", "outputs": declared, "variables": [], **more})


def llm(node_id: str, prompt: str, **more: Any) -> Node:
    """Asks a chat model with one message of the user's; `more` may name another `model`."""
    model = {"provider": "langgenius/openai/openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
    settings = {"model": model, "context": {"enabled": False}, "vision": {"enabled": False}}
    return node(node_id, "llm", prompt_template=[{"role": "user", "text": prompt}], **{**settings, **more})


def asking(name: str, **more: Any) -> Document:
    """start -> llm -> end: the model is asked what the input `query` says, and its answer streams."""
    ask = llm("ask", "{{#start.query#}}", **more)
    return chain(name, [start(variable("query", "paragraph", required=True)), ask, end(answer=["ask", "text"])])


def template(node_id: str, text: str, **variables: list[str]) -> Node:
    return node(node_id, "template-transform", template=text, variables=bindings(**variables))


def bindings(**variables: list[str]) -> list[dict[str, Any]]:
    """What code and template nodes call the values that they use."""
    return [{"variable": name, "value_selector": selector} for name, selector in variables.items()]


def if_else(node_id: str, *conditions: dict[str, Any]) -> Node:
    """Takes the handle ``true`` if all conditions hold, else ``false``."""
    return node(node_id, "if-else", cases=[{"case_id": "true", "logical_operator": "and", "conditions": list(conditions)}])


def condition(selector: list[str], operator: str, value: str, kind: str = "string") -> dict[str, Any]:
    return {"variable_selector": selector, "comparison_operator": operator, "value": value, "varType": kind}


def human_input(node_id: str, content: str, *names: str, actions: Iterable[str] = ("yes", "no"), **more: Any) -> Node:
    """Asks for a paragraph under each of the names; titles of the actions are their ids in capitals."""
    inputs = [{"type": "paragraph", "output_variable_name": name, "default": None} for name in names]
    buttons = [{"id": action, "title": action.upper(), "button_style": "default"} for action in actions]
    return node(node_id, "human-input", **{"form_content": content, "inputs": inputs, "user_actions": buttons, **more})


def aggregator(node_id: str, **groups: list[list[str]]) -> Node:
    """The first value that there is, in each group."""
    listed = [{"groupId": name, "group_name": name, "output_type": "string", "variables": selectors} for name, selectors in groups.items()]
    settings = {"group_enabled": True, "groups": listed}
    return node(node_id, "variable-aggregator", output_type="string", variables=[], advanced_settings=settings)


def add(node_id: str, selector: list[str], number: int) -> Node:
    """Adds a number to a variable, in place."""
    item = {"variable_selector": selector, "operation": "+=", "input_type": "constant", "value": number}
    return node(node_id, "assigner", version="2", items=[item])


def iteration(node_id: str, items: list[str], inner: Node, **more: Any) -> list[Node]:
    """An iteration over the list at the selector ``items`` with one node inside, whose `output` is collected."""
    settings = {"iterator_selector": items, "output_selector": [inner["id"], "output"], "output_type": "array[string]"}
    modes = {"is_parallel": False, "error_handle_mode": "terminated"}
    return container(node_id, "iteration", inner, **{**settings, **modes, **more})


def loop(node_id: str, rounds: int, inner: Node, **more: Any) -> list[Node]:
    """A loop of so many rounds with one node inside."""
    settings = {"loop_count": rounds, "loop_variables": [], "break_conditions": [], "logical_operator": "and"}
    return container(node_id, "loop", inner, **{**settings, **more})


def loop_of_calls(url: str, rounds: int) -> Document:
    """A loop that calls ``URL/0``, ``URL/1`` and so on, by a variable of its own that a node inside adds to."""
    call, count = http_get("call", f"{url}/{{{{#loop.number#}}}}"), add("count", ["loop", "number"], 1)
    settings = {
        "loop_variables": [{"id": "v", "label": "number", "value_type": "constant", "value": "0", "var_type": "number"}],
        "break_conditions": [condition(["loop", "number"], "≥", str(rounds), "number")],
    }
    outer, *held = loop("loop", rounds + 1, call, **settings)
    nodes = [start(), outer, *held, inside(outer, count), end(number=["loop", "number"])]
    return workflow("calls", nodes, [("start", "loop"), container_edge("loop", call), ("call", "count"), ("loop", "end")])


def container(node_id: str, kind: str, inner: Node, **data: Any) -> list[Node]:
    """A container node, its start and its one child; the edge between the two is ``container_edge``."""
    first = node(f"{node_id}start", f"{kind}-start")
    outer = node(node_id, kind, start_node_id=first["id"], **data)
    return [outer, inside(outer, first), inside(outer, inner)]


def inside(outer: Node, child: Node) -> Node:
    """The child, standing in the container from now on."""
    node_id, kind = outer["id"], outer["data"]["type"]
    child["parentId"] = node_id
    child["data"] |= {f"{kind}_id": node_id, "isInIteration": kind == "iteration", "isInLoop": kind == "loop"}
    return child


def container_edge(node_id: str, inner: Node) -> Edge:
    return f"{node_id}start", inner["id"]
