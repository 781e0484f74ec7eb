"""Packages that the operator lets code import: ``PENSTOCK_SANDBOX_PACKAGES``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.sandbox.observing import error_of, run
from worker.config import ConfigError
from worker.sandbox.packages import find_packages
from worker.sandbox.policy import Policy
from worker.sandbox.runner import SandboxRunner


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed distributions, below one that only its owner may enter."""
    folder = tmp_path / "private" / "site"
    folder.mkdir(parents=True)
    folder.parent.chmod(0o700)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def install(site: Path, name: str, files: dict[str, str], *requirements: str) -> None:
    metadata = [f"Name: {name}", "Version: 1.5", *(f"Requires-Dist: {requirement}" for requirement in requirements)]
    files = {**files, f"{name}-1.5.dist-info/METADATA": "\n".join(["Metadata-Version: 2.1", *metadata, ""])}
    for path, text in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(text)
    record = site / f"{name}-1.5.dist-info" / "RECORD"
    record.write_text("".join(f"{path},,\n" for path in [*files, f"{name}-1.5.dist-info/RECORD", "../../bin/tool", "__pycache__/x.pyc"]))


@pytest.fixture
def packed(site: Path) -> Iterator[SandboxRunner]:
    install(
        site, "fruit", {"fruit/__init__.py": "from fruit import core", "fruit/core.py": "import seed", "fruit/data.txt": "é"}, "seed>=1"
    )
    install(site, "seed", {"seed.py": "size = 3"})
    install(site, "secret", {"secret.py": ""})
    runner = SandboxRunner(policy=Policy(packages=("fruit",)))
    yield runner
    runner.close()


def test_packages_are_found_with_what_they_require(site):
    install(
        site, "fruit", {"fruit/__init__.py": "", "fruit/a/b.py": ""}, 'seed (>=1); python_version > "3"', "absent", 'gone; extra == "x"'
    )
    install(site, "seed", {"seed.py": "", "_seed.py": ""}, "fruit")

    assert find_packages(["Fruit"]) == {
        name: str(site / name) for name in ("fruit", "fruit-1.5.dist-info", "_seed.py", "seed.py", "seed-1.5.dist-info")
    }


def test_package_that_is_not_installed_is_refused_by_name():
    with pytest.raises(ConfigError, match="PENSTOCK_SANDBOX_PACKAGES names 'no-such-thing', which is not installed"):
        SandboxRunner(policy=Policy(packages=("json_repair", "no-such-thing")))


def test_package_without_files_is_refused_by_name(site):
    install(site, "linked", {})

    with pytest.raises(ConfigError, match="PENSTOCK_SANDBOX_PACKAGES needs 'linked', but its installation lists no files"):
        find_packages(["linked"])


def test_code_imports_listed_packages_with_their_data_and_requirements(packed):
    source = """
import fruit, importlib.metadata, importlib.resources, pkgutil
def main():
    text = importlib.resources.files("fruit").joinpath("data.txt").read_text()
    modules = [module.name for module in pkgutil.iter_modules(fruit.__path__)]
    return [fruit.core.seed.size, text, open(fruit.__file__).read(), modules, importlib.metadata.version("fruit")]
"""
    assert run(packed, source) == [3, "é", "from fruit import core", ["core"], "1.5"]


def test_nothing_else_that_is_installed_there_can_be_imported(packed):
    for name in ("secret", "sqlalchemy", "pip"):
        assert f"ModuleNotFoundError: No module named '{name}'" in error_of(packed, f"import {name}")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines to this degree")
def test_packages_open_no_other_files(packed, site):
    if "landlock" not in packed.tier():
        pytest.skip("this kernel has no Landlock")
    probing = "import fruit, os\nhere = os.path.dirname(os.path.realpath(fruit.__file__))\n"

    for attempt in (
        "open(os.path.join(here, '..', 'secret.py'))",
        f"open({str(site / 'secret.py')!r})",
        "os.listdir(os.path.join(here, '..'))",
        "open(os.path.join(here, 'new.py'), 'w')",
    ):
        assert "PermissionError" in error_of(packed, probing + attempt)


def test_real_package_works():
    runner = SandboxRunner(policy=Policy(packages=("json_repair",)))
    try:
        assert run(runner, "import json_repair\ndef main():\n    return json_repair.loads(\"{'a': 1,\")") == {"a": 1}
    finally:
        runner.close()


def test_many_packages_leave_room_for_files_of_the_code(site):
    for number in range(60):
        install(site, f"part{number}", {f"part{number}/__init__.py": ""})
    runner = SandboxRunner(policy=Policy(packages=tuple(f"part{number}" for number in range(60))))
    try:
        assert run(runner, "import part59\ndef main():\n    return len([open(str(n), 'w') for n in range(30)])") == 30
    finally:
        runner.close()
