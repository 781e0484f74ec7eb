"""The lock files name every package in one exact version and say nothing about where it comes from."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PINNED = re.compile(r"([a-z0-9-]+)==[^\s;]+( ; .+)?")


def lines(name):
    text = (ROOT / name).read_text("utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


def pinned(name):
    """Package names of a lock file."""
    return {match[1] for line in lines(name) if (match := PINNED.fullmatch(line))}


def declared(requirements):
    """Package names of pyproject.toml."""
    return {re.split(r"[\[<>=;~! ]", requirement, maxsplit=1)[0].lower().replace("_", "-") for requirement in requirements}


@pytest.mark.parametrize(("name", "others"), [("requirements.txt", []), ("requirements-test.txt", ["-r requirements.txt"])])
def test_every_line_is_an_exact_version(name, others):
    assert [line for line in lines(name) if not PINNED.fullmatch(line)] == others


def test_everything_that_is_declared_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert declared(project["dependencies"]) - pinned("requirements.txt") == set()
    assert declared(project["optional-dependencies"]["test"]) - pinned("requirements.txt") - pinned("requirements-test.txt") == set()
