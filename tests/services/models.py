"""The scripted model server as a process of its own: to the product it is one more vendor on the network."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from app.cli.scripted_models import scripted_settings
from tests.services.processes import Process, clean_environment
from tests.services.waiting import wait_for


class DevModel:
    """``script`` are directives for every request; docs/dev-model.md has them all."""

    def __init__(self, script: str = "") -> None:
        self._script = script
        self._folder = tempfile.TemporaryDirectory(prefix="penstock-dev-model-")
        self._process: Process | None = None
        self.url = ""

    @property
    def base_url(self) -> str:
        """What a provider of type OpenAI is configured with; the Anthropic API has ``url``."""
        return f"{self.url}/v1"

    @property
    def settings(self) -> dict[str, str]:
        """Environment of a ``Server`` whose every provider is this one."""
        return scripted_settings(self.base_url)

    def __enter__(self) -> DevModel:
        folder = Path(self._folder.name)
        command = [sys.executable, "-m", "app.cli", "dev-model", "--port", "0", "--script", self._script]
        self._process = Process(command, folder / "log", clean_environment(PYTHONPATH=str(Path(__file__).parents[2])), folder)
        self.url = self._process.wait_for_output(r"ready (\S+)")[1]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._process is not None:
            self._process.close()
        self._folder.cleanup()

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("The model server was not started.")
        return self._process.pid

    def calls(self) -> list[dict[str, Any]]:
        """What was asked since the last ``forget``, in order; the fields are those of ``app.dev_model.calls.Call``."""
        return list(httpx.get(f"{self.url}/dev/calls").raise_for_status().json())

    def forget(self) -> None:
        """Calls so far, and how often faults with ``times`` happened."""
        httpx.delete(f"{self.url}/dev/calls").raise_for_status()

    def wait_for_calls(self, state: str, count: int = 1, timeout_s: float = 30.0) -> None:
        """Until so many calls are ``open``, ``complete``, ``broken`` or ``hung up``."""
        wait_for(lambda: sum(call["state"] == state for call in self.calls()) >= count, f"{count} calls that are {state}", timeout_s)
