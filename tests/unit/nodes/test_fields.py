import pytest

from worker.engine.errors import GraphError
from worker.engine.node import NodeSpec
from worker.engine.templates import Template
from worker.nodes.fields import Fields


def fields_of(**data):
    return Fields.of(NodeSpec("n1", "code", "Code", "1", data, path="workflow.graph.nodes[3]"))


def mistakes(fields):
    with pytest.raises(GraphError) as caught:
        fields.check()
    return [(finding.message, finding.path) for finding in caught.value.findings]


@pytest.mark.parametrize(
    ("reader", "value", "read"),
    [
        (Fields.text, "x", "x"),
        (Fields.text, 42, "42"),
        (Fields.text, 1.5, "1.5"),
        (Fields.text, None, ""),
        (Fields.required_text, "x", "x"),
        (Fields.template, "a{{#n.x#}}", Template(("a", ("n", "x")))),
        (Fields.flag, True, True),
        (Fields.flag, None, False),
        (Fields.selector, ["n", "x"], ("n", "x")),
        (Fields.selector, ["n", 1], ("n", "1")),
        (Fields.selector, None, ()),
        (Fields.selectors, [["n", "x"], ["m", "y", "z"]], [("n", "x"), ("m", "y", "z")]),
        (Fields.sequence, None, []),
        (Fields.sequence, [1, "x"], [1, "x"]),
    ],
)
def test_values_are_read(reader, value, read):
    fields = fields_of(key=value)
    assert reader(fields, "key") == read
    fields.check()


@pytest.mark.parametrize(("value", "read"), [(3, 3), ("3", 3), (" -3 ", -3), (None, 7)])
def test_whole_numbers_are_read_also_from_texts(value, read):
    fields = fields_of(key=value)
    assert fields.integer("key", 7) == read
    fields.check()


@pytest.mark.parametrize(("value", "read"), [(3, 3.0), (2.5, 2.5), ("2.5", 2.5), (None, 7.0)])
def test_numbers_are_read_also_from_texts(value, read):
    fields = fields_of(key=value)
    assert fields.number("key", 7.0) == read
    fields.check()


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (lambda fields: fields.text("key"), ["x"], "'key' must be a text, not list"),
        (lambda fields: fields.text("key"), True, "'key' must be a text, not bool"),
        (lambda fields: fields.required_text("key"), "", "'key' is required"),
        (lambda fields: fields.required_text("key"), None, "'key' is required"),
        (lambda fields: fields.choice("key", ("a", "b")), "c", "'key' is 'c', but must be one of a, b"),
        (lambda fields: fields.choice("key", ("a", "b")), None, "'key' is required"),
        (lambda fields: fields.choice("key", ("a", "b"), "b"), "c", "'key' is 'c', but must be one of a, b"),
        (lambda fields: fields.flag("key"), "yes", "'key' must be true or false, not str"),
        (lambda fields: fields.integer("key", 1), 1.5, "'key' must be a whole number, not float"),
        (lambda fields: fields.integer("key", 1), True, "'key' must be a whole number, not bool"),
        (lambda fields: fields.integer("key", 1), "9" * 5000, "'key' must be a whole number, not str"),
        (lambda fields: fields.number("key", 1.0), "inf", "'key' must be a number, not str"),
        (lambda fields: fields.number("key", 1.0), "many", "'key' must be a number, not str"),
        (lambda fields: fields.number("key", 1.0), False, "'key' must be a number, not bool"),
        (lambda fields: fields.selector("key"), "n.x", "'key' must be a list of texts such as [node, name], not str"),
        (lambda fields: fields.selector("key"), ["n", ["x"]], "'key' must be a list of texts such as [node, name], not list"),
        (lambda fields: fields.sequence("key"), {"a": 1}, "'key' must be a list, not dict"),
        (lambda fields: fields.mapping("key"), ["a"], "'key' must be a mapping, not list"),
    ],
)
def test_a_wrong_value_is_one_finding_with_its_place(read, value, message):
    fields = fields_of(key=value)
    read(fields)
    assert mistakes(fields) == [(message, "workflow.graph.nodes[3].data.key")]


def test_a_choice_is_its_default_when_absent():
    assert fields_of().choice("key", ("a", "b"), "b") == "b"


def test_nested_mistakes_are_collected_with_their_places_and_the_node_named():
    fields = fields_of(outer={"inner": {"flag": "x"}}, items=[{"name": ["x"]}, "odd", {}], lists=[["n", "x"], "odd"])
    fields.mapping("outer").mapping("inner").flag("flag")
    read = [item.text("name", "none") for item in fields.items("items")]
    assert read == ["none", "none"]
    assert fields.selectors("lists") == [("n", "x"), ()]
    with pytest.raises(GraphError) as caught:
        fields.check()
    assert [finding.path.removeprefix("workflow.graph.nodes[3].data.") for finding in caught.value.findings] == [
        "outer.inner.flag",
        "items[1]",
        "items[0].name",
        "lists[1]",
    ]
    assert {(finding.code, finding.node_id, finding.node_title) for finding in caught.value.findings} == {
        ("invalid_node_data", "n1", "Code")
    }


def test_a_node_may_report_mistakes_of_its_own():
    fields = fields_of()
    fields.report("url", "url must not be empty")
    fields.report("", "nothing fits")
    assert mistakes(fields) == [
        ("url must not be empty", "workflow.graph.nodes[3].data.url"),
        ("nothing fits", "workflow.graph.nodes[3].data"),
    ]
