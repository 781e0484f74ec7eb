import pytest

from worker.engine.errors import FormError, GraphError
from worker.engine.features import UploadRules
from worker.engine.form import Form, parameters
from worker.engine.form_variables import FormVariable, mistake_in
from worker.engine.values import File
from worker.engine.workflow import Workflow

UPLOAD_ID = "0b2f5a9e-31e6-4f0c-9d0e-5b1b8b1f3c11"
UPLOAD = {"transfer_method": "local_file", "upload_file_id": UPLOAD_ID, "type": "document"}


def resolve(mapping):
    return File("custom", mapping["transfer_method"], "note.txt", ".txt", "text/plain", 38, related_id=UPLOAD_ID)


def no_schema(schema, value):
    pytest.fail("no schema was declared")


def form_of(*declared):
    return Form([FormVariable.of(item) for item in declared])


def variable(kind, **more):
    return {"variable": "v", "type": kind, **more}


def prepare(declared, inputs, validate=no_schema):
    return form_of(declared).prepare(inputs, resolve, validate)["v"]


@pytest.mark.parametrize(
    ("declared", "given", "value"),
    [
        (variable("text-input"), "hello", "hello"),
        (variable("text-input", required=True), "", ""),
        (variable("text-input", max_length=5), "12345", "12345"),
        (variable("text-input", max_length=2), "世界", "世界"),
        (variable("text-input", max_length=0), "x" * 1000, "x" * 1000),
        (variable("text-input", max_length=None), "long", "long"),
        (variable("paragraph"), "a\nb", "a\nb"),
        (variable("paragraph"), "a\0b", "ab"),
        (variable("external_data_tool"), "any", "any"),
        (variable("select", options=["x", "y"]), "y", "y"),
        (variable("select", options=["x"]), "", None),
        (variable("select", options=["1"]), "1", "1"),
        (variable("select", options=[1, 2]), "2", "2"),
        (variable("number"), 3, 3),
        (variable("number"), 2.5, 2.5),
        (variable("number"), "3.14", 3.14),
        (variable("number"), "42", 42),
        (variable("number"), " 42 ", 42),
        (variable("number"), "-7", -7),
        (variable("number"), True, True),
        (variable("number"), "", None),
        (variable("number", required=True), "  ", None),
        (variable("number"), 123456789012345678901234567890, 1.2345678901234568e29),
        (variable("number"), "123456789012345678901234567890", 1.2345678901234568e29),
        (variable("number"), 2**64 - 1, 2**64 - 1),
        (variable("checkbox"), True, True),
        (variable("checkbox"), " TRUE ", True),
        (variable("checkbox"), "yes", True),
        (variable("checkbox"), "off", False),
        (variable("checkbox"), "0", False),
        (variable("checkbox"), 1, True),
        (variable("checkbox"), 0, False),
        (variable("checkbox"), "maybe", "maybe"),
        (variable("checkbox"), 7, 7),
        (variable("json_object"), {"a": [1, "x\0"]}, {"a": [1, "x"]}),
        (variable("json_object"), {"a": 10**30}, {"a": 1e30}),
        (variable("json_object"), {}, {}),
        (variable("json_object"), "", ""),
        (variable("json_object"), [], []),
        (variable("file"), "", None),
        (variable("file-list"), "", None),
        (variable("file-list", required=True), [], []),
        (variable("file-list"), [{}], []),
    ],
)
def test_values_that_a_form_takes(declared, given, value):
    prepared = prepare(declared, {"v": given})
    assert prepared == value
    assert type(prepared) is type(value)


@pytest.mark.parametrize(
    ("declared", "given", "message"),
    [
        (variable("text-input"), 5, "(type 'text-input') v in input form must be a string"),
        (variable("text-input"), ["a"], "(type 'text-input') v in input form must be a string"),
        (variable("paragraph"), {"a": 1}, "(type 'paragraph') v in input form must be a string"),
        (variable("select", options=["x"]), True, "(type 'select') v in input form must be a string"),
        (variable("text-input", max_length=5), "123456", "v in input form must be less than 5 characters"),
        (variable("text-input", max_length="5"), "123456", "v in input form must be less than 5 characters"),
        (variable("select", options=["x", "y"]), "z", "v in input form must be one of the following: ['x', 'y']"),
        (variable("select", options=["x"], required=True), "", "v in input form must be one of the following: ['x']"),
        (variable("number"), "x", "v in input form must be a valid number"),
        (variable("number"), "nan", "v in input form must be a valid number"),
        (variable("number"), "1e5", "v in input form must be a valid number"),
        (variable("number"), "1.0e999", "v in input form must be a valid number"),
        (variable("number"), 10**400, "v in input form must be a valid number"),
        (variable("number"), [1], "v in input form must be a valid number"),
        (variable("number"), {"a": 1}, "v in input form must be a valid number"),
        (variable("checkbox"), {"a": 1}, "Invalid input type for ['v']"),
        (variable("checkbox"), [True], "v in input form must be a boolean"),
        (variable("json_object"), "{}", "v in input form must be a dict"),
        (variable("json_object"), [1], "v in input form must be a dict"),
        (variable("json_object"), {"a": 10**400}, "v in input form holds a number that is too large"),
        (variable("file"), "x", "v in input form must be a file"),
        (variable("file"), [UPLOAD], "v in input form must be a file"),
        (variable("file", required=True), "", "v in input form must be a file"),
        (variable("file"), {}, "transfer_method is required in file mapping"),
        (variable("file-list"), UPLOAD, "v in input form must be a list of files"),
        (variable("file-list"), ["x"], "v in input form must be a list of files"),
        (variable("file-list", max_length=1), [UPLOAD, UPLOAD], "v in input form must be less than 1 files"),
        (variable("file", allowed_file_types=["image"]), UPLOAD, "File validation failed for file: note.txt"),
        (variable("file-list", allowed_file_types=["image"]), [UPLOAD], "File validation failed for file: note.txt"),
    ],
)
def test_values_that_a_form_refuses(declared, given, message):
    with pytest.raises(FormError) as caught:
        prepare(declared, {"v": given})
    assert caught.value.message == message


@pytest.mark.parametrize("kind", ["text-input", "number", "checkbox", "json_object", "file", "file-list"])
@pytest.mark.parametrize("inputs", [{}, {"v": None}])
def test_a_required_variable_must_be_there_whatever_its_default(kind, inputs):
    with pytest.raises(FormError, match=r"^v is required in input form$"):
        prepare(variable(kind, required=True, default="x"), inputs)


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        (variable("text-input", default="d"), "d"),
        (variable("text-input", default=""), ""),
        (variable("text-input"), None),
        (variable("number", default="7"), 7),
        (variable("number", default=""), None),
        (variable("checkbox", default="true"), True),
        (variable("select", options=["x"], default="x"), "x"),
        (variable("select", options=["x"], default=""), None),
        (variable("json_object", default={"a": 1}), {"a": 1}),
        (variable("file", default=""), None),
        (variable("file-list", default=[]), []),
    ],
)
def test_an_absent_optional_variable_takes_its_converted_default(declared, value):
    assert prepare(declared, {}) == value


def test_a_default_passes_through_the_same_checks():
    with pytest.raises(FormError, match="must be a valid number"):
        prepare(variable("number", default="many"), {})


def test_an_unset_choice_takes_its_default():
    assert prepare(variable("select", options=["x", "y"], default="y"), {"v": ""}) == "y"


def test_undeclared_inputs_are_dropped_and_the_order_is_the_forms():
    form = form_of({"variable": "b", "type": "text-input"}, {"variable": "a", "type": "number"})
    prepared = form.prepare({"a": 1, "extra": "x", "b": "y"}, resolve, no_schema)
    assert list(prepared.items()) == [("b", "y"), ("a", 1)]


def test_files_are_resolved_only_when_every_other_input_fits():
    form = form_of({"variable": "f", "type": "file"}, {"variable": "n", "type": "number"})
    with pytest.raises(FormError, match="n in input form must be a valid number"):
        form.prepare({"f": UPLOAD, "n": "x"}, pytest.fail, no_schema)


def test_a_single_file_is_checked_strictly_and_a_list_is_not():
    assert prepare(variable("file"), {"v": UPLOAD}).type == "document"
    assert [file.type for file in prepare(variable("file-list"), {"v": [{**UPLOAD, "type": "image"}]})] == ["image"]
    with pytest.raises(FormError, match="Detected file type does not match"):
        prepare(variable("file"), {"v": {**UPLOAD, "type": "image"}})


def test_an_object_is_checked_against_its_schema():
    declared = variable("json_object", json_schema='{"type": "object", "required": ["a"]}')

    def validate(schema, value):
        assert schema == {"type": "object", "required": ["a"]}
        return None if "a" in value else "'a' is a required property"

    assert prepare(declared, {"v": {"a": 1}}, validate) == {"a": 1}
    with pytest.raises(FormError) as caught:
        prepare(declared, {"v": {"b": 1}}, validate)
    assert caught.value.message == "JSON object for 'v' does not match schema: 'a' is a required property"


@pytest.mark.parametrize("given", [{}, None])
def test_an_empty_object_is_not_checked_against_its_schema(given):
    declared = variable("json_object", json_schema={"required": ["a"]})
    assert prepare(declared, {"v": given}, no_schema) == given


def test_request_files_follow_the_upload_feature():
    features = {"file_upload": {"enabled": True, "allowed_file_types": ["image"], "number_limits": 1}}
    form = Form([], UploadRules.of(features))
    with pytest.raises(FormError, match="File validation failed"):
        form.prepare_files([UPLOAD], resolve)
    limited = Form([], UploadRules.of({"file_upload": {"enabled": True, "number_limits": 1}}))
    assert len(limited.prepare_files([UPLOAD], resolve)) == 1
    with pytest.raises(FormError, match="Number of files exceeds the maximum limit 1"):
        limited.prepare_files([UPLOAD, UPLOAD], resolve)


def test_request_files_without_the_upload_feature_are_taken_but_for_wrong_types():
    form = Form([])
    assert form.prepare_files(None, resolve) == []
    assert [file.filename for file in form.prepare_files([UPLOAD] * 9, resolve)] == ["note.txt"] * 9
    with pytest.raises(FormError, match="Detected file type does not match"):
        form.prepare_files([{**UPLOAD, "type": "image"}], resolve)


@pytest.mark.parametrize(
    ("declared", "shown"),
    [
        (
            variable("text-input", label="Name", max_length=48, hide=True),
            {"variable": "v", "label": "Name", "required": False, "default": "", "type": "text-input", "max_length": 48, "hide": True},
        ),
        (variable("select"), {"variable": "v", "label": "v", "required": False, "default": "", "options": [], "type": "select"}),
        (variable("number", default=5), {"variable": "v", "label": "v", "required": False, "default": 5, "type": "number"}),
        (
            variable("file", required=True, default=None, allowed_file_types=None),
            {"variable": "v", "label": "v", "required": True, "default": None, "allowed_file_types": [], "type": "file"},
        ),
    ],
)
def test_clients_read_the_form_with_missing_parts_filled_in(declared, shown):
    assert form_of(declared).user_input_form() == [{declared["type"]: shown}]


@pytest.mark.parametrize(
    ("declared", "mistake"),
    [
        ("v", "must be a mapping, not a text"),
        ({"type": "number"}, "must have a name"),
        ({"variable": 5, "type": "number"}, "must have a name"),
        ({"variable": "v"}, "unknown type None"),
        ({"variable": "v", "type": "colour"}, "unknown type 'colour'"),
        ({"variable": "v", "type": ["number"]}, "unknown type"),
        (variable("select", options="x"), "options of start variable 'v' must be a list"),
        (variable("text-input", max_length="many"), "max_length must be a number"),
        (variable("json_object", json_schema="{"), "json_schema is no JSON"),
        (variable("json_object", json_schema="[" * 100_000), "json_schema is no JSON"),
        (variable("json_object", json_schema=[1]), "json_schema must be an object"),
    ],
)
def test_wrongly_declared_variables_are_named(declared, mistake):
    assert mistake in mistake_in(declared)


def workflow(*declared, features=None):
    return Workflow("", "", "workflow", "", "emoji", "#FFFFFF", (), (), (), features or {}, declared, {})


def test_the_form_of_a_workflow_has_its_variables_and_upload_rules():
    form = Form.of(workflow(variable("number"), features={"file_upload": {"enabled": True}}))
    assert [item.name for item in form.variables] == ["v"]
    assert form.uploads is not None


def test_a_form_that_is_declared_wrongly_is_refused():
    with pytest.raises(GraphError) as caught:
        Form.of(workflow({}, variable("colour")))
    assert [finding.code for finding in caught.value.findings] == ["invalid_start_variable"] * 2


def test_parameters_are_form_and_features():
    shown = parameters(workflow(variable("number"), features={"opening_statement": "Hi"}))
    assert shown["opening_statement"] == "Hi"
    assert [list(item) for item in shown["user_input_form"]] == [["number"]]
    assert "system_parameters" not in shown
