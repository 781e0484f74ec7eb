import pytest

from worker.engine.errors import FormError
from worker.engine.file_types import FileRules, detect_type, typed
from worker.engine.values import File


def file(name="note.txt", method="local_file", mime_type="text/plain"):
    extension = f".{name.rpartition('.')[2]}" if "." in name else ""
    return File("custom", method, name, extension, mime_type, 1)


@pytest.mark.parametrize(
    ("extension", "mime_type", "kind"),
    [
        (".png", "", "image"),
        ("JPG", "", "image"),
        (".svg", "text/plain", "image"),
        (".mp4", "", "video"),
        (".mpga", "", "audio"),
        (".md", "", "document"),
        (".odt", "", "document"),
        (".PPTX", "", "document"),
        (".json", "application/json", "custom"),
        (".abc", "image/x-abc", "image"),
        ("", "video/ogg", "video"),
        ("", "Audio/ogg", "audio"),
        ("", "text/plain", "custom"),
        ("", "", "custom"),
    ],
)
def test_the_kind_of_a_file_is_detected_by_extension_then_mime_type(extension, mime_type, kind):
    assert detect_type(extension, mime_type) == kind


@pytest.mark.parametrize(
    ("found", "given", "kind"),
    [
        (file(), None, "document"),
        (file(), "custom", "document"),
        (file(), "image", "image"),
        (file("x.abc", mime_type=""), "document", "document"),
        (file("x.abc", mime_type=""), None, "custom"),
    ],
)
def test_a_stated_type_is_believed_where_the_check_is_not_strict(found, given, kind):
    assert typed(found, given, strict=False).type == kind


@pytest.mark.parametrize(
    ("found", "given", "kind"),
    [
        (file(), "document", "document"),
        (file("x.abc", mime_type=""), "custom", "custom"),
        (file("x.abc", mime_type=""), None, "custom"),
        (file(method="remote_url"), None, "document"),
        (file(method="tool_file"), None, "document"),
    ],
)
def test_types_that_pass_the_strict_check(found, given, kind):
    assert typed(found, given, strict=True).type == kind


@pytest.mark.parametrize(
    ("found", "given"),
    [(file(), "image"), (file(), "custom"), (file(), None), (file("a.json"), "document"), (file(method="remote_url"), "custom")],
)
def test_types_that_the_strict_check_refuses(found, given):
    with pytest.raises(FormError, match="Detected file type does not match the specified type"):
        typed(found, given, strict=True)


@pytest.mark.parametrize("given", ["folder", "", 5, ["image"]])
@pytest.mark.parametrize("strict", [True, False])
def test_unknown_types_are_refused(given, strict):
    with pytest.raises(FormError, match="No matching enum found for value"):
        typed(file(), given, strict=strict)


RULES = FileRules.of(
    {
        "allowed_file_types": ["document", "custom"],
        "allowed_file_extensions": [".ABC", "xyz"],
        "allowed_file_upload_methods": ["local_file"],
    }
)


@pytest.mark.parametrize(
    ("rules", "found", "given"),
    [
        (RULES, file(), "document"),
        (RULES, file("x.abc"), "custom"),
        (RULES, file("x.AbC"), None),
        (RULES, file("x.xyz"), "custom"),
        (RULES, file("made.png", "tool_file"), "image"),
        (FileRules(), file(method="remote_url"), "document"),
        (FileRules.of({"allowed_file_types": None}), file("a.png"), "image"),
    ],
)
def test_allowed_files(rules, found, given):
    rules.check(found, given)


@pytest.mark.parametrize(
    ("rules", "found", "given"),
    [
        (RULES, file("a.png"), "image"),
        (RULES, file("x.def"), "custom"),
        (RULES, file(), None),
        (RULES, file(method="remote_url"), "document"),
        (FileRules(), file("x.abc"), "custom"),
    ],
)
def test_refused_files_are_named(rules, found, given):
    with pytest.raises(FormError, match=f"File validation failed for file: {found.filename}"):
        rules.check(found, given)
