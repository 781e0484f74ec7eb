"""What a human-input node declares: the inputs and actions of its form, as clients read them (nodes.md section 6.20)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from worker.engine.human_form import FormAction
from worker.nodes.fields import Fields

INPUT_TYPES = ("paragraph", "select", "file", "file-list")
BUTTON_STYLES = ("primary", "default", "accent", "ghost")
SOURCES = ("constant", "variable")

#: Exit of a form that nobody answered in time.
TIMEOUT_HANDLE = "__timeout"

#: Names of that exit in documents, which no action can have.
TIMEOUT_HANDLES = frozenset({TIMEOUT_HANDLE, "__timeout__"})

#: Outputs beside those that the form asks for.
ACTION_ID, ACTION_VALUE, RENDERED_CONTENT = "__action_id", "__action_value", "__rendered_content"

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MAX_ACTION_ID = 20
MAX_ACTION_TITLE = 100


def read_inputs(fields: Fields) -> list[Mapping[str, Any]]:
    inputs = [_read_input(item) for item in fields.items("inputs")]
    _check_unique(fields, "inputs", [declared["output_variable_name"] for declared in inputs])
    return inputs


def _read_input(item: Fields) -> Mapping[str, Any]:
    kind = item.choice("type", INPUT_TYPES)
    name = _identifier(item, "output_variable_name", {ACTION_ID, ACTION_VALUE, RENDERED_CONTENT})
    return {"type": kind, "output_variable_name": name, **READERS[kind](item)}


def _read_paragraph(item: Fields) -> dict[str, Any]:
    if item.value("default") is None:
        return {"default": None}
    default = item.mapping("default")
    return {"default": {**_source(default), "value": default.text("value")}}


def _read_select(item: Fields) -> dict[str, Any]:
    source = item.mapping("option_source")
    return {"option_source": {**_source(source), "value": _texts(source, "value")}}


def _source(fields: Fields) -> dict[str, Any]:
    return {"type": fields.choice("type", SOURCES, "constant"), "selector": list(fields.selector("selector"))}


def _read_file(item: Fields) -> dict[str, Any]:
    names = ("allowed_file_types", "allowed_file_extensions", "allowed_file_upload_methods")
    return {name: _texts(item, name) for name in names}


def _read_file_list(item: Fields) -> dict[str, Any]:
    return {**_read_file(item), "number_limits": item.integer("number_limits", 0)}


READERS = {"paragraph": _read_paragraph, "select": _read_select, "file": _read_file, "file-list": _read_file_list}


def _texts(fields: Fields, name: str) -> list[str]:
    return [str(value) for value in fields.sequence(name)]


def read_actions(fields: Fields) -> list[FormAction]:
    actions = [_read_action(item) for item in fields.items("user_actions")]
    _check_unique(fields, "user_actions", [action.id for action in actions])
    return actions


def _read_action(item: Fields) -> FormAction:
    action = FormAction(_identifier(item, "id", TIMEOUT_HANDLES), item.text("title"), item.choice("button_style", BUTTON_STYLES, "default"))
    for key, text, most in (("id", action.id, MAX_ACTION_ID), ("title", action.title, MAX_ACTION_TITLE)):
        if len(text) > most:
            item.report(key, f"'{key}' must have at most {most} characters")
    return action


def _identifier(fields: Fields, key: str, reserved: Collection[str]) -> str:
    name = fields.required_text(key)
    if name in reserved:
        fields.report(key, f"'{name}' has a meaning of its own")
    elif name and not IDENTIFIER.fullmatch(name):
        fields.report(key, f"'{key}' must be made of letters, digits and underscores, not {name!r:.60}")
    return name


def _check_unique(fields: Fields, key: str, names: Sequence[str]) -> None:
    for name in sorted({name for name in names if name and names.count(name) > 1}):
        fields.report(key, f"'{name}' is there more than once")
