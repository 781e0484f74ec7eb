"""Runs workflow code and templates in processes of their own: the ``CodeRunner`` and ``TemplateRenderer`` of ports.py.

A zygote (zygote_main.py) is started with the first execution and forks a fresh process for each one, so that an execution costs a few
milliseconds and finds nothing of any other. Threads and gevent greenlets may use one runner together.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

from worker.engine.errors import NodeError
from worker.engine.limits import Limits
from worker.engine.ports import Cancellation
from worker.sandbox.bounds import TEMPLATE_CPU_S, TEMPLATE_MEMORY_BYTES, Bounds
from worker.sandbox.javascript_code import ENGINE
from worker.sandbox.keeper import ZygoteKeeper
from worker.sandbox.outcome import CODE_ERROR, decoded, outcome
from worker.sandbox.packages import find_packages
from worker.sandbox.policy import Policy
from worker.sandbox.zygote import Options


class SandboxRunner:
    """Close it when the worker ends; until the first execution it has no process."""

    def __init__(self, limits: Limits | None = None, policy: Policy | None = None) -> None:
        """Raises ``ConfigError`` for packages that are not installed."""
        limits = limits or Limits()
        self._policy = policy or Policy()
        self._engine = engine_path()
        options = Options(find_packages(self._policy.packages), self._policy.allow_network, engine=self._engine)
        self._keeper = ZygoteKeeper(lambda: options)
        wall_s = limits.sandbox_worker_timeout
        self._code_bounds = Bounds(wall_s, cpu_s=math.ceil(wall_s) + 1)
        self._template_bounds = Bounds(wall_s, TEMPLATE_CPU_S, TEMPLATE_MEMORY_BYTES)
        self._max_characters = limits.template_transform_max_length

    def run(self, language: str, source: str, inputs: Mapping[str, Any], cancellation: Cancellation) -> Any:
        request = {"kind": self._interpreter(language), "source": source, "inputs": inputs}
        return decoded(self._perform("code", request, self._code_bounds, cancellation))

    def render(self, template: str, inputs: Mapping[str, Any], cancellation: Cancellation) -> str:
        request = {"kind": "template", "source": template, "inputs": inputs, "max_characters": self._max_characters}
        return self._perform("template", request, self._template_bounds, cancellation).decode(errors="replace")

    def tier(self) -> str:
        """The defences that are active on this machine, weakest first: ``rlimits`` alone, or with ``+seccomp`` and others."""
        return self._keeper.ready().tier

    def close(self) -> None:
        """End the zygote and all executions."""
        self._keeper.close()

    def _interpreter(self, language: str) -> str:
        """What reads the source. Raises ``NodeError``."""
        if language == "python3":
            return "python"
        if language != "javascript":
            raise NodeError(f"Unsupported language {language}", error_type=CODE_ERROR)
        if not self._engine:
            raise NodeError("JavaScript needs the package quickjs-ng, which is not installed here.", error_type=CODE_ERROR)
        return "javascript"

    def _perform(self, subject: str, request: Mapping[str, Any], bounds: Bounds, cancellation: Cancellation) -> bytes:
        cancellation.check()
        if refusal := self._policy.refusal(self.tier()):
            raise NodeError(refusal, error_type=CODE_ERROR)
        message = json.dumps({**request, "bounds": asdict(bounds)}).encode()
        answer = self._keeper.converse(message, bounds, cancellation)
        cancellation.check()
        return outcome(answer, subject, bounds)


def engine_path() -> str:
    """File of the JavaScript engine, found without importing it; empty if it is not installed."""
    spec = find_spec(ENGINE)
    return spec.origin or "" if spec is not None else ""
