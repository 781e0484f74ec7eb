"""human-input: asks a person, and takes the exit of what they chose (nodes.md section 6.20)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from worker.engine.errors import NodeError
from worker.engine.human_form import HumanForm
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.pausing import FormRequest, HeldForm
from worker.engine.variables import MISSING, VariablePool, markdown_of, text_of
from worker.nodes.fields import Fields
from worker.nodes.human_input_fields import ACTION_ID, ACTION_VALUE, RENDERED_CONTENT, TIMEOUT_HANDLE, read_actions, read_inputs

#: Seconds by the name of the unit.
UNITS = {"hour": 3600.0, "day": 86400.0}
DEFAULT_TIMEOUT = 36


class HumanInputNode:
    """Pure, since what a person said is kept: computed again, it gives the same."""

    is_pure: ClassVar[bool] = True
    is_branch: ClassVar[bool] = True

    def __init__(self, spec: NodeSpec) -> None:
        fields = Fields.of(spec)
        self._content = fields.template("form_content")
        self._inputs = read_inputs(fields)
        self._actions = read_actions(fields)
        timeout, unit = fields.number("timeout", DEFAULT_TIMEOUT), fields.choice("timeout_unit", tuple(UNITS), "hour")
        if timeout <= 0:
            fields.report("timeout", "'timeout' must be more than 0")
        self._timeout_s = timeout * UNITS[unit]
        methods = [(item.text("type"), item.flag("enabled")) for item in fields.items("delivery_methods")]
        self._display_in_ui = ("webapp", True) in methods
        fields.check()

    def run(self, pool: VariablePool, context: NodeContext) -> NodeResult | FormRequest:
        if context.form is not None:
            return answered(context.form)
        most_s = context.ports.limits.human_input_global_timeout_seconds
        return FormRequest(self._form(pool), min(self._timeout_s, most_s), ends_run=most_s < self._timeout_s)

    def _form(self, pool: VariablePool) -> HumanForm:
        """The form for a person: variables in their places, secrets masked. Raises ``NodeError`` for options that are none."""
        return HumanForm(
            content=pool.masker.text(self._content.render(pool, markdown_of)),
            inputs=[_with_options(declared, pool) for declared in self._inputs],
            actions=self._actions,
            display_in_ui=self._display_in_ui,
            default_values=dict(_defaults(self._inputs, pool)),
        )


def answered(form: HeldForm) -> NodeResult:
    """What a form that is closed gives the run; a person's own values come first, none if nobody answered in time."""
    answer = form.answer
    assert answer is not None, "the engine runs the node only when it has its answer"
    told = {
        ACTION_ID: answer.action_id,
        ACTION_VALUE: form.form.title_of(answer.action_id),
        RENDERED_CONTENT: form.form.rendered(answer.values),
    }
    return NodeResult({**answer.values, **told}, handle=TIMEOUT_HANDLE if answer.is_timeout else answer.action_id)


def _with_options(declared: Mapping[str, Any], pool: VariablePool) -> Mapping[str, Any]:
    """The input; a select whose options are a variable gets the values that it has now."""
    source = declared.get("option_source")
    if source is None or source["type"] != "variable":
        return declared
    found = pool.get(source["selector"])
    if not isinstance(found, list) or not all(isinstance(option, str) for option in found):
        name = declared["output_variable_name"]
        raise NodeError(f"The options of '{name}' must be a list of texts at {'.'.join(source['selector'])}", error_type="ValueError")
    return {**declared, "option_source": {**source, "value": pool.masker.value(found)}}


def _defaults(inputs: list[Mapping[str, Any]], pool: VariablePool) -> list[tuple[str, str]]:
    """Name and text of each default that is a variable, where there is one."""
    wanted = [(declared["output_variable_name"], default) for declared in inputs if (default := declared.get("default"))]
    found = [(name, pool.get(default["selector"])) for name, default in wanted if default["type"] == "variable"]
    return [(name, text_of(pool.masker.value(value), pool.file_url)) for name, value in found if value is not MISSING]


NODE = HumanInputNode
