import pytest

from worker.engine.errors import FormError
from worker.engine.file_inputs import read_file, read_files
from worker.engine.file_types import FileRules
from worker.engine.values import File

UPLOAD_ID = "0b2f5a9e-31e6-4f0c-9d0e-5b1b8b1f3c11"


def resolve(mapping):
    """A store in which every upload is a note and every address a picture."""
    if mapping.get("upload_file_id") or mapping.get("tool_file_id"):
        return File("custom", mapping["transfer_method"], "note.txt", ".txt", "text/plain", 38, related_id=UPLOAD_ID)
    url = mapping.get("url") or mapping["remote_url"]
    return File("custom", "remote_url", "cat.png", ".png", "image/png", -1, remote_url=url)


def upload(**more):
    return {"transfer_method": "local_file", "upload_file_id": UPLOAD_ID, "type": "document", **more}


@pytest.mark.parametrize(
    ("mapping", "name", "kind"),
    [
        (upload(), "note.txt", "document"),
        ({"transfer_method": "remote_url", "url": "https://files.example/cat.png"}, "cat.png", "image"),
        ({"transfer_method": "remote_url", "remote_url": "http://files.example/cat.png", "url": None}, "cat.png", "image"),
        ({"transfer_method": "remote_url", "upload_file_id": UPLOAD_ID}, "note.txt", "document"),
        ({"transfer_method": "tool_file", "tool_file_id": UPLOAD_ID}, "note.txt", "document"),
        # Clients send back objects that they received.
        (upload(id=None, related_id="x", filename="other.png", dify_model_identity="__dify__file__"), "note.txt", "document"),
    ],
)
def test_files_are_found_by_their_reference(mapping, name, kind):
    file = read_file(mapping, resolve, None, strict=True)
    assert (file.filename, file.type) == (name, kind)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({}, "transfer_method is required in file mapping"),
        ({"transfer_method": ""}, "transfer_method is required in file mapping"),
        ({"transfer_method": "pigeon"}, "No matching enum found for value 'pigeon'"),
        ({"transfer_method": ["local_file"]}, "No matching enum found for value '['local_file']'"),
        ({"transfer_method": "local_file"}, "Invalid upload file id"),
        ({"transfer_method": "local_file", "upload_file_id": "abc"}, "Invalid upload file id format"),
        ({"transfer_method": "local_file", "upload_file_id": 5}, "Invalid upload file id format"),
        ({"transfer_method": "remote_url"}, "Invalid file url"),
        ({"transfer_method": "remote_url", "url": "ftp://files.example/x"}, "Invalid file url"),
        ({"transfer_method": "remote_url", "url": 5}, "Invalid file url"),
        ({"transfer_method": "remote_url", "upload_file_id": "abc"}, "Invalid upload file id format"),
        ({"transfer_method": "tool_file"}, "ToolFile None not found"),
        ({"transfer_method": "tool_file", "tool_file_id": "abc"}, "ToolFile abc not found"),
    ],
)
def test_references_of_a_wrong_form_never_reach_the_store(mapping, message):
    with pytest.raises(FormError) as caught:
        read_file(mapping, pytest.fail, None, strict=True)
    assert caught.value.message == message


def test_rules_apply_to_the_stated_type():
    rules = FileRules.of({"allowed_file_types": ["document"]})
    assert read_file(upload(), resolve, rules, strict=True).type == "document"
    with pytest.raises(FormError, match=r"File validation failed for file: note\.txt"):
        read_file(upload(type="image"), resolve, rules, strict=False)


def test_items_of_a_list_that_refer_to_nothing_are_left_out():
    items = [{}, {"type": "image"}, {"transfer_method": "remote_url"}, {"transfer_method": "remote_url", "url": ""}, upload()]
    assert [file.filename for file in read_files(items, resolve, None, strict=True)] == ["note.txt"]


def test_items_of_a_list_that_refer_wrongly_are_errors():
    with pytest.raises(FormError, match="Invalid upload file id"):
        read_files([{"transfer_method": "local_file"}], resolve, None, strict=True)
