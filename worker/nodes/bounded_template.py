"""Jinja2 templates that are rendered in the worker itself, since their cost is bounded by the size of their inputs.

Such a template prints names, attributes and constants through a few filters, and chooses between texts. It has no loop, call, macro,
assignment, arithmetic or format, at most one filter that makes a value longer in each expression, and not too many expressions. So it
can neither run long nor write much, and reaches nothing but its inputs. Everything else is left to the sandbox.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

from jinja2 import Template, nodes
from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from worker.engine.errors import NodeError

#: Characters of a template that is worth looking at.
MAX_SOURCE = 100_000
#: Expressions in a template, and operations in one expression.
MAX_EXPRESSIONS = 200
MAX_OPERATIONS = 16
#: Characters that ``join`` puts between two items.
MAX_CONSTANT = 16

#: The result is hardly longer than the value.
PLAIN_FILTERS = frozenset(
    {"abs", "capitalize", "count", "d", "default", "first", "float", "int", "last", "length", "lower", "round", "string", "title"}
    | {"trim", "upper"}
)
#: The result may be many times as long, but not more often than once in an expression.
GROWING_FILTERS = frozenset({"join", "tojson"})

TESTS = frozenset(
    {"boolean", "defined", "eq", "equalto", "false", "float", "integer", "iterable", "mapping", "none", "number", "sequence", "string"}
    | {"true", "undefined"}
)

STATEMENTS = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.If)
LOGIC = (nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand, nodes.CondExpr, nodes.Test)
VALUES = (nodes.Const, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Filter)
EXPRESSIONS = (*LOGIC, *VALUES)

#: Names that are no inputs.
SPECIAL_NAMES = frozenset({"caller", "kwargs", "loop", "self", "varargs"})

ENVIRONMENT = ImmutableSandboxedEnvironment()


class BoundedTemplate:
    """A compiled template; threads may share it."""

    def __init__(self, template: Template) -> None:
        self._template = template
        # It names none of Jinja's own functions; to lay them out for it at each rendering took longer than all the rest.
        template.globals = {}

    @classmethod
    def of(cls, source: str) -> BoundedTemplate | None:
        """None for a template that is not provably bounded, and for one that is wrong: the sandbox says what is wrong with it."""
        if len(source) > MAX_SOURCE:
            return None
        try:
            return cls(ENVIRONMENT.from_string(source)) if is_bounded(ENVIRONMENT.parse(source)) else None
        except (TemplateError, RecursionError):
            return None

    def render(self, inputs: Mapping[str, Any], max_characters: int) -> str:
        """Raises ``NodeError``."""
        parts, length = [], 0
        context = self._template.new_context(dict(inputs))
        try:
            for part in self._template.root_render_func(context):
                parts.append(part)
                length += len(part)
                if length > max_characters:
                    break
        except Exception as error:
            raise _failure("".join(traceback.format_exception_only(error)) + "error: exit status 1\n") from error
        if length > max_characters:
            raise _failure(f"Output length exceeds {max_characters} characters")
        return "".join(parts)


def is_bounded(template: nodes.Template) -> bool:
    expressions = [node for output in template.find_all(nodes.Output) for node in output.nodes if not isinstance(node, nodes.TemplateData)]
    conditions = [node.test for node in template.find_all(nodes.If)]
    return (
        len(expressions) + len(conditions) <= MAX_EXPRESSIONS
        and all(is_bounded_expression(node) for node in (*expressions, *conditions))
        and all(isinstance(node, (*STATEMENTS, *EXPRESSIONS)) for node in template.find_all(nodes.Node))
    )


def is_bounded_expression(expression: nodes.Node) -> bool:
    operations = [expression, *expression.find_all(nodes.Node)]
    growing = [node for node in operations if isinstance(node, nodes.Filter) and node.name in GROWING_FILTERS]
    return len(operations) <= MAX_OPERATIONS and len(growing) <= 1 and all(_is_allowed(node) for node in operations)


def _is_allowed(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Filter):
        return node.name in PLAIN_FILTERS | GROWING_FILTERS and _has_small_arguments(node)
    if isinstance(node, nodes.Test):
        return node.name in TESTS and _has_small_arguments(node)
    if isinstance(node, nodes.Name):
        return node.name not in ENVIRONMENT.globals and node.name not in SPECIAL_NAMES
    if isinstance(node, nodes.Getitem):
        return isinstance(node.arg, nodes.Const) and not str(node.arg.value).startswith("__")
    if isinstance(node, nodes.Getattr):
        # Perhaps an attempt to leave the sandbox; the other place refuses it loudly.
        return not node.attr.startswith("__")
    return isinstance(node, EXPRESSIONS)


def _has_small_arguments(node: nodes.Filter | nodes.Test) -> bool:
    arguments = node.args
    is_plain = not (node.kwargs or node.dyn_args or node.dyn_kwargs)
    return is_plain and all(isinstance(argument, nodes.Const) and len(str(argument.value)) <= MAX_CONSTANT for argument in arguments)


def _failure(text: str) -> NodeError:
    return NodeError(text, error_type="CodeExecutionError")
