from typing import Any

import pytest

from worker.engine.errors import GraphError, NodeError
from worker.engine.human_form import FormAction
from worker.engine.limits import Limits
from worker.engine.node import NodeContext, NodeResult, NodeSpec
from worker.engine.pausing import FormAnswer, FormRequest, HeldForm
from worker.engine.variables import ENV, Secret, VariablePool
from worker.nodes.human_input import HumanInputNode

SECRET = "sk-0123456789abcdef"

ACTIONS = [{"id": "yes", "title": "Yes, please", "button_style": "primary"}, {"id": "no", "title": "No"}]


class Ports:
    limits = Limits()


def node(**data: Any) -> HumanInputNode:
    given = {"form_content": "Hi", "inputs": [], "user_actions": ACTIONS, **data}
    return HumanInputNode(NodeSpec("ask", "human-input", "Ask", "1", given, path="workflow.graph.nodes[0]"))


def pool(**values: Any) -> VariablePool:
    made = VariablePool()
    made.add_outputs(ENV, {"KEY": Secret(SECRET)})
    made.add_outputs("a", values)
    return made


def context(form: HeldForm | None = None, limits: Limits | None = None) -> NodeContext:
    ports: Any = Ports()
    ports.limits = limits or Limits()
    return NodeContext("run", "app", "execution", None, ports, None, lambda *chunk: None, form=form)  # type: ignore[arg-type]


def asked(made: HumanInputNode, values: VariablePool | None = None, limits: Limits | None = None) -> FormRequest:
    request = made.run(values or pool(), context(limits=limits))
    assert isinstance(request, FormRequest)
    return request


def ended(made: HumanInputNode, answer: FormAnswer) -> NodeResult:
    form = HeldForm("execution", "ask", "Ask", "token", asked(made).form, 100.0, answer=answer)
    result = made.run(pool(), context(form))
    assert isinstance(result, NodeResult)
    return result


def findings(**data: Any) -> list[str]:
    with pytest.raises(GraphError) as refused:
        node(**data)
    return [f"{finding.path}: {finding.message}" for finding in refused.value.findings]


def test_a_form_has_its_variables_in_their_places_and_leaves_room_for_answers() -> None:
    made = node(
        form_content="{{#a.items#}}\n{{#$output.note#}} {{#a.none#}}", inputs=[{"type": "paragraph", "output_variable_name": "note"}]
    )

    form = asked(made, pool(items=["tea", "cake"])).form

    assert form.content == "- tea\n- cake\n{{#$output.note#}} a.none"
    assert form.actions == [FormAction("yes", "Yes, please", "primary"), FormAction("no", "No", "default")]
    assert form.inputs == [{"type": "paragraph", "output_variable_name": "note", "default": None}]


def test_defaults_and_options_that_are_variables_get_their_values() -> None:
    inputs = [
        {"type": "paragraph", "output_variable_name": "x", "default": {"type": "variable", "selector": ["a", "n"], "value": ""}},
        {"type": "paragraph", "output_variable_name": "y", "default": {"type": "constant", "selector": [], "value": "plain"}},
        {"type": "paragraph", "output_variable_name": "z", "default": {"type": "variable", "selector": ["a", "none"], "value": ""}},
        {"type": "select", "output_variable_name": "s", "option_source": {"type": "variable", "selector": ["a", "all"], "value": []}},
        {"type": "select", "output_variable_name": "t", "option_source": {"type": "constant", "value": ["one", 2]}},
    ]

    form = asked(node(inputs=inputs), pool(n=7, all=["p", "q"])).form

    assert form.default_values == {"x": "7"}
    assert form.first_values == {"x": "7", "y": "plain"}
    assert form.inputs[3]["option_source"] == {"type": "variable", "selector": ["a", "all"], "value": ["p", "q"]}
    assert form.inputs[4]["option_source"] == {"type": "constant", "selector": [], "value": ["one", "2"]}


@pytest.mark.parametrize("value", [None, "text", [1], 7])
def test_options_that_are_no_list_of_texts_fail_the_node(value: Any) -> None:
    source = {"type": "variable", "selector": ["a", "all"], "value": []}
    made = node(inputs=[{"type": "select", "output_variable_name": "s", "option_source": source}])

    with pytest.raises(NodeError, match=r"The options of 's' must be a list of texts at a\.all"):
        made.run(pool(all=value), context())


def test_a_form_shows_no_secret() -> None:
    inputs = [
        {"type": "paragraph", "output_variable_name": "x", "default": {"type": "variable", "selector": ["env", "KEY"], "value": ""}},
        {"type": "select", "output_variable_name": "s", "option_source": {"type": "variable", "selector": ["a", "all"], "value": []}},
    ]

    form = asked(node(form_content="{{#env.KEY#}} {{#a.url#}}", inputs=inputs), pool(url=f"https://x/?k={SECRET}", all=[SECRET])).form

    assert SECRET not in str(form.to_json())
    assert form.content.startswith("sk-012************ef")


def test_files_keep_the_rules_of_the_document() -> None:
    rules = {"allowed_file_types": ["document"], "allowed_file_extensions": None, "allowed_file_upload_methods": ["local_file"]}
    inputs = [
        {"type": "file", "output_variable_name": "f", **rules},
        {"type": "file-list", "output_variable_name": "l", "number_limits": 3, **rules},
    ]

    form = asked(node(inputs=inputs)).form

    kept = {**rules, "allowed_file_extensions": []}
    assert form.inputs == [
        {"type": "file", "output_variable_name": "f", **kept},
        {"type": "file-list", "output_variable_name": "l", **kept, "number_limits": 3},
    ]


@pytest.mark.parametrize(
    ("data", "timeout_s", "ends_run"),
    [
        ({}, 36 * 3600.0, False),
        ({"timeout": 2, "timeout_unit": "day"}, 2 * 86400.0, False),
        ({"timeout": 0.5}, 1800.0, False),
        ({"timeout": 7, "timeout_unit": "day"}, 604_800.0, False),
        ({"timeout": 8, "timeout_unit": "day"}, 604_800.0, True),
    ],
)
def test_a_form_waits_as_long_as_the_document_and_the_deployment_allow(data: dict[str, Any], timeout_s: float, ends_run: bool) -> None:
    request = asked(node(**data))

    assert (request.timeout_s, request.ends_run) == (timeout_s, ends_run)


def test_the_application_shows_a_form_if_the_document_says_so() -> None:
    webapp, email = {"type": "webapp", "enabled": True, "id": "1", "config": {}}, {"type": "email", "enabled": True, "id": "2"}

    assert asked(node(delivery_methods=[email, webapp])).form.display_in_ui
    assert not asked(node(delivery_methods=[email, {**webapp, "enabled": False}])).form.display_in_ui


def test_an_answer_takes_the_exit_of_its_action() -> None:
    result = ended(node(form_content="Note: {{#$output.note#}}"), FormAnswer("yes", {"note": "fine"}))

    assert result.handle == "yes"
    assert result.outputs == {
        "note": "fine",
        "__action_id": "yes",
        "__action_value": "Yes, please",
        "__rendered_content": "Note: fine",
    }


def test_no_answer_in_time_takes_an_exit_of_its_own() -> None:
    result = ended(node(form_content="Note: {{#$output.note#}}"), FormAnswer())

    assert result.handle == "__timeout"
    assert result.outputs == {"__action_id": "", "__action_value": "", "__rendered_content": "Note: "}


@pytest.mark.parametrize(
    ("data", "mistakes"),
    [
        ({"inputs": [{"type": "text", "output_variable_name": "x"}]}, ["inputs[0].type: 'type' is 'text', but must be one of"]),
        ({"inputs": [{"type": "paragraph"}]}, ["inputs[0].output_variable_name: 'output_variable_name' is required"]),
        ({"inputs": [{"type": "paragraph", "output_variable_name": "a b"}]}, ["inputs[0].output_variable_name: "]),
        (
            {"inputs": [{"type": "paragraph", "output_variable_name": "__action_id"}]},
            ["inputs[0].output_variable_name: '__action_id'"],
        ),
        ({"inputs": [{"type": "paragraph", "output_variable_name": "x"}] * 2}, ["inputs: 'x' is there more than once"]),
        ({"user_actions": [*ACTIONS, ACTIONS[0]]}, ["user_actions: 'yes' is there more than once"]),
        ({"user_actions": [{"id": "x" * 21, "title": "y" * 101}]}, ["user_actions[0].id: ", "user_actions[0].title: "]),
        ({"user_actions": [{"id": "__timeout", "title": "Late"}]}, ["user_actions[0].id: '__timeout' has a meaning of its own"]),
        ({"user_actions": [{"id": "x", "title": "X", "button_style": "huge"}]}, ["user_actions[0].button_style: "]),
        ({"timeout": 0}, ["timeout: 'timeout' must be more than 0"]),
        ({"timeout_unit": "week"}, ["timeout_unit: "]),
    ],
)
def test_mistakes_are_named_with_their_place(data: dict[str, Any], mistakes: list[str]) -> None:
    found = findings(**data)

    assert len(found) == len(mistakes)
    for told, mistake in zip(found, mistakes, strict=True):
        assert told.startswith(f"workflow.graph.nodes[0].data.{mistake}")
