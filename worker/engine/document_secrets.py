"""Finds the credentials that a document holds in plain text, so that they can be stored apart from it.

They are the values of secret variables and, in the data of nodes, texts whose name says what they are: an ``api_key``, a header
``X-Token: ...``, a parameter ``?key=...`` of a URL. A text that only refers to variables is none. Nobody can tell what stands in prompts,
code and request bodies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from worker.engine.credentials import is_credential, names_credential
from worker.engine.templates import Template

#: Where a value stands in a document: keys of mappings and indexes of lists, from the top.
Path = tuple[str | int, ...]

#: Words before a credential that name its kind.
SCHEME = re.compile(r"\b(?:basic|bearer|token|apikey)\b", re.IGNORECASE)

#: Texts of ``name: value`` lines.
LINES = ("headers", "params")

URL_PASSWORD = re.compile(r"://[^/?#@:]*:([^/?#@]+)@")
URL_PARAMETER = re.compile(r"[?&]([^?=&#]+)=([^&#]*)")


def find_secrets(document: Mapping[str, Any]) -> dict[Path, str]:
    """The text at each place that holds a secret, in document order. The document must be a finite tree (document_bounds.py)."""
    workflow = document.get("workflow")
    if not isinstance(workflow, Mapping):
        return {}
    found: dict[Path, str] = {}
    for kind in ("environment_variables", "conversation_variables"):
        found.update(_in_variables(workflow.get(kind), ("workflow", kind)))
    graph = workflow.get("graph")
    nodes = graph.get("nodes") if isinstance(graph, Mapping) else None
    for index, node in enumerate(nodes if isinstance(nodes, list) else ()):
        if isinstance(node, Mapping):
            found.update(_below(node.get("data"), ("workflow", "graph", "nodes", index, "data"), ""))
    return found


def with_texts(document: Mapping[str, Any], texts: Mapping[Path, str]) -> dict[str, Any]:
    """The document with other texts at these places; the given one is left alone. Raises ``LookupError`` for a place it does not have."""
    changed = dict(document)
    for path, text in texts.items():
        around: Any = changed
        for key in path[:-1]:
            # Copies only what lies on the way; what an earlier path copied is copied again, which costs little.
            around[key] = around[key].copy()
            around = around[key]
        # A place that is missing must not be made.
        around[path[-1]]
        around[path[-1]] = text
    return changed


def _in_variables(variables: Any, path: Path) -> Iterator[tuple[Path, str]]:
    for index, variable in enumerate(variables if isinstance(variables, list) else ()):
        if isinstance(variable, Mapping) and variable.get("value_type") == "secret":
            value = variable.get("value")
            if isinstance(value, str) and value:
                yield (*path, index, "value"), value


def _below(value: Any, path: Path, name: str) -> Iterator[tuple[Path, str]]:
    """Secrets in a value that is called ``name``."""
    if isinstance(value, str):
        if _holds_secret(name, value):
            yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _below(item, (*path, key), _name_of(key, value, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            # Texts in lists are parts of selectors, options, stop words.
            if not isinstance(item, str):
                yield from _below(item, (*path, index), "")


def _name_of(key: str, around: Mapping[str, Any], outer: str) -> str:
    """What a value is called: of ``{key: a, value: b}`` and ``a: {type: constant, value: b}`` the ``b`` is called ``a``."""
    if key != "value":
        return key
    said = around.get("key")
    return said if isinstance(said, str) else outer


def _holds_secret(name: str, text: str) -> bool:
    if name == "url":
        return any(is_literal(password) for password in URL_PASSWORD.findall(text)) or _any_secret(URL_PARAMETER.findall(text))
    if name in LINES:
        return _any_secret([(key, value) for key, _, value in (line.partition(":") for line in text.splitlines())])
    return names_credential(name) and is_literal(text)


def _any_secret(pairs: list[tuple[str, str]]) -> bool:
    return any(is_credential(name, value) and is_literal(value) for name, value in pairs)


def is_literal(text: str) -> bool:
    """Whether something is written here beside references to variables and the name of a scheme."""
    written = " ".join(part for part in Template.parse(text).parts if isinstance(part, str))
    return any(character.isalnum() for character in SCHEME.sub(" ", written))
