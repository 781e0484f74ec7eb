"""Files that cannot run: every reason in one sentence, with the node and its path, and nothing half stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.services import documents
from tests.services.penstock import Installation

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def broken(change: Any) -> str:
    document = documents.chain("broken", [documents.start(), documents.template("middle", "x"), documents.end(x=["middle", "output"])])
    change(document)
    return json.dumps(document, ensure_ascii=False)


def graph(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["workflow"]["graph"]
    return found


def add_cycle(document: dict[str, Any]) -> None:
    graph(document)["edges"].append(documents.edge(9, "middle", "middle"))


def add_long_cycle(document: dict[str, Any]) -> None:
    graph(document)["nodes"].append(documents.template("other", "y"))
    graph(document)["edges"] += [documents.edge(8, "middle", "other"), documents.edge(9, "other", "middle")]


def add_dangling_edge(document: dict[str, Any]) -> None:
    graph(document)["edges"].append(documents.edge(9, "middle", "nowhere"))


def drop_start(document: dict[str, Any]) -> None:
    del graph(document)["nodes"][0]
    del graph(document)["edges"][0]


def change_type(document: dict[str, Any]) -> None:
    graph(document)["nodes"][1]["data"]["type"] = "teleport"


def change_mode(document: dict[str, Any]) -> None:
    document["app"]["mode"] = "chat"


#: Name -> (text of the file, words that the one sentence about it must hold).
BROKEN = {
    "not_yaml": ("{: [", ["YAML"]),
    "not_a_mapping": ("- 1\n- 2\n", ["mapping"]),
    "empty": ("", ["mapping"]),
    "bomb": (BOMB, []),
    "cycle": (broken(add_cycle), ["MIDDLE", "cycle"]),
    "long_cycle": (broken(add_long_cycle), ["MIDDLE", "OTHER", "cycle"]),
    "no_start": (broken(drop_start), ["start"]),
    "unknown_type": (broken(change_type), ["MIDDLE", "teleport", "workflow.graph.nodes"]),
    "other_mode": (broken(change_mode), ["chat"]),
    "no_graph": ('{"app": {"mode": "workflow", "name": "x"}, "kind": "app"}', ["workflow"]),
}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("broken"))


@pytest.fixture(scope="module")
def files(installation: Installation) -> dict[str, Path]:
    folder = installation.folder / "files"
    folder.mkdir()
    for name, (text, _) in BROKEN.items():
        (folder / f"{name}.yml").write_text(text, "utf-8")
    return {name: folder / f"{name}.yml" for name in BROKEN}


@pytest.mark.parametrize("name", BROKEN)
def test_check_says_why_in_one_sentence(installation, files, name):
    done = installation.call("apps", "check", str(files[name]))

    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    for word in BROKEN[name][1]:
        assert word.lower() in (done.stdout + done.stderr).lower()


def test_an_edge_to_nowhere_is_named_and_dropped(installation, tmp_path):
    """dsl.md section 6.4: a warning, since editors leave such edges behind and the rest of the workflow runs without it."""
    file = tmp_path / "dangling.yml"
    file.write_text(broken(add_dangling_edge), "utf-8")

    done = installation.call("apps", "check", str(file))

    assert done.returncode == 0
    for word in ("nowhere", "MIDDLE", "workflow.graph.edges"):
        assert word in done.stdout + done.stderr


def test_check_of_a_good_file_is_silent_success(installation, tmp_path):
    good = tmp_path / "good.yml"
    good.write_text(broken(lambda document: None), "utf-8")

    assert installation.call("apps", "check", str(good)).returncode == 0


def test_bad_files_do_not_keep_the_good_ones_from_being_imported(installation, files, tmp_path):
    good = tmp_path / "good.yml"
    good.write_text(broken(lambda document: None), "utf-8")

    done = installation.call("apps", "import", *map(str, files.values()), str(good), "--json")

    lines = {Path(line["file"]).stem: line for line in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 1
    assert lines.keys() == {*BROKEN, "good"}
    assert lines["good"]["api_key"].startswith("app-")
    assert all("\n" not in lines[name]["error"] and lines[name].keys() == {"file", "error"} for name in BROKEN)
    listed = installation.call("apps", "list")
    assert listed.stdout.count("broken") == 1
