"""The pages of forms, read as a browser reads them."""

import io
import re
from typing import Any

import pytest
from lxml import html as lxml_html

from app.config import ApiConfig
from tests.unit.app.asking import FILE, FILES, PARAGRAPH, SELECT, Asking, form_of
from tests.unit.app.serving import Caller, Service, served
from worker.config import Config
from worker.engine.human_form import HumanForm
from worker.store.errors import StorageUnavailable
from worker.store.files import StoredFile
from worker.store.models import App


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory):
    config = Config(database_url="sqlite://", data_dir=tmp_path_factory.mktemp("data"))
    with served(ApiConfig(upload_extension_blacklist=("exe",), image_file_size_limit=0), config) as made:
        yield made


def ask(caller: Caller, *forms: HumanForm, **options: Any) -> tuple[str, str]:
    """A run that waits for a form: the address of its page, and the run."""
    caller.service.worker.script = Asking(caller.service.database, forms or [form_of(PARAGRAPH)], **options)
    answer = caller.run().json
    return f"/form/{answer['data']['reasons'][0]['form_token']}", answer["workflow_run_id"]


def visit(caller: Caller, path: str):
    return caller.client.get(path)


def send(caller: Caller, path: str, action: str = "approve", **fields: Any):
    return caller.client.post(path, data={"action": action, **{name.replace("__", "."): value for name, value in fields.items()}})


def page(answer: Any) -> Any:
    assert answer.content_type == "text/html; charset=utf-8"
    return lxml_html.fromstring(answer.text)


def text(answer: Any) -> str:
    return " ".join(page(answer).find("body").text_content().split())


def outputs(caller: Caller, run_id: str) -> dict[str, Any]:
    caller.service.worker.join()
    return caller.get(f"/v1/workflows/run/{run_id}").json["outputs"].get("ask0")


def test_a_page_shows_content_controls_and_buttons(caller: Caller):
    form = form_of(PARAGRAPH, SELECT, FILE, FILES, content="## The offer\n\nWhy? {{#$output.reason#}}", reason="As before.")
    path, _ = ask(caller, form)

    answer = visit(caller, path)

    shown = page(answer)
    assert (answer.status_code, shown.findtext(".//h1"), shown.findtext(".//h2")) == (200, "ASK0", "The offer")
    assert shown.xpath("string(//p[starts-with(., 'Why?')]//textarea[@name='in.reason'])").strip() == "As before."
    assert shown.xpath("//select[@name='in.urgency']/option[not(@disabled)]/text()") == ["low", "high"]
    (contract,), (annexes,) = shown.xpath("//input[@name='in.contract']"), shown.xpath("//input[@name='in.annexes']")
    assert ".pdf" in contract.get("accept").split(",")
    assert (contract.get("multiple"), annexes.get("multiple")) == (None, "multiple")
    assert shown.xpath("//input[starts-with(@name, 'url.')]") == []
    buttons = [(button.get("value"), button.text, button.get("class")) for button in shown.xpath("//button[@name='action']")]
    assert buttons == [("approve", "Approve", "primary"), ("reject", "Reject", "default")]


def test_a_page_needs_no_key_and_no_script_and_tells_nobody_its_address(caller: Caller):
    path, _ = ask(caller)

    answer = visit(caller, path)

    nonce = re.search(r'<style nonce="([^"]+)">', answer.text)[1]
    policy = f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    assert answer.headers["Content-Security-Policy"] == policy
    assert (answer.headers["Referrer-Policy"], answer.headers["Cache-Control"]) == ("no-referrer", "no-store")
    assert page(answer).xpath("//script | //@style | //link | //img") == []
    assert nonce not in visit(caller, path).text


def test_whatever_the_run_says_stays_text(caller: Caller):
    evil = '"><script>alert(1)</script></textarea></option>'
    select = {**SELECT, "option_source": {"type": "variable", "selector": ["x", "y"], "value": [evil]}}
    path, _ = ask(caller, form_of(PARAGRAPH, select, content=evil, reason=evil))

    shown = page(visit(caller, path))

    assert shown.xpath("//script") == []
    assert shown.xpath("string(//textarea)").strip() == evil
    assert shown.xpath("//option[not(@disabled)]/text()") == [evil]


def test_a_submitted_page_answers_the_form(caller: Caller):
    path, run_id = ask(caller, form_of(PARAGRAPH, SELECT))

    answer = send(caller, path, "reject", in__reason="Two\r\nlines", in__urgency="high")

    assert (answer.status_code, text(answer)) == (200, "Thank you Your answer was sent: Reject.")
    assert outputs(caller, run_id) == {"action": "reject", "reason": "Two\nlines", "urgency": "high"}


def test_files_of_a_page_are_kept_as_uploads(caller: Caller):
    path, run_id = ask(caller, form_of(FILE, FILES))
    files = {"in__contract": (io.BytesIO(b"one"), "a.txt"), "in__annexes": [(io.BytesIO(b"two"), "b.md"), (io.BytesIO(b"three"), "c.md")]}

    assert send(caller, path, **files).status_code == 200

    told = outputs(caller, run_id)
    assert [file["filename"] for file in (told["contract"], *told["annexes"])] == ["a.txt", "b.md", "c.md"]
    assert [file["size"] for file in (told["contract"], *told["annexes"])] == [3, 3, 5]


def test_a_form_that_takes_addresses_asks_for_them(caller: Caller):
    by_address = {**FILES, "allowed_file_upload_methods": ["remote_url"]}
    path, _ = ask(caller, form_of(by_address))

    shown = page(visit(caller, path))
    refused = send(caller, path, url__annexes="ftp://127.0.0.1/x.pdf")

    assert [field.get("name") for field in shown.xpath("//input | //textarea")] == ["url.annexes"]
    assert (refused.status_code, page(refused).findtext(".//p[@role='alert']")) == (400, "Invalid file url")


@pytest.mark.parametrize(
    ("action", "fields", "problem"),
    [
        ("approve", {"in__reason": "typed"}, "Missing required inputs: urgency"),
        (
            "approve",
            {"in__reason": "typed", "in__urgency": "medium"},
            "urgency in input form must be one of the following: ['low', 'high']",
        ),
        ("", {"in__reason": "typed", "in__urgency": "low"}, "Invalid action: "),
    ],
)
def test_an_answer_that_does_not_fit_comes_back_with_what_was_typed(caller: Caller, action: str, fields: dict[str, str], problem: str):
    path, run_id = ask(caller, form_of(PARAGRAPH, SELECT))

    answer = send(caller, path, action, **fields)

    shown = page(answer)
    assert (answer.status_code, shown.findtext(".//p[@role='alert']")) == (400, problem)
    assert shown.xpath("string(//textarea)").strip() == "typed"
    assert outputs(caller, run_id) is None


@pytest.mark.parametrize(
    ("upload", "status", "problem"),
    [
        ((io.BytesIO(b"x"), "a.exe"), 400, "Files with the extension 'exe' may not be uploaded."),
        ((io.BytesIO(b"x"), "a.mp3", "audio/mp3"), 400, "File validation failed for file: a.mp3"),
        ((io.BytesIO(b"x"), "a.png", "image/png"), 413, "File size exceeded."),
    ],
)
def test_a_file_that_may_not_be_uploaded_is_refused(caller: Caller, upload: Any, status: int, problem: str):
    path, _ = ask(caller, form_of(FILE))

    answer = send(caller, path, in__contract=upload)

    assert (answer.status_code, page(answer).findtext(".//p[@role='alert']")) == (status, problem)


def test_no_file_is_kept_of_an_answer_that_does_not_fit(service: Service, caller: Caller):
    path, _ = ask(caller, form_of(FILE, SELECT))

    send(caller, path, in__contract=(io.BytesIO(b"x"), "a.txt"), in__urgency="medium")

    with service.database.read() as session:
        assert session.query(StoredFile).filter_by(app_id=caller.app_id).count() == 0


def test_who_comes_second_is_told_so(caller: Caller):
    path, _ = ask(caller)
    send(caller, path, in__reason="x")

    for answer in (visit(caller, path), send(caller, path, in__reason="y")):
        assert (answer.status_code, text(answer)) == (
            412,
            "Already answered Somebody has answered this form. There is nothing left to do.",
        )


def test_who_comes_late_is_told_so(caller: Caller):
    path, _ = ask(caller, timeout_s=-1.0)

    for answer in (visit(caller, path), send(caller, path, in__reason="y")):
        assert answer.status_code == 412
        assert text(answer).startswith("Too late This form cannot be answered any more")


def test_an_address_that_leads_nowhere_is_told_so(caller: Caller):
    for answer in (visit(caller, "/form/nope"), send(caller, "/form/nope")):
        assert answer.status_code == 404
        assert text(answer).startswith("No such form")
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_form_that_is_not_meant_for_a_page_has_none(caller: Caller):
    shown = form_of(PARAGRAPH)
    path, _ = ask(caller, HumanForm(shown.content, shown.inputs, shown.actions, display_in_ui=False, default_values={}))

    assert (visit(caller, path).status_code, send(caller, path, in__reason="x").status_code) == (404, 404)


@pytest.mark.parametrize("change", [{"api_enabled": False}, {"status": "archived"}])
def test_an_app_that_is_switched_off_shows_no_page(service: Service, caller: Caller, change: dict[str, Any]):
    path, _ = ask(caller)
    with service.database.begin() as session:
        for name, value in change.items():
            setattr(session.get_one(App, caller.app_id), name, value)

    assert visit(caller, path).status_code == 404


def test_a_failure_is_a_page_that_says_nothing_of_itself(service: Service, caller: Caller, monkeypatch: pytest.MonkeyPatch):
    path, _ = ask(caller)

    def fail(*arguments: Any) -> None:
        raise StorageUnavailable("secret host gone")

    monkeypatch.setattr(service.database, "transact", fail)
    answer = send(caller, path, in__reason="x")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "secret" not in answer.text
    assert text(answer).startswith("This did not work The service is temporarily unavailable.")
