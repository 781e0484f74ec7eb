import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from app import documents
from app.cli.main import main

EXAMPLES = Path(documents.__file__).parent / "examples"


def json_lines(output: str) -> list[dict]:
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture
def examples() -> Path:
    return EXAMPLES


@pytest.fixture
def penstock(tmp_path, capsys, monkeypatch) -> Callable[..., SimpleNamespace]:
    """Runs a command on a fresh data folder; answers its exit code and what it printed."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.setenv("PENSTOCK_DATA_DIR", str(tmp_path / "data"))

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return SimpleNamespace(code=ended.value.code, out=told.out, err=told.err, lines=lambda: json_lines(told.out))

    return run
