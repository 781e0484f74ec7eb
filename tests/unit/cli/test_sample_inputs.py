from app.cli.local_files import LocalFiles
from app.cli.sample_inputs import sample_values
from tests.services import documents
from worker.engine.dsl import read_workflow
from worker.engine.form import Form
from worker.json_schema import mismatch
from worker.nodes.registry import Registry


class Silent:
    """No run that could be stopped, and no network."""


def form_of(*variables):
    document = documents.chain("Form", [documents.start(*variables), documents.end()])
    return Form.of(read_workflow(document, Registry()))


def prepared(tmp_path, *variables):
    """Sample inputs as the run gets them: they passed the form's own checks."""
    form, files = form_of(*variables), LocalFiles(Silent(), Silent())
    return form.prepare(sample_values(form, tmp_path, files.offer), files.resolve, mismatch)


def variable(name, kind="text-input", **more):
    return {"variable": name, "type": kind, "label": more.pop("label", name), "required": True, **more}


def test_each_kind_of_variable_gets_a_value_that_passes_the_form(tmp_path):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    values = prepared(
        tmp_path,
        variable("topic"),
        variable("body", "paragraph"),
        variable("short", max_length=5),
        variable("colour", "select", options=["red", "green"]),
        variable("count", "number"),
        variable("flag", "checkbox"),
        variable("data", "json_object", json_schema=schema),
        variable("doc", "file", allowed_file_types=["document"], allowed_file_upload_methods=["local_file"]),
        variable("pictures", "file-list", allowed_file_types=["image"], max_length=2),
        variable("other", "file", allowed_file_types=["custom"], allowed_file_extensions=[".JSON"]),
        variable("far", "file", allowed_file_types=["document"], allowed_file_upload_methods=["remote_url"]),
    )

    assert values["topic"] == "A sample topic"
    assert len(values["body"]) > 50
    assert values["short"] == "A sam"
    assert (values["colour"], values["count"], values["flag"], values["data"]) == ("red", 1, True, {"n": 1})
    assert values["doc"].filename == "sample.txt"
    assert [file.type for file in values["pictures"]] == ["image"]
    assert (values["other"].filename, values["other"].type) == ("sample.json", "custom")
    assert values["far"].remote_url == "https://example.com/sample.txt"


def test_texts_follow_the_label(tmp_path):
    values = prepared(tmp_path, variable("a", label="目标文章链接"), variable("target_lang"), variable("b", label="Your e-mail"))

    assert values == {"a": "https://example.com/", "target_lang": "English", "b": "ada@example.com"}


def test_a_default_stands(tmp_path):
    assert prepared(tmp_path, variable("topic", default="tea")) == {"topic": "tea"}
