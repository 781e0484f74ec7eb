import pytest

from worker.engine.environment import environment_values, read_environment
from worker.engine.errors import VariableError
from worker.engine.findings import Findings
from worker.engine.variables import Secret
from worker.engine.workflow import EnvironmentVariable


def read(*declared, **options):
    findings = Findings()
    return read_environment(list(declared), findings, **options), findings


def declared(kind="string", value="x", name="NAME", **more):
    return {"name": name, "value_type": kind, "value": value, **more}


@pytest.mark.parametrize(
    ("kind", "value", "type_name"),
    [
        ("string", "x", "string"),
        ("string", "", "string"),
        ("number", 3, "number"),
        ("number", 3.5, "number"),
        ("integer", 3, "number"),
        ("float", 3.5, "number"),
        ("secret", "s3cr3t", "secret"),
        ("llm", {"provider": "openai", "name": "m", "mode": "chat"}, "llm"),
    ],
)
def test_variables_of_each_type(kind, value, type_name):
    assert read(declared(kind, value)) == ((EnvironmentVariable("NAME", type_name, value),), [])


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"value_type": "string", "value": "x"}, "missing name"),
        ({"name": "N", "value": "x"}, "missing value type"),
        ({"name": "N", "value_type": "string"}, "missing value"),
        (declared("boolean", True), "not supported value type boolean"),
        (declared(["string"]), "not supported value type ['string']"),
        (declared("number", "5"), "invalid number value"),
        (declared("number", True), "invalid number value"),
        (declared("string", 5), "invalid string value"),
        (declared("secret", ["x"]), "invalid secret value"),
        (declared("llm", "x"), "invalid llm value"),
        (declared(value="é" * 6), "variable size 12 exceeds limit 10"),
        ("NAME", "an environment variable must be a mapping, not a text"),
    ],
)
def test_wrong_declarations_are_named_with_their_place(item, message):
    variables, findings = read(declared(name="FIRST"), item, max_size=10)
    assert [variable.name for variable in variables] == ["FIRST"]
    assert [(finding.message, finding.path) for finding in findings] == [(message, "workflow.environment_variables[1]")]
    assert findings.errors


def test_a_document_may_have_no_environment_but_not_another_shape():
    findings = Findings()
    assert read_environment(None, findings) == ()
    assert read_environment({"NAME": "x"}, findings) == ()
    assert [finding.code for finding in findings] == ["invalid_environment"]


def test_the_later_of_two_variables_of_one_name_counts():
    variables, _ = read(declared(value="old"), declared(name="OTHER"), declared(value="new"))
    assert {variable.name: variable.value for variable in variables} == {"NAME": "new", "OTHER": "x"}


def test_an_empty_secret_is_a_warning_because_exports_blank_them():
    variables, findings = read(declared("secret", ""))
    assert [(finding.code, finding.level) for finding in findings] == [("empty_secret", "warning")]
    assert environment_values(variables, {}) == {"NAME": ""}


def test_secrets_are_typed_and_supplied_values_replace_declared_ones():
    variables, _ = read(
        declared("secret", "", name="KEY"), declared("number", 1, name="N"), declared(name="S"), declared("llm", {}, name="M")
    )
    values = environment_values(variables, {"KEY": "sk-1", "N": "2.5", "M": '{"name": "m"}', "OTHER": "ignored"})
    assert values == {"KEY": "sk-1", "N": 2.5, "S": "x", "M": {"name": "m"}}
    assert isinstance(values["KEY"], Secret)


@pytest.mark.parametrize(
    ("kind", "value", "text"), [("number", 1, "many"), ("number", 1, "true"), ("number", 1, "[" * 100_000), ("llm", {}, "[]")]
)
def test_a_supplied_text_of_another_type_is_refused(kind, value, text):
    variables, _ = read(declared(kind, value))
    with pytest.raises(VariableError, match=f"'NAME' is no {kind}"):
        environment_values(variables, {"NAME": text})
