import pytest

from tests.unit.engine.building import graph, node, run_of, start
from tests.unit.nodes.containing import marker
from tests.unit.nodes.test_iteration import iteration
from worker.engine.conversation import read_conversation, with_values
from worker.engine.dsl import examine
from worker.engine.events import RunStatus, TextChunk
from worker.engine.findings import Findings
from worker.engine.graph import GraphNode
from worker.engine.limits import Limits
from worker.engine.node import NodeSpec
from worker.engine.start import Resume
from worker.engine.workflow import ConversationVariable
from worker.nodes.answer import AnswerNode
from worker.nodes.assigner import AssignerNode, BatchAssignerNode

COUNT = ConversationVariable("count", "integer", 1)
NOTES = ConversationVariable("notes", "array[string]", [])


def read(*declared, max_size=1000):
    findings = Findings()
    return read_conversation(list(declared), findings, max_size), [(finding.path, finding.message) for finding in findings]


def declared(kind, value, name="v"):
    return {"id": "1", "name": name, "value_type": kind, "value": value, "selector": ["conversation", name], "description": ""}


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("string", "", "string"),
        ("number", 3, "integer"),
        ("number", 3.5, "float"),
        ("integer", 3, "integer"),
        ("object", {}, "object"),
        ("boolean", False, "boolean"),
        ("array[string]", [], "array[string]"),
        ("array[number]", [1, 2.5], "array[number]"),
        ("array[object]", [{"a": 1}], "array[object]"),
        ("array[boolean]", [True], "array[boolean]"),
    ],
)
def test_every_declared_type_is_read(kind, value, expected):
    assert read(declared(kind, value)) == ((ConversationVariable("v", expected, value),), [])


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("text", "a conversation variable must be a mapping, not a text"),
        ({"value_type": "string", "value": ""}, "missing name"),
        ({"name": "v", "value": ""}, "missing value type"),
        ({"name": "v", "value_type": "string"}, "missing value"),
        (declared("file", {}), "not supported value type file"),
        (declared(["string"], ""), "not supported value type ['string']"),
        (declared("string", 5), "Type mismatch: expected string, but got integer, value=5"),
        (declared("string", "x" * 1001), "variable size 1001 exceeds limit 1000"),
    ],
)
def test_a_mistake_is_named_with_its_place(item, message):
    assert read(declared("string", "", "good"), item) == (
        (ConversationVariable("good", "string", ""),),
        [("workflow.conversation_variables[1]", message)],
    )


def test_a_workflow_app_has_no_conversation_whatever_it_declares():
    graph = {"nodes": [{"id": "s", "data": {"type": "start", "title": "S", "variables": []}}], "edges": []}
    document = {"app": {"mode": "workflow"}, "workflow": {"graph": graph, "conversation_variables": [declared("string", ""), "nonsense"]}}

    examination = examine(document)

    assert examination.workflow.conversation == ()


def test_kept_values_replace_the_first_ones_and_unknown_names_are_dropped():
    assert with_values([COUNT, NOTES], {"count": 9, "gone": 1}) == (ConversationVariable("count", "integer", 9), NOTES)


# ---- in a run


def answer(text):
    spec = NodeSpec("answer", "answer", "Answer", "1", {"answer": text}, path="workflow.graph.nodes[9]")
    return GraphNode.of(spec, AnswerNode(spec))


def assign(name, operation, value, *, node_id="assign", container_id=None, input_type="constant"):
    item = {"variable_selector": ["conversation", name], "input_type": input_type, "operation": operation, "value": value}
    spec = NodeSpec(node_id, "assigner", "Assign", "2", {"items": [item]}, path="workflow.graph.nodes[1]", container_id=container_id)
    return GraphNode.of(spec, BatchAssignerNode(spec))


def test_a_run_reads_assigns_and_gives_back_its_conversation():
    made = graph([start(), assign("count", "+=", 4), answer("{{#conversation.count#}}!")], "start>assign", "assign>answer")
    run, journal, _ = run_of(made, conversation=[COUNT, NOTES])

    result = run.execute()

    assert (result.status, result.outputs) == (RunStatus.SUCCEEDED, {"answer": "5!"})
    assert [event.text for event in journal.events if isinstance(event, TextChunk)] == ["5", "!"]
    assert run.conversation == {"count": 5, "notes": []}


def test_an_empty_list_takes_what_its_declared_type_allows():
    made = graph([start(text="hi"), assign("notes", "append", ["start", "text"], input_type="variable")], "start>assign")
    run, _, _ = run_of(made, conversation=[NOTES])

    assert run.execute().status is RunStatus.SUCCEEDED
    assert run.conversation == {"notes": ["hi"]}


def test_without_a_conversation_its_variables_are_not_found():
    run, _, _ = run_of(graph([start(), assign("cv", "over-write", "x")], "start>assign"))

    result = run.execute()

    assert (result.status, result.error) == (RunStatus.FAILED, "Variable ['conversation', 'cv'] not found")
    assert run.conversation == {}


@pytest.mark.parametrize("version", [1, 2])
def test_what_is_assigned_is_bounded(version):
    text = ConversationVariable("text", "string", "")
    data = {
        "assigned_variable_selector": ["conversation", "text"],
        "write_mode": "over-write",
        "input_variable_selector": ["start", "long"],
    }
    spec = NodeSpec("assign", "assigner", "Assign", "1", data, path="workflow.graph.nodes[1]")
    second = assign("text", "over-write", ["start", "long"], input_type="variable")
    made = graph([start(long="x" * 11), GraphNode.of(spec, AssignerNode(spec)) if version == 1 else second], "start>assign")
    run, _, _ = run_of(made, conversation=[text], limits=Limits(max_variable_size=10))

    assert run.execute().error == "variable size 11 exceeds limit 10"
    assert run.conversation == {"text": ""}


def counting(*, is_parallel):
    """An iteration over two items whose body adds 1 to the count."""
    inner = [marker("itstart", "iteration-start", "it"), assign("count", "+=", 1, node_id="add", container_id="it")]
    return graph([start(items=["a", "b"]), iteration(output=("it", "item"), is_parallel=is_parallel), *inner], "start>it", "itstart>add")


def test_the_conversation_outlives_the_rounds_of_a_sequential_iteration():
    run, _, _ = run_of(counting(is_parallel=False), conversation=[COUNT])

    assert run.execute().status is RunStatus.SUCCEEDED
    assert run.conversation == {"count": 3}


def test_rounds_side_by_side_keep_what_they_assign_to_themselves():
    run, _, _ = run_of(counting(is_parallel=True), conversation=[COUNT])

    assert run.execute().status is RunStatus.SUCCEEDED
    assert run.conversation == {"count": 1}


def test_a_new_attempt_sees_what_earlier_ones_assigned():
    nodes = [start(), assign("count", "+=", 1), node("last"), answer("{{#conversation.count#}}")]
    made = graph(nodes, "start>assign", "assign>last", "last>answer")
    first, journal, _ = run_of(made, conversation=[COUNT])
    first.execute()
    second, _, _ = run_of(made, conversation=[COUNT], resume=Resume(journal.records[:2]))

    assert second.execute().outputs == {"answer": "2"}
    assert second.conversation == {"count": 2}
