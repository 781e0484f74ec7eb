import pytest

from worker.engine.errors import GraphError, NodeError
from worker.engine.node import NodeSpec
from worker.engine.variables import File, Secret, VariablePool
from worker.nodes.list_operator import ListOperatorNode

NOTE = File("document", "local_file", "note.txt", ".txt", "text/plain", 38, related_id="f1")
TABLE = File("document", "local_file", "table.csv", ".csv", "text/csv", 23, related_id="f2")
PICTURE = File("image", "remote_url", "Dot.png", ".png", "image/png", 70, remote_url="https://pics.example/dot.png")


@pytest.fixture
def pool():
    pool = VariablePool(lambda file: f"https://penstock.example/{file.related_id}")
    pool.add_outputs("mk", {"texts": ["pear", "apple", "fig", "apricot"], "numbers": [5, 3.5, 9, 1], "flags": [True, False, True]})
    pool.add_outputs("mk", {"files": [NOTE, TABLE, PICTURE], "empty": [], "null": None, "zero": 0, "blank": "", "two": 2, "nothing": {}})
    pool.add_outputs("mk", {"objects": [{"a": 1}], "mixed": ["a", 1], "object": {"text": "x"}, "file": NOTE, "fruit": "fig pear"})
    pool.set("env", "KEY", Secret("sk"))
    return pool


def operate(variable, *, filters=None, serial=None, order=None, size=None):
    """A node with only the named operations switched on; the others carry what the editor leaves in them."""
    data = {
        "variable": ["mk", variable] if isinstance(variable, str) else list(variable),
        "filter_by": {"enabled": filters is not None, "conditions": filters or [{"comparison_operator": "", "value": None}]},
        "extract_by": {"enabled": serial is not None, "serial": serial or "1"},
        "order_by": {"enabled": order is not None, "key": (order or ("", ""))[0], "value": (order or ("", "asc"))[1]},
        "limit": {"enabled": size is not None, "size": size or 10},
        "var_type": "array[string]",
        "item_var_type": "string",
    }
    return ListOperatorNode(NodeSpec("l", "list-operator", "L", "1", data, path="workflow.graph.nodes[1]"))


def keep(operator, value="", key=""):
    return {"key": key, "comparison_operator": operator, "value": value}


def result_of(node, pool):
    return node.run(pool, None).outputs["result"]


def failure_of(node, pool):
    with pytest.raises(NodeError) as caught:
        node.run(pool, None)
    return caught.value


def test_outputs_are_the_list_and_its_ends(pool):
    result = operate("texts").run(pool, None)
    assert result.outputs == {"result": ["pear", "apple", "fig", "apricot"], "first_record": "pear", "last_record": "apricot"}
    assert result.inputs == result.process_data == {"variable": ["pear", "apple", "fig", "apricot"]}


@pytest.mark.parametrize("variable", ["empty", "null", "zero", "blank", "nothing"])
def test_whatever_is_empty_is_an_empty_list(pool, variable):
    result = operate(variable, filters=[keep("contains", "x")], serial="7").run(pool, None)
    assert result.outputs == {"result": [], "first_record": None, "last_record": None}
    assert result.inputs == result.process_data == {"variable": []}


@pytest.mark.parametrize(
    ("variable", "name"),
    [
        ("fruit", "variables.StringVariable"),
        ("two", "variables.IntegerVariable"),
        ("object", "variables.ObjectVariable"),
        ("file", "variables.FileVariable"),
        ("objects", "variables.ArrayObjectVariable"),
        ("mixed", "variables.ArrayAnyVariable"),
        (("mk", "object", "text"), "segments.StringSegment"),
        (("env", "KEY"), "variables.SecretVariable"),
    ],
)
def test_what_is_no_list_of_simple_values_is_refused_with_its_class_over_there(pool, variable, name):
    node = operate(variable)
    selector = ["mk", variable] if isinstance(variable, str) else list(variable)
    error = failure_of(node, pool)
    assert str(error) == f"Variable {selector} is not an array type, actual type: <class 'core.variables.{name}'>"
    assert (error.error_type, error.partial.inputs) == ("", {})


def test_a_missing_variable_is_named(pool):
    assert str(failure_of(operate("ghost"), pool)) == "Variable not found for selector: ['mk', 'ghost']"


@pytest.mark.parametrize(
    ("operator", "value", "kept"),
    [
        ("contains", "ap", ["apple", "apricot"]),
        ("contains", "", ["pear", "apple", "fig", "apricot"]),
        ("not contains", "ap", ["pear", "fig"]),
        ("start with", "a", ["apple", "apricot"]),
        ("end with", "r", ["pear"]),
        ("is", "fig", ["fig"]),
        ("is not", "fig", ["pear", "apple", "apricot"]),
        ("in", "fig pear", ["pear", "fig"]),
        ("in", "{{#mk.fruit#}}", ["pear", "fig"]),
        ("not in", "fig pear", ["apple", "apricot"]),
        ("empty", "", []),
        ("not empty", "ignored", ["pear", "apple", "fig", "apricot"]),
        ("is", "{{#mk.ghost#}}", []),
    ],
)
def test_texts_are_filtered_by(pool, operator, value, kept):
    assert result_of(operate("texts", filters=[keep(operator, value)]), pool) == kept


@pytest.mark.parametrize(
    ("operator", "value", "kept"),
    [
        ("=", "5", [5]),
        ("=", "5.0", [5]),
        ("≠", "5", [3.5, 9, 1]),
        (">", "{{#mk.two#}}", [5, 3.5, 9]),
        ("≥", "5", [5, 9]),
        ("<", "3.5", [1]),
        ("≤", "3.5", [3.5, 1]),
        (">", 2, [5, 3.5, 9]),
    ],
)
def test_numbers_are_filtered_by_and_keep_their_type(pool, operator, value, kept):
    found = result_of(operate("numbers", filters=[keep(operator, value)]), pool)
    assert [(item, type(item)) for item in found] == [(item, type(item)) for item in kept]


@pytest.mark.parametrize(("operator", "value", "kept"), [("is", True, [True, True]), ("is not", True, [False]), ("is", False, [False])])
def test_booleans_are_filtered_by(pool, operator, value, kept):
    assert result_of(operate("flags", filters=[keep(operator, value)]), pool) == kept


@pytest.mark.parametrize(
    ("key", "operator", "value", "kept"),
    [
        ("name", "contains", "t", [NOTE, TABLE, PICTURE]),
        ("name", "start with", "n", [NOTE]),
        ("extension", "is", ".csv", [TABLE]),
        ("mime_type", "start with", "text/", [NOTE, TABLE]),
        ("url", "contains", "pics.example", [PICTURE]),
        ("url", "is", "https://penstock.example/f1", [NOTE]),
        ("related_id", "empty", "", [PICTURE]),
        ("related_id", "is", "{{#mk.file.related_id#}}", [NOTE]),
        ("type", "in", ["image", "audio"], [PICTURE]),
        ("type", "not in", ["image"], [NOTE, TABLE]),
        ("type", "in", "image", [PICTURE]),
        ("transfer_method", "in", ["local_file"], [NOTE, TABLE]),
        ("size", ">", "30", [NOTE, PICTURE]),
        ("size", "=", "23", [TABLE]),
    ],
)
def test_files_are_filtered_by_an_attribute(pool, key, operator, value, kept):
    assert result_of(operate("files", filters=[keep(operator, value, key)]), pool) == kept


def test_all_conditions_must_hold(pool):
    node = operate("texts", filters=[keep("contains", "ap"), keep("end with", "t")])
    assert result_of(node, pool) == ["apricot"]


@pytest.mark.parametrize(
    ("variable", "condition", "text"),
    [
        ("texts", keep(">", "a"), "Invalid condition: >"),
        ("texts", keep("is", ["a"]), "Invalid filter value: ['a']"),
        ("texts", keep("is", True), "Invalid filter value: True"),
        ("numbers", keep("contains", "1"), "Invalid condition: contains"),
        ("flags", keep("contains", True), "Invalid condition: contains"),
        ("files", keep("is", "x", "colour"), "Invalid key: colour"),
        ("files", keep("is", "x"), "Invalid key: "),
        ("files", keep("in", ["note.txt"], "name"), "Invalid key: name"),
        ("files", keep("is", "image", "type"), "Invalid condition: is"),
        ("files", keep("contains", "3", "size"), "Invalid condition: contains"),
    ],
)
def test_comparisons_that_do_not_fit_fail_the_node_with_its_inputs(pool, variable, condition, text):
    error = failure_of(operate(variable, filters=[condition]), pool)
    assert (str(error), error.error_type) == (text, "")
    assert error.partial.inputs == error.partial.process_data == {"variable": pool.get(("mk", variable))}


@pytest.mark.parametrize(
    ("variable", "condition", "text"),
    [
        ("numbers", keep("=", "many"), "could not convert string to float: 'many'"),
        ("files", keep("=", "many", "size"), "could not convert string to float: 'many'"),
        ("flags", keep("is", "true"), "Boolean filter expects a boolean value, got <class 'str'>"),
        ("files", keep("is", True, "name"), "File filter expects a string value, got <class 'bool'>"),
    ],
)
def test_values_that_cannot_be_read_fail_as_the_language_says_it(pool, variable, condition, text):
    error = failure_of(operate(variable, filters=[condition]), pool)
    assert (str(error), error.error_type, error.partial.inputs) == (text, "ValueError", {})


@pytest.mark.parametrize(
    ("variable", "order", "result"),
    [
        ("texts", ("", "asc"), ["apple", "apricot", "fig", "pear"]),
        ("texts", ("", "desc"), ["pear", "fig", "apricot", "apple"]),
        ("numbers", ("", "asc"), [1, 3.5, 5, 9]),
        ("flags", ("", "desc"), [True, True, False]),
        ("files", ("size", "desc"), [PICTURE, NOTE, TABLE]),
        ("files", ("name", "asc"), [PICTURE, NOTE, TABLE]),
        ("files", ("related_id", "asc"), [PICTURE, NOTE, TABLE]),
        ("files", ("type", "desc"), [PICTURE, NOTE, TABLE]),
        ("files", ("type", "asc"), [NOTE, TABLE, PICTURE]),
    ],
)
def test_lists_are_sorted(pool, variable, order, result):
    assert result_of(operate(variable, order=order), pool) == result


def test_texts_are_sorted_as_values_not_as_a_reader_would(pool):
    pool.set("mk", "texts", ["a10", "b", "a9", "B"])
    assert result_of(operate("texts", order=("", "asc")), pool) == ["B", "a10", "a9", "b"]


def test_files_cannot_be_sorted_by_nothing(pool):
    assert str(failure_of(operate("files", order=("", "asc")), pool)) == "Invalid order key: "


@pytest.mark.parametrize(("serial", "picked"), [("1", "pear"), ("4", "apricot"), ("{{#mk.two#}}", "apple"), (2, "apple")])
def test_one_item_is_picked_by_its_number(pool, serial, picked):
    result = operate("texts", serial=serial).run(pool, None)
    assert result.outputs == {"result": [picked], "first_record": picked, "last_record": picked}


@pytest.mark.parametrize(
    ("serial", "error_type", "text"),
    [
        ("5", "", "Invalid serial index: must be <= 4, got 5"),
        ("-1", "ValueError", "Invalid serial index: must be >= 1, got -1"),
        ("first", "ValueError", "invalid literal for int() with base 10: 'first'"),
        ("{{#mk.ghost#}}", "ValueError", "invalid literal for int() with base 10: 'mk.ghost'"),
    ],
)
def test_a_number_that_names_no_item_fails_the_node(pool, serial, error_type, text):
    error = failure_of(operate("texts", serial=serial), pool)
    assert (str(error), error.error_type) == (text, error_type)


def test_filter_comes_first_then_extract_then_order_then_limit(pool):
    node = operate("texts", filters=[keep("contains", "a")], serial="2", order=("", "asc"), size=1)
    assert result_of(node, pool) == ["apple"]
    ordered = operate("numbers", filters=[keep(">", "2")], order=("", "asc"), size=2)
    assert result_of(ordered, pool) == [3.5, 5]


@pytest.mark.parametrize(("size", "count"), [(2, 2), (99, 4), (-1, 4)])
def test_a_limit_keeps_the_first_items(pool, size, count):
    assert result_of(operate("texts", size=size), pool) == ["pear", "apple", "fig", "apricot"][:count]


def test_the_list_itself_stays_as_it_was(pool):
    operate("texts", order=("", "asc")).run(pool, None)
    assert pool.get(("mk", "texts")) == ["pear", "apple", "fig", "apricot"]


def test_operations_may_be_left_out_of_the_document(pool):
    node = ListOperatorNode(NodeSpec("l", "list-operator", "L", "1", {"variable": ["mk", "texts"]}))
    assert result_of(node, pool) == ["pear", "apple", "fig", "apricot"]


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"filters": [keep("explode")]}, "filter_by.conditions[0].comparison_operator"),
        ({"filters": [keep("is", {"a": 1})]}, "filter_by.conditions[0].value"),
        ({"order": ("", "sideways")}, "order_by.value"),
        ({"size": "many"}, "limit.size"),
        ({"serial": ["1"]}, "extract_by.serial"),
    ],
)
def test_settings_that_make_no_sense_are_found_at_import(settings, path):
    with pytest.raises(GraphError) as caught:
        operate("texts", **settings)
    assert [finding.path for finding in caught.value.findings] == [f"workflow.graph.nodes[1].data.{path}"]
