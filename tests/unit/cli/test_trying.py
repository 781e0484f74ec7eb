import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import documents
from tests.services.processes import Process, clean_environment
from tests.services.waiting import wait_for

ROOT = Path(__file__).parents[3]


@pytest.fixture
def file_of(tmp_path):
    """Writes a document; JSON is YAML."""

    def write(document):
        path = tmp_path / f"{document['app']['name']}.yml"
        path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
        return path

    return write


def coding(name, source):
    code = documents.code("work", source, {"result": "string"})
    return documents.chain(name, [documents.start(), code, documents.end(result=["work", "result"])])


def asking_the_web(name="web", url="https://intranet.example/orders/7"):
    answer = documents.http_get("ask", url)
    read = documents.code(
        "read",
        "import json\ndef main(body):\n    return {'result': json.loads(body)['data']['title']}",
        {"result": "string"},
        variables=documents.bindings(body=["ask", "body"]),
    )
    return documents.chain(name, [documents.start(), answer, read, documents.end(title=["read", "result"])])


def with_a_tool(name):
    tool = documents.node(
        "call",
        "tool",
        provider_id="aws",
        provider_name="aws",
        provider_type="builtin",
        tool_name="lambda_yaml_to_json",
        tool_label="",
        tool_parameters={},
        tool_configurations={},
    )
    return documents.chain(name, [documents.start(), tool, documents.end(text=["call", "text"])])


def test_each_file_has_its_end_and_its_reason(penstock, file_of, examples, tmp_path):
    chat = asking_the_web("chat")
    chat["app"]["mode"] = "advanced-chat"
    files = [
        examples / "order_desk.yml",
        file_of(asking_the_web()),
        file_of(with_a_tool("vendor")),
        file_of(coding("library", "import antigravity_2\ndef main():\n    return {'result': ''}")),
        file_of(coding("wrong", "def main():\n    raise ValueError('no tea')")),
        file_of(chat),
        tmp_path / "none.yml",
    ]

    done = penstock("apps", "try", *files, "--json")

    trials = {line["file"].rpartition("/")[2]: line for line in done.lines()}
    assert {name: trial["status"] for name, trial in trials.items()} == {
        "order_desk.yml": "failed",
        "web.yml": "succeeded",
        "vendor.yml": "missing",
        "library.yml": "missing",
        "wrong.yml": "failed",
        "chat.yml": "refused",
        "none.yml": "refused",
    }
    assert trials["web.yml"]["reason"] == ""
    assert "'lambda_yaml_to_json' of 'aws'" in trials["vendor.yml"]["reason"]
    assert "imports antigravity_2" in trials["library.yml"]["reason"]
    assert trials["wrong.yml"]["reason"] == "ValueError: no tea"
    assert "advanced-chat" in trials["chat.yml"]["reason"]
    assert done.code == 1


def test_what_is_missing_is_no_failure(penstock, file_of):
    done = penstock("apps", "try", file_of(asking_the_web()), file_of(with_a_tool("vendor")))

    assert done.code == 0
    assert [line.split("\t")[1] for line in done.out.splitlines()] == ["succeeded", "missing"]


def test_code_that_calls_servers_itself_is_told_apart(penstock, file_of):
    source = "import urllib.request\ndef main():\n    return {'result': urllib.request.urlopen('https://example.com/').read().decode()}"
    [trial] = penstock("apps", "try", file_of(coding("calling", source)), "--json").lines()

    assert trial["status"] == "missing"
    assert "PENSTOCK_SANDBOX_NETWORK" in trial["reason"]


def test_nothing_takes_longer_than_it_may(penstock, file_of, monkeypatch):
    monkeypatch.setenv("PENSTOCK_SANDBOX_WORKER_TIMEOUT", "60")
    slow = file_of(coding("slow", "import time\ndef main():\n    time.sleep(60)\n    return {'result': ''}"))

    [trial] = penstock("apps", "try", slow, "--timeout", "1", "--json").lines()

    assert trial["status"] == "failed"
    assert trial["reason"].startswith("Aborted: Maximum execution time exceeded")
    assert trial["elapsed_s"] < 10


def test_servers_answer_what_a_script_says(penstock, file_of, tmp_path):
    script = tmp_path / "answers.yml"
    script.write_text("- {url: 'https://intranet.example/orders/*', json: {data: {title: A scripted title}}}")
    web = file_of(asking_the_web())

    assert json.loads(penstock("run", web, "--http-answers", script).out) == {"title": "A scripted title"}
    assert json.loads(penstock("run", web, "--dev-http").out)["title"]
    [trial] = penstock("apps", "try", web, "--http-answers", script, "--json").lines()
    assert trial["status"] == "succeeded"


def test_a_script_that_cannot_be_read_is_a_sentence(penstock, file_of, tmp_path):
    script = tmp_path / "answers.yml"
    script.write_text("- {path: /orders}")

    done = penstock("apps", "try", file_of(asking_the_web()), "--http-answers", script)

    assert done.code == 1
    assert done.err == f"penstock: {script}, rule 1: it must be a mapping with `url`.\n"


def children_of(pid):
    listed = subprocess.run(["ps", "-A", "-o", "ppid="], capture_output=True, text=True, check=True).stdout
    return listed.split().count(str(pid))


def test_an_interrupt_ends_the_command(file_of, tmp_path):
    slow = file_of(coding("slow", "import time\ndef main():\n    time.sleep(600)\n    return {'result': ''}"))
    command = [sys.executable, "-m", "app.cli", "apps", "try", "first.yml", str(slow), "last.yml", "--json"]
    environment = clean_environment(PYTHONPATH=str(ROOT), PENSTOCK_SANDBOX_WORKER_TIMEOUT="600")
    process = Process(command, tmp_path / "log", environment, tmp_path)
    try:
        wait_for(lambda: children_of(process.pid), "the process that the code runs in")
        process.interrupt()
        assert process.wait() == 130
    finally:
        process.close()
    assert process.output.splitlines()[-1] == "penstock: Interrupted."
    assert "last.yml" not in process.output
