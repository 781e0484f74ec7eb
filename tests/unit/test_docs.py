"""The documents say what there is, and nothing else."""

import importlib
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import click
import pytest

import worker.nodes
from app.cli.main import penstock
from app.config import ApiConfig
from app.errors import CODES
from app.publish import check_document
from tests.services import documents
from tests.unit.engine.building import run_of
from worker.bus import wire
from worker.config import Config
from worker.doctor import CHECKS
from worker.engine.graph import compile_graph
from worker.engine.limits import Limits
from worker.nodes.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]

#: ``[text](target)`` with a target in the repository.
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


def page(name):
    return (DOCS / name).read_text("utf-8")


def first_columns(text):
    """Code words of the first column of every table."""
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return {word for cell in cells for word in re.findall(r"`([^`]+)`", cell)}


def default_of(value):
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value in ("", ()):
        return ""
    return f"`{int(value) if isinstance(value, float) and value.is_integer() else value}`"


@pytest.mark.parametrize("item", [item for cls in (Config, ApiConfig) for item in fields(cls) if item.metadata], ids=lambda item: item.name)
def test_every_setting_is_documented_with_its_default(item):
    row = f"| `{item.metadata['variable']}` | {default_of(item.default)} | {item.metadata['doc']} |"

    assert row in page("settings.md").splitlines()


@pytest.mark.parametrize("item", fields(Limits), ids=lambda item: item.name)
def test_every_limit_is_documented_with_its_default(item):
    assert f"| `PENSTOCK_{item.name.upper()}` | {default_of(item.default)} | " in page("settings.md")


def test_no_setting_is_documented_that_does_not_exist():
    known = {item.metadata["variable"] for cls in (Config, ApiConfig) for item in fields(cls) if item.metadata}
    known |= {f"PENSTOCK_{item.name.upper()}" for item in fields(Limits)}

    assert first_columns(page("settings.md")) - known == {"PORT", "WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "PENSTOCK_LOG_LEVEL"}


def test_every_error_code_is_documented():
    documented = set(re.findall(r"`([a-z_]+)`", "".join(line for line in page("errors.md").splitlines() if re.match(r"\| \d", line))))

    assert set(CODES) <= documented
    assert documented - set(CODES) == set()


def test_every_event_is_documented():
    source = Path(wire.__file__).read_text("utf-8")
    names = set(re.findall(r'return "([a-z_]+)"', source)) | {"error", "tts_message", "tts_message_end"}
    containers = {f"{kind}_{what}" for kind in ("iteration", "loop") for what in ("started", "next", "completed")}

    assert names <= first_columns(page("events.md"))
    assert first_columns(page("events.md")) - names == containers


def test_the_page_of_node_types_lists_those_that_exist():
    assert first_columns(page("nodes.md")) == set(Registry().node_types())


def commands(group, path="penstock"):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        elif not command.hidden:
            yield f"{path} {name}"


@pytest.mark.parametrize("command", sorted(commands(penstock)))
def test_every_command_is_documented(command):
    assert f"`{command}" in page("command-line.md")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_every_check_of_the_doctor_is_documented(check):
    assert f"| `{check.name}` | {check.promise} | {check.advice} |" in page("doctor.md").splitlines()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    missing = [target for target in LINK.findall(path.read_text("utf-8")) if not (path.parent / target).exists()]

    assert missing == []


#: The node of writing-a-node.md, and its test.
NODE_SOURCE, TEST_SOURCE = re.findall(r"```python\n(.*?)```", page("writing-a-node.md"), re.DOTALL)


@pytest.fixture
def word_count(tmp_path, monkeypatch):
    """The node of the guide, laid where it belongs: one more file in the package of the nodes."""
    (tmp_path / "word_count.py").write_text(NODE_SOURCE, "utf-8")
    monkeypatch.setattr(worker.nodes, "__path__", [*worker.nodes.__path__, str(tmp_path)])
    yield importlib.import_module("worker.nodes.word_count")
    del sys.modules["worker.nodes.word_count"], worker.nodes.word_count


def test_the_node_of_the_guide_runs_in_a_workflow(word_count):
    count = documents.node("count", "word-count", text_selector=["start", "text"])
    document = documents.chain("Counting", [documents.start(documents.variable("text")), count, documents.end(words=["count", "words"])])
    check = check_document(document, Registry())
    run, _, _ = run_of(compile_graph(check.workflow, Registry()), inputs={"text": "one two three"})

    assert check.findings == ()
    assert run.execute().outputs == {"words": 3}


def test_the_test_of_the_guide_passes(word_count):
    tests = {}
    exec(compile(TEST_SOURCE, "test_word_count.py", "exec"), tests)
    cases = [test for name, test in tests.items() if name.startswith("test_")]

    assert len(cases) == 4
    for case in cases:
        case()


@pytest.mark.parametrize("source", [NODE_SOURCE, TEST_SOURCE], ids=["node", "test"])
def test_the_code_of_the_guide_is_formatted_as_the_rest(source):
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["format", "--check"], ["check"]):
        done = subprocess.run([*ruff, *command, "--stdin-filename", "worker/nodes/word_count.py", "-"], cwd=ROOT, input=source, text=True)
        assert done.returncode == 0
