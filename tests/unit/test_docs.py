"""The documents say what there is, and nothing else."""

import re
from dataclasses import fields
from pathlib import Path

import click
import pytest

from app.cli.main import penstock
from app.config import ApiConfig
from app.errors import CODES
from worker.bus import wire
from worker.config import Config
from worker.engine.errors import GraphError, NodeError
from worker.engine.limits import Limits
from worker.engine.node import NodeSpec
from worker.engine.variables import VariablePool
from worker.nodes.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]

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
    names = set(re.findall(r'return "([a-z_]+)"', source)) | {"error"}
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


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    missing = [target for target in LINK.findall(path.read_text("utf-8")) if not (path.parent / target).exists()]

    assert missing == []


@pytest.fixture
def word_count():
    """The node class of writing-a-node.md."""
    [source] = re.findall(r"```python\n(.*?)```", page("writing-a-node.md"), re.DOTALL)
    module = {"__name__": "word_count"}
    exec(compile(source, "writing-a-node.md", "exec"), module)
    return module["NODE"]


def test_the_node_of_the_guide_works(word_count):
    pool = VariablePool()
    pool.set("a", "text", "one two three")

    assert word_count(NodeSpec("n", "word-count", "", "1", {"text_selector": ["a", "text"]})).run(pool, None).outputs == {"words": 3}
    with pytest.raises(NodeError, match="has 3 words, but needs 4"):
        word_count(NodeSpec("n", "word-count", "", "1", {"text_selector": ["a", "text"], "minimum": 4})).run(pool, None)
    with pytest.raises(NodeError, match=r"a\.missing is not a text"):
        word_count(NodeSpec("n", "word-count", "", "1", {"text_selector": ["a", "missing"]})).run(pool, None)
    with pytest.raises(GraphError, match=r"at \.data\.minimum"):
        word_count(NodeSpec("n", "word-count", "", "1", {"minimum": "few"}))
