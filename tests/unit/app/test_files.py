import io
import uuid

import pytest

from app.config import ApiConfig
from tests.services import documents
from tests.unit.app.serving import Caller, Service, form, served
from worker.config import Config
from worker.outbound.errors import ConnectionFailed

MEGABYTE = 1024 * 1024
CONTENT = "First line\nSecond line: héllo 世界\n".encode()


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory):
    config = Config(database_url="sqlite://", data_dir=tmp_path_factory.mktemp("data"))
    with served(ApiConfig(upload_extension_blacklist=(".exe", "BAT")), config) as made:
        yield made


def upload(caller: Caller, name: str = "note.txt", content: bytes = CONTENT, mime: str = "text/plain", **fields: str):
    return caller.post("/v1/files/upload", data={"file": (io.BytesIO(content), name, mime), **fields})


def raw_upload(caller: Caller, *parts: str):
    body = "".join(f"--cut\r\n{part}\r\n" for part in parts) + "--cut--\r\n"
    return caller.post("/v1/files/upload", data=body.encode(), content_type="multipart/form-data; boundary=cut")


def part(name: str = "file", filename: str | None = "a.txt", mime: str | None = "text/plain", text: str = "x") -> str:
    attribute = "" if filename is None else f'; filename="{filename}"'
    kind = "" if mime is None else f"\r\nContent-Type: {mime}"
    return f'Content-Disposition: form-data; name="{name}"{attribute}{kind}\r\n\r\n{text}'


def test_an_upload_answers_its_fields(caller: Caller):
    answer = upload(caller, "Résumé 世界.TXT", user="alice")

    assert answer.status_code == 201
    body = answer.json
    assert uuid.UUID(body.pop("id"))
    assert uuid.UUID(body.pop("created_by"))
    assert body.pop("created_at") > 1_500_000_000
    assert body.pop("source_url").startswith("http://localhost/files/")
    assert body == {
        "name": "Résumé 世界.TXT",
        "size": len(CONTENT),
        "extension": "txt",
        "mime_type": "text/plain",
        "tenant_id": caller.app_id,
        **dict.fromkeys(("preview_url", "original_url", "user_id", "conversation_id", "file_key", "reference")),
    }


@pytest.mark.parametrize(("name", "extension"), [("README", ""), ("a.tar.GZ", "gz"), ("a.weird", "weird"), ("x:y*?.md", "md")])
def test_any_name_without_a_slash_is_accepted(caller: Caller, name: str, extension: str):
    answer = upload(caller, name, mime="application/octet-stream")

    assert (answer.status_code, answer.json["name"], answer.json["extension"]) == (201, name, extension)


def test_an_empty_file_is_fine(caller: Caller):
    assert upload(caller, content=b"").json["size"] == 0


def test_of_several_files_under_one_name_the_first_is_taken(caller: Caller):
    answer = raw_upload(caller, part(filename="first.txt"), part(filename="second.txt"))

    assert (answer.status_code, answer.json["name"]) == (201, "first.txt")


@pytest.mark.parametrize(
    ("parts", "status", "code", "message"),
    [
        ([part("other")], 400, "no_file_uploaded", "Please upload your file."),
        ([part(filename=None)], 400, "no_file_uploaded", "Please upload your file."),
        ([part("user", None, None, "alice")], 400, "no_file_uploaded", "Please upload your file."),
        ([part(mime=None), part("more", "b.txt")], 400, "too_many_files", "Only one file is allowed."),
        ([part(mime=None, filename="")], 415, "unsupported_file_type", "File type not allowed."),
        ([part(filename="")], 400, "filename_not_exists_error", "The specified filename does not exist."),
        ([part(filename="../../etc/passwd")], 400, "invalid_param", "Filename contains invalid characters"),
        ([part(filename="a\\\\b.txt")], 400, "invalid_param", "Filename contains invalid characters"),
        ([part(filename="a.EXE")], 400, "invalid_param", "Files with the extension 'exe' may not be uploaded."),
        ([part(filename="a.bat")], 400, "invalid_param", "Files with the extension 'bat' may not be uploaded."),
    ],
)
def test_an_upload_is_refused_in_the_order_of_the_checks(caller: Caller, parts: list[str], status: int, code: str, message: str):
    answer = raw_upload(caller, *parts)

    assert (answer.status_code, answer.json["code"], answer.json["message"]) == (status, code, message)


@pytest.mark.parametrize("options", [{"data": b""}, {"json": {"file": "x"}}, {"data": b"x", "content_type": "multipart/form-data"}])
def test_a_body_that_is_no_form_has_no_file(caller: Caller, options: dict):
    assert caller.post("/v1/files/upload", **options).json["code"] == "no_file_uploaded"


@pytest.mark.parametrize(("name", "limit"), [("a.png", 1), ("a.mp4", 3), ("a.mp3", 2), ("a.txt", 4)])
def test_each_category_has_its_limit(tmp_path, name: str, limit: int):
    limits = ApiConfig(image_file_size_limit=1, audio_file_size_limit=2, video_file_size_limit=3, file_size_limit=4, max_body_mb=1)
    with served(limits, Config(database_url="sqlite://", data_dir=tmp_path)) as service:
        caller = service.hello()
        largest = raw_upload(caller, part(filename=name, text="x" * limit * MEGABYTE))
        larger = raw_upload(caller, part(filename=name, text="x" * (limit * MEGABYTE + 1)))
        huge = raw_upload(caller, part(filename=name, text="x" * 6 * MEGABYTE))

    assert largest.status_code == 201
    assert (larger.status_code, larger.json["code"], larger.json["message"]) == (413, "file_too_large", "File size exceeded.")
    assert (huge.status_code, huge.json["code"]) == (413, "request_entity_too_large")


def test_an_upload_without_user_belongs_to_the_anonymous_one(caller: Caller):
    first, second = upload(caller).json, upload(caller, user="DEFAULT-USER").json

    assert first["created_by"] == second["created_by"]


# ---- getting them back


def test_a_file_is_shown_to_every_key_of_its_app(caller: Caller):
    file_id = upload(caller, user="alice").json["id"]

    answer = caller.get(f"/v1/files/{file_id.upper()}/preview?user=bob", buffered=True)

    assert (answer.status_code, answer.data) == (200, CONTENT)
    assert answer.content_type == "text/plain; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert answer.content_length == len(CONTENT)
    assert "Content-Disposition" not in answer.headers
    head = caller.open("HEAD", f"/v1/files/{file_id}/preview")
    assert (head.data, head.content_length) == (b"", len(CONTENT))


@pytest.mark.parametrize("asked", ["true", "1", "yes", "ON"])
def test_a_file_is_downloaded_where_that_is_asked_for(caller: Caller, asked: str):
    file_id = upload(caller, "世 界.txt").json["id"]

    answer = caller.get(f"/v1/files/{file_id}/preview?as_attachment={asked}", buffered=True)

    assert answer.content_type == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%E4%B8%96%20%E7%95%8C.txt"


def test_html_never_becomes_a_page_of_this_host(caller: Caller):
    file_id = upload(caller, "page.html", mime="text/html").json["id"]

    answer = caller.get(f"/v1/files/{file_id}/preview", buffered=True)

    assert answer.content_type == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_players_may_ask_for_pieces(caller: Caller):
    file_id = upload(caller, "tone.mp3", b"0123456789", "audio/mpeg").json["id"]

    whole = caller.get(f"/v1/files/{file_id}/preview", buffered=True)
    piece = caller.get(f"/v1/files/{file_id}/preview", headers={"Range": "bytes=2-4"}, buffered=True)

    assert (whole.status_code, whole.headers["Accept-Ranges"]) == (200, "bytes")
    assert (piece.status_code, piece.data) == (206, b"234")


def test_an_unknown_file_is_not_found_and_a_foreign_one_denied(service: Service, caller: Caller):
    foreign = upload(service.hello()).json["id"]

    unknown = caller.get(f"/v1/files/{uuid.uuid4()}/preview")
    denied = caller.get(f"/v1/files/{foreign}/preview")

    assert (unknown.status_code, unknown.json["code"]) == (404, "file_not_found")
    assert (denied.status_code, denied.json["code"]) == (403, "file_access_denied")


def test_a_signed_address_needs_no_key(caller: Caller):
    address = upload(caller).json["source_url"].removeprefix("http://localhost")

    answer = caller.client.get(address, buffered=True)
    attached = caller.client.get(f"{address}&as_attachment=true", buffered=True)

    assert (answer.data, answer.content_type) == (CONTENT, "text/plain; charset=utf-8")
    assert attached.headers["Content-Disposition"] == "attachment; filename*=UTF-8''note.txt"


@pytest.mark.parametrize(
    "change", [lambda a: a.replace("sign=", "sign=ZZ"), lambda a: a.split("?")[0], lambda a: a.replace("nonce=", "nonce=0")]
)
def test_a_changed_address_opens_nothing(caller: Caller, change):
    address = upload(caller).json["source_url"].removeprefix("http://localhost")

    answer = caller.client.get(change(address))

    assert answer.json == {"code": "not_found", "message": "File not found or signature is invalid", "status": 404}


def test_the_signature_of_one_file_does_not_open_another(caller: Caller):
    first, second = (upload(caller).json for _ in range(2))
    address = first["source_url"].removeprefix("http://localhost").replace(first["id"], second["id"])

    assert caller.client.get(address).status_code == 404


def test_a_signed_address_expires(tmp_path):
    with served(config=Config(database_url="sqlite://", data_dir=tmp_path, files_access_timeout_s=-1.0)) as service:
        caller = service.hello()
        address = upload(caller).json["source_url"].removeprefix("http://localhost")
        assert caller.client.get(address).status_code == 404


# ---- in runs


def file_app(service: Service, **features: object) -> Caller:
    return service.publish(form(documents.variable("f", "file", allowed_file_types=["document"]), **features))


def reference(file_id: str, kind: str = "document") -> dict:
    return {"type": kind, "transfer_method": "local_file", "upload_file_id": file_id}


def test_an_upload_is_an_input_with_fresh_addresses_in_the_record(service: Service):
    caller = file_app(service)
    file_id = upload(caller, user="alice").json["id"]

    run_id = caller.run({"f": reference(file_id)}).json["workflow_run_id"]

    shown = caller.get(f"/v1/workflows/run/{run_id}").json["outputs"]["f"]
    assert (shown["related_id"], shown["filename"], shown["type"], shown["size"]) == (file_id, "note.txt", "document", len(CONTENT))
    assert caller.client.get(shown["url"].removeprefix("http://localhost"), buffered=True).data == CONTENT
    assert file_id in caller.get(f"/v1/workflows/run/{run_id}").json["inputs"]


def test_files_beside_the_form_are_passed_on(service: Service):
    import json

    caller = file_app(service)
    file_id = upload(caller, user="alice").json["id"]

    run_id = caller.run({}, files=[reference(file_id), {}]).json["workflow_run_id"]

    inputs = json.loads(caller.get(f"/v1/workflows/run/{run_id}").json["inputs"])
    assert [file["related_id"] for file in inputs["sys.files"]] == [file_id]


def test_uploads_of_other_users_and_apps_are_refused(service: Service):
    caller = file_app(service)
    anonymous, of_bob, foreign = upload(caller), upload(caller, user="bob"), upload(service.hello())

    assert caller.run({"f": reference(anonymous.json["id"])}).status_code == 200
    for answer in (of_bob, foreign):
        refusal = caller.run({"f": reference(answer.json["id"])})
        assert (refusal.status_code, refusal.json["message"]) == (400, "Invalid upload file")


def test_files_are_checked_before_inputs(service: Service):
    caller = service.publish(form(documents.variable("q", required=True)))

    assert caller.run({}, files=[reference("x")]).json["message"] == "Invalid upload file id format"


def test_a_remote_file_that_cannot_be_reached_is_refused(tmp_path):
    class Nowhere:
        def send(self, request, cancellation):
            raise ConnectionFailed("refused")

    with served(config=Config(database_url="sqlite://", data_dir=tmp_path), http=Nowhere()) as service:
        caller = file_app(service)
        answer = caller.run({"f": {"type": "document", "transfer_method": "remote_url", "url": "http://nowhere.example/a.pdf"}})

    assert answer.json["message"] == "Reached maximum retries (3) for URL http://nowhere.example/a.pdf"
