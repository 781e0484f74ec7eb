import pytest

from worker.engine.errors import VariableError
from worker.engine.values import File, Secret, file_address, file_attribute, plain, remote_address, type_of

PICTURE = File("image", "local_file", "cat.png", ".png", "image/png", 70, related_id="f1")
PAGE = File("document", "remote_url", "page.pdf", ".pdf", "application/pdf", -1, remote_url="https://files.example/page.pdf")


def signed(file):
    return f"https://penstock.example/files/{file.related_id}?sign=1"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "none"),
        (True, "boolean"),
        (1, "integer"),
        (1.0, "float"),
        ("", "string"),
        (Secret("x"), "secret"),
        ({}, "object"),
        (PICTURE, "file"),
        ([], "array[any]"),
        (["a", "b"], "array[string]"),
        ([1, 2], "array[number]"),
        ([1, 2.5], "array[number]"),
        ([True], "array[boolean]"),
        ([{}], "array[object]"),
        ([PICTURE, PAGE], "array[file]"),
        ([[1], [2]], "array[any]"),
        ([None, None], "array[any]"),
        ([True, 1], "array[any]"),
        (["a", None], "array[any]"),
    ],
)
def test_the_type_of_a_value_is_inferred(value, name):
    assert type_of(value) == name


@pytest.mark.parametrize("value", [object(), (1, 2), {1}, [b"x"]])
def test_other_objects_are_no_values(value):
    with pytest.raises(VariableError, match="cannot be a variable"):
        type_of(value)


@pytest.mark.parametrize(
    ("file", "name", "value"),
    [
        (PICTURE, "name", "cat.png"),
        (PICTURE, "size", 70),
        (PICTURE, "extension", ".png"),
        (PICTURE, "mime_type", "image/png"),
        (PICTURE, "type", "image"),
        (PICTURE, "transfer_method", "local_file"),
        (PICTURE, "related_id", "f1"),
        (PICTURE, "url", "https://penstock.example/files/f1?sign=1"),
        (PAGE, "url", "https://files.example/page.pdf"),
        (PAGE, "related_id", None),
    ],
)
def test_attributes_of_a_file(file, name, value):
    assert file_attribute(file, name, signed) == value


def test_a_remote_file_with_a_stored_copy_is_served_from_the_store():
    copy = File("image", "remote_url", "a.png", ".png", "image/png", 1, related_id="f2")
    assert file_address(copy, signed) == "https://penstock.example/files/f2?sign=1"


def test_without_a_store_only_remote_files_have_an_address():
    assert remote_address(PAGE) == "https://files.example/page.pdf"
    assert remote_address(PICTURE) == ""


def test_plain_values_hold_no_typed_secrets_and_the_rest_is_kept():
    value = {"key": Secret("s3cr3t"), "list": [Secret("x"), 1, PICTURE]}
    freed = plain(value)
    assert freed == value
    assert type(freed["key"]) is str
    assert type(freed["list"][0]) is str
    assert freed["list"][2] is PICTURE
