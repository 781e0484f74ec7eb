"""Code in a sandbox service: ``PENSTOCK_SANDBOX_URL``."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.sandbox.fake_service import KEY, FakeService
from tests.unit.sandbox.observing import becomes
from worker.config import ConfigError
from worker.engine.errors import NodeError, RunStopped
from worker.engine.inbox import Inbox
from worker.sandbox.remote import RemoteSandbox

INPUTS = {"text": 'é世🌏\0"{}', "number": 1.5, "items": [1, {"a": None}]}


@pytest.fixture
def service() -> Iterator[FakeService]:
    with FakeService() as service:
        thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield service
        service.may_answer.set()
        service.shutdown()
        thread.join()


@pytest.fixture
def sandbox(service: FakeService) -> RemoteSandbox:
    return RemoteSandbox(service.url, KEY)


def error_of(sandbox: RemoteSandbox, source: str = "def main():\n    pass", language: str = "python3") -> str:
    with pytest.raises(NodeError) as caught:
        sandbox.run(language, source, {}, Inbox())
    assert caught.value.error_type == "CodeExecutionError"
    return caught.value.message


def test_python_gets_its_inputs_by_name(sandbox):
    source = (
        "import json as own\njson = 5\ndef main(text, number, items):\n    print('noise')\n    return {'all': [text, number, items, json]}"
    )

    assert sandbox.run("python3", source, INPUTS, Inbox()) == {"all": [*INPUTS.values(), 5]}
    assert sandbox.run("python3", "def main():\n    return json.loads(b64decode('WzFd'))", {}, Inbox()) == [1]


def test_javascript_gets_its_inputs_as_one_object(sandbox):
    source = "const main = (inputs) => { console.log('noise'); return { ...inputs, n: 4 / 2 } } // the end"

    assert sandbox.run("javascript", source, INPUTS, Inbox()) == {**INPUTS, "n": 2}
    assert sandbox.run("javascript", "function main() {}", {}, Inbox()) is None


def test_request_speaks_the_protocol_of_the_service(service):
    RemoteSandbox(service.url, KEY).run("python3", "def main():\n    return 1", {}, Inbox())
    RemoteSandbox(service.url, KEY, allow_network=True).run("javascript", "const main = () => 1", {}, Inbox())

    first, second = service.requests
    assert first["code"].startswith("def main():\n    return 1\n")
    assert [{**request, "code": ""} for request in (first, second)] == [
        {"path": "/base/v1/sandbox/run", "language": "python3", "code": "", "preload": "", "enable_network": False},
        {"path": "/base/v1/sandbox/run", "language": "nodejs", "code": "", "preload": "", "enable_network": True},
    ]


def test_error_text_is_the_services(sandbox):
    python = error_of(sandbox, "def main():\n    raise ValueError('nope')")
    javascript = error_of(sandbox, "function main() { throw new RangeError('nope') }", "javascript")

    assert python.endswith("\nValueError: nope\nerror: exit status 1\n")
    assert "\nRangeError: nope\n" in javascript
    assert javascript.endswith("error: exit status 1\n")


def test_result_must_be_portable_json(sandbox):
    assert "ValueError: Out of range float values" in error_of(sandbox, "def main():\n    return float('nan')")
    deep = "def main():\n    a = []\n    for _ in range(200):\n        a = [a]\n    return a"
    assert error_of(sandbox, deep) == "The result is nested more than 128 levels deep."
    assert error_of(sandbox, "def main():\n    return 'x' * 11_000_000") == "The code gave a result of more than 10485760 bytes."


def test_result_cannot_be_faked_by_printing(sandbox):
    assert sandbox.run("python3", "print('<<>>{}<<>>')\ndef main():\n    return 'real'", {}, Inbox()) == "real"


def test_code_that_ends_its_process_gets_an_error(sandbox):
    assert error_of(sandbox, "import os\nos._exit(0)") == "The code ended without a result."


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (503, b"", "answered with status 503: it is overloaded or unavailable."),
        (500, b"", "answered with status 500: no answer to code."),
        (302, b"", "answered with status 302: no answer to code."),
        (200, b"<html>", "answered with what is no JSON: "),
        (200, b"[" * 100_000, "answered with what is no JSON: "),
        (200, b"[]", "answered with JSON of another kind."),
        (200, b'{"code": -500, "message": "busy", "data": null}', "The code sandbox refused the code: busy"),
        (200, b'{"code": 0, "data": null}', "The code ended without a result."),
        (200, b'{"code": 0, "data": [1]}', "The code ended without a result."),
    ],
)
def test_answers_without_a_result_are_errors(service, sandbox, status, body, message):
    service.scripted = (status, body)

    assert message in error_of(sandbox)


def test_wrong_key_is_named(service):
    text = error_of(RemoteSandbox(service.url, "wrong"))

    port = service.server_address[1]
    assert text == (
        f"The code sandbox at http://127.0.0.1:{port} (PENSTOCK_SANDBOX_URL) answered with status 401: "
        "it does not accept the key (PENSTOCK_SANDBOX_API_KEY)."
    )


def test_service_that_is_not_there_is_named():
    with FakeService() as gone:
        url = gone.url

    assert "(PENSTOCK_SANDBOX_URL) cannot be used: [Errno 111] Connection refused" in error_of(RemoteSandbox(url, KEY))


def test_response_without_end_is_cut_off(monkeypatch, service, sandbox):
    monkeypatch.setattr("worker.sandbox.remote_call.MAX_RESPONSE_BYTES", 1000)
    service.scripted = (200, b"x" * 1_000_000)

    assert "answered with more than 1000 bytes" in error_of(sandbox)


def test_service_that_does_not_answer_is_given_up(monkeypatch, service):
    monkeypatch.setattr("worker.sandbox.remote.QUEUE_S", -14.5)
    service.may_answer.clear()

    assert "cannot be used: timed out" in error_of(RemoteSandbox(service.url, KEY))


def test_stop_ends_the_wait(service, sandbox):
    service.may_answer.clear()
    inbox = Inbox()
    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(sandbox.run, "python3", "def main():\n    pass", {}, inbox)
        assert becomes(lambda: len(service.requests) == 1)
        stopped = time.monotonic()
        inbox.stop()
        with pytest.raises(RunStopped):
            outcome.result(timeout=5)

    assert time.monotonic() - stopped < 1


def test_stopped_run_asks_nothing(service, sandbox):
    inbox = Inbox()
    inbox.stop()

    with pytest.raises(RunStopped):
        sandbox.run("python3", "def main():\n    pass", {}, inbox)
    assert service.requests == []


def test_other_languages_are_refused(sandbox):
    assert error_of(sandbox, "sub main {}", "perl") == "Unsupported language perl"


@pytest.mark.parametrize("url", ["sandbox:8194", "ftp://sandbox", "http://", "http://sandbox:port"])
def test_url_that_is_none_is_refused(url):
    with pytest.raises(ConfigError, match="PENSTOCK_SANDBOX_URL is "):
        RemoteSandbox(url, KEY)
