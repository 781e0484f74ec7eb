"""The direction of imports between the parts of the product, without a list of exceptions.

The first half walks the syntax trees, so that an arrow inside a function counts too. The second half asks a fresh interpreter what an
import really loads.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

INNER = {"worker.engine", "worker.config"}
STATE = {"worker.store", "worker.bus"}

#: What joins store and bus to end a run that no worker executes, and to let one begin: both processes do that.
JOINING = {"worker.closing", "worker.history", "worker.journal", "worker.limits"}

#: What both processes use.
SHARED = (
    INNER
    | STATE
    | JOINING
    | {"worker.turns", "worker.outbound", "worker.broker", "worker.files", "worker.json_schema", "worker.speech", "worker.model_providers"}
    # Makes schedules, and begins their runs.
    | {"worker.schedules"}
    # What operators set up, by the command line or the admin API. It imports what executes runs when somebody does.
    | {"worker.operating"}
)

#: What executes runs; of the HTTP process only the command line may touch it.
EXECUTION = {"worker", "worker.nodes", "worker.llm", "worker.tools", "worker.knowledge", "worker.sandbox"}

#: Part -> parts it may import, besides itself and libraries. The longest name that fits a module is its part.
ARROWS: dict[str, set[str]] = {
    "worker.engine": set(),
    "worker.config": {"worker.engine"},
    "worker.nodes": {"worker.engine"},
    "worker.tools": {"worker.engine"},
    "worker.knowledge": INNER | {"worker.store"},
    "worker.llm": INNER | {"worker.outbound"},
    "worker.model_providers": INNER | {"worker.store", "worker.llm"},
    "worker.json_schema": set(),
    "worker.speech": {"worker.engine"},
    "worker.turns": set(),
    "worker.store": INNER | {"worker.turns"},
    "worker.bus": INNER | {"worker.turns", "worker.broker"},
    "worker.outbound": INNER,
    "worker.documents": {"worker.engine"},
    "worker.sandbox": INNER | {"worker.documents"},
    "worker.broker": {"worker.config"},
    "worker.files": INNER | {"worker.store", "worker.outbound"},
    **dict.fromkeys(JOINING, INNER | STATE | JOINING),
    "worker.schedules": INNER | STATE | {"worker.limits", "worker.files", "worker.json_schema"},
    "worker.operating": INNER | {"worker.store", "worker.outbound"} | EXECUTION,
    "worker": SHARED | EXECUTION,
    "app": SHARED,
    # A model vendor for tests and demos: knows nothing of the product.
    "app.dev_model": set(),
    # The web around it, as scripted.
    "app.dev_http": {"app.dev_model", "worker.engine"},
    "app.cli": SHARED | EXECUTION | {"app", "app.dev_model", "app.dev_http"},
}

#: Libraries of the HTTP process; a worker starts without them.
WEB_LIBRARIES = {"flask", "flask_smorest", "flask_sock", "marshmallow", "apispec", "gunicorn", "werkzeug"}


def modules() -> Iterator[tuple[str, Path]]:
    for package in ("app", "worker"):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())


def imported_names(module: str, path: Path) -> Iterator[str]:
    """Every module that ``path`` imports, at the top or inside a function; `from a import b` counts as `a.b` if that is a module."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute_name(node, package)
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield name if name in MODULES else base


def absolute_name(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parents = package.split(".")
    anchor = parents[: len(parents) - node.level + 1]
    return ".".join([*anchor, node.module] if node.module else anchor)


def part_of(module: str) -> str:
    """Longest part that contains ``module``; packages above a part (`worker` itself) belong to the outer part."""
    fitting = [part for part in ARROWS if module == part or module.startswith(part + ".")]
    return max(fitting, key=len)


def forbidden(module: str, imported: str) -> bool:
    if imported.split(".")[0] not in ("app", "worker"):
        return not is_allowed_library(module, imported.split(".")[0])
    if imported == "worker" and module.startswith("worker."):
        # The package itself is empty.
        return False
    mine, theirs = part_of(module), part_of(imported)
    return theirs != mine and theirs not in ARROWS[mine]


def is_allowed_library(module: str, library: str) -> bool:
    if part_of(module) == "worker.engine":
        return library in sys.stdlib_module_names
    return not (module.startswith("worker") and library in WEB_LIBRARIES)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_follow_the_arrows(module):
    wrong = sorted({name for name in imported_names(module, MODULES[module]) if forbidden(module, name)})

    assert not wrong, f"{module} must not import {', '.join(wrong)}"


def test_every_part_exists():
    assert set(ARROWS) <= {package for module in MODULES for package in (module, *parents_of(module))}


def parents_of(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def test_nodes_and_tasks_are_out_of_reach_for_the_api():
    assert forbidden("app.views.runs", "worker.nodes.start")
    assert forbidden("app.enqueue", "worker.tasks")
    assert forbidden("worker.engine.run", "worker.store.runs")
    assert forbidden("worker.engine.run", "orjson")
    assert forbidden("worker.store.runs", "worker.bus.wire")
    assert forbidden("worker.runner", "app")
    assert forbidden("worker.runner", "flask")
    assert not forbidden("app.cli.up", "worker.tasks")


def loaded_by(statement: str) -> set[str]:
    """Names in ``sys.modules`` of a fresh interpreter after ``statement``."""
    program = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def below(loaded: set[str], *parents: str) -> set[str]:
    return {name for name in loaded if any(name == parent or name.startswith(parent + ".") for parent in parents)}


def test_the_api_loads_neither_nodes_nor_what_nodes_need():
    # app.wsgi makes an application when it is imported, and that needs a database.
    names = [name for name in MODULES if part_of(name) == "app" and name != "app.wsgi"]

    loaded = loaded_by("\n".join(f"import {name}" for name in names))

    assert not below(loaded, "worker.nodes", "worker.sandbox", "worker.tasks", "worker.runner", "worker.celery", "worker.engine.run")
    assert not below(loaded, "app.cli", "rich")
    assert not below(loaded, "json_repair", "openai", "anthropic", "tiktoken", "numpy", "pandas", "pypdf", "pypdfium2", "docx", "openpyxl")


def test_the_worker_loads_no_web_framework():
    loaded = loaded_by("import worker.tasks")

    assert not below(loaded, "app", *WEB_LIBRARIES)
    # Documents are read by processes of their own.
    assert not below(loaded, "chardet", "docx", "lxml", "olefile", "pypdf", "pypdfium2", "python_calamine")


def test_processes_begin_without_what_few_of_them_need():
    """Each of these weighs megabytes; whoever calls for them waits for them once."""
    loaded = loaded_by("import app.assembly, worker.tasks, worker.lifecycle")

    assert not below(loaded, "jsonschema", "referencing", "attr", "markdown_it", "cronsim", "httpx2")


def test_the_engine_loads_nothing_but_itself_and_the_standard_library():
    engine = [name for name in MODULES if part_of(name) == "worker.engine"]
    before = loaded_by("pass")

    loaded = loaded_by("\n".join(f"import {name}" for name in engine)) - before

    foreign = {name for name in loaded if name.split(".")[0] not in sys.stdlib_module_names}
    assert foreign - {"worker"} == set(engine)
