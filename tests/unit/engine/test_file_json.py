from worker.engine.file_json import file_from_json, files_in, is_file_json, restore_files, sign_files, to_json
from worker.engine.values import FILE_IDENTITY, File, Secret

UPLOAD = File("image", "local_file", "cat.png", ".png", "image/png", 70, related_id="f1", tenant_id="app-1")
REMOTE = File(
    "document", "remote_url", "page.pdf", ".pdf", "application/pdf", -1, remote_url="https://files.example/page.pdf", tenant_id="app-1"
)
MADE = File("custom", "tool_file", "0a.bin", ".bin", "application/octet-stream", 3, related_id="t1", tenant_id="app-1")


def signed(file):
    return f"https://penstock.example/{file.related_id}?sign=1"


def expired(file):
    return f"https://penstock.example/{file.related_id}?sign=old"


def test_an_upload_shows_its_signed_address_twice():
    assert to_json(UPLOAD, signed) == {
        "dify_model_identity": FILE_IDENTITY,
        "id": None,
        "tenant_id": "app-1",
        "type": "image",
        "transfer_method": "local_file",
        "remote_url": "https://penstock.example/f1?sign=1",
        "related_id": "f1",
        "filename": "cat.png",
        "extension": ".png",
        "mime_type": "image/png",
        "size": 70,
        "url": "https://penstock.example/f1?sign=1",
    }


def test_a_remote_file_keeps_its_address_and_a_produced_one_has_a_signed_one_only():
    remote, made = to_json([REMOTE, MADE], signed)
    assert (remote["remote_url"], remote["url"], remote["related_id"]) == (REMOTE.remote_url, REMOTE.remote_url, None)
    assert (made["remote_url"], made["url"], made["related_id"]) == (None, "https://penstock.example/t1?sign=1", "t1")


def test_typed_secrets_are_masked_at_any_depth_and_the_rest_is_unchanged():
    value = {"a": [Secret("abc"), 1.0, None, True], "t": ("x",)}
    assert to_json(value, signed) == {"a": ["*" * 20, 1.0, None, True], "t": ["x"]}


def test_files_survive_the_way_through_json():
    value = {"one": UPLOAD, "many": [REMOTE, MADE], "text": "x"}
    assert restore_files(to_json(value, signed)) == value


def test_stored_files_get_fresh_addresses():
    stored = to_json({"files": [UPLOAD, MADE, REMOTE]}, expired)
    assert sign_files(stored, signed) == to_json({"files": [UPLOAD, MADE, REMOTE]}, signed)


def test_a_damaged_mapping_is_still_a_file():
    mapping = {"dify_model_identity": FILE_IDENTITY, "size": "big"}
    assert is_file_json(mapping)
    assert file_from_json(mapping) == File("custom", "", "", "", "", -1)


def test_an_ordinary_mapping_is_no_file():
    assert not is_file_json({"filename": "a"})
    assert not is_file_json([UPLOAD])


def test_files_of_outputs_are_those_at_the_top_level_in_order_with_duplicates():
    outputs = {"a": UPLOAD, "text": "x", "list": [MADE, "y", UPLOAD], "deep": {"file": REMOTE}}
    assert files_in(outputs) == [UPLOAD, MADE, UPLOAD]
