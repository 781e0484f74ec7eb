"""What can be seen of a zygote from outside, and the errors of its executions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from worker.engine.errors import NodeError
from worker.engine.inbox import Inbox
from worker.sandbox.runner import SandboxRunner


def run(runner: SandboxRunner, source: str, inputs: Mapping[str, Any] | None = None) -> Any:
    return runner.run("python3", source, inputs or {}, Inbox())


def error_of(runner: SandboxRunner, source: str, inputs: Mapping[str, Any] | None = None) -> str:
    with pytest.raises(NodeError) as caught:
        run(runner, source, inputs)
    assert caught.value.error_type == "CodeExecutionError"
    return caught.value.message


def run_javascript(runner: SandboxRunner, source: str, inputs: Mapping[str, Any] | None = None) -> Any:
    return runner.run("javascript", source, inputs or {}, Inbox())


def javascript_error_of(runner: SandboxRunner, source: str, inputs: Mapping[str, Any] | None = None) -> str:
    with pytest.raises(NodeError) as caught:
        run_javascript(runner, source, inputs)
    assert caught.value.error_type == "CodeExecutionError"
    return caught.value.message


def template_error_of(runner: SandboxRunner, template: str, inputs: Mapping[str, Any] | None = None) -> str:
    with pytest.raises(NodeError) as caught:
        runner.render(template, inputs or {}, Inbox())
    assert caught.value.error_type == "CodeExecutionError"
    return caught.value.message


def zygote_id(runner: SandboxRunner) -> int:
    return runner._keeper.ready().process_id


def executions(runner: SandboxRunner) -> list[int]:
    """Process ids of what the zygote has forked and not yet seen end."""
    process_id = zygote_id(runner)
    return [int(child) for child in Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()]


def folders(runner: SandboxRunner) -> list[Path]:
    """Folders of executions; the zygote may have a file system of its own there."""
    zygote = runner._keeper.ready()
    return list(Path(f"/proc/{zygote.process_id}/root{zygote.folder}").iterdir())


def becomes(claim: Callable[[], bool], within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while not claim() and time.monotonic() < deadline:
        time.sleep(0.01)
    return claim()
