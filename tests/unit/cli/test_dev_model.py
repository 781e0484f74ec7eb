import signal
import subprocess
import sys

import httpx
import pytest

from tests.services.models import DevModel


def test_the_server_says_where_it_is_and_ends_on_sigterm():
    command = [sys.executable, "-m", "app.cli", "dev-model", "--port", "0", "--script", "tokens=2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().removeprefix("ready ").strip()
        answer = httpx.post(f"{url}/v1/chat/completions", json={"model": "m", "messages": [{"role": "user", "content": "x"}]})
        process.send_signal(signal.SIGTERM)
        told = process.communicate(timeout=20)

    assert answer.json()["usage"]["completion_tokens"] == 2
    assert (process.returncode, told) == (0, ("", ""))


def test_a_script_that_nobody_can_follow_is_refused(penstock):
    done = penstock("dev-model", "--script", "speed=3")

    assert done.code == 1
    assert done.err.startswith("penstock: There is no directive 'speed'; there are: ")


def test_a_port_that_is_taken_is_said(penstock, dev_model):
    done = penstock("dev-model", "--port", dev_model.url.rpartition(":")[2])

    assert done.code == 1
    assert "in use" in done.err


@pytest.fixture(scope="module")
def slow():
    with DevModel("tokens=3 delay_ms=60000") as server:
        yield server


def test_the_fixture_reports_calls(slow):
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}
    with httpx.stream("POST", f"{slow.base_url}/chat/completions", json=body) as response:
        next(response.iter_raw())
    slow.wait_for_calls("hung up")

    [call] = slow.calls()
    assert call["body"]["messages"] == body["messages"]
    slow.forget()
    assert slow.calls() == []
