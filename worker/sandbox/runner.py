"""Runs workflow code and templates in processes of their own: the ``CodeRunner`` and ``TemplateRenderer`` of ports.py.

A zygote (zygote_main.py) is started with the first execution and forks a fresh process for each one, so that an execution costs a few
milliseconds and finds nothing of any other. Threads and gevent greenlets may use one runner together.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from worker.engine.errors import NodeError
from worker.engine.limits import Limits
from worker.engine.ports import Cancellation
from worker.sandbox.bounds import TEMPLATE_CPU_S, TEMPLATE_MEMORY_BYTES, Bounds
from worker.sandbox.conversation import Answer, converse
from worker.sandbox.outcome import CODE_ERROR, decoded, outcome
from worker.sandbox.zygote import Zygote, ZygoteLost

#: The one language that is interpreted here.
PYTHON = "python3"

#: How often an execution is tried whose zygote is lost. It has had no effects, so it may run again.
TRIES = 2


class SandboxRunner:
    """Close it when the worker ends; until the first execution it has no process."""

    def __init__(self, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        wall_s = limits.sandbox_worker_timeout
        self._code_bounds = Bounds(wall_s, cpu_s=math.ceil(wall_s) + 1)
        self._template_bounds = Bounds(wall_s, TEMPLATE_CPU_S, TEMPLATE_MEMORY_BYTES)
        self._max_characters = limits.template_transform_max_length
        self._lock = threading.Lock()
        self._zygote: Zygote | None = None
        self._is_closed = False

    def run(self, language: str, source: str, inputs: Mapping[str, Any], cancellation: Cancellation) -> Any:
        if language != PYTHON:
            raise NodeError(f"Unsupported language {language}", error_type=CODE_ERROR)
        request = {"kind": "python", "source": source, "inputs": inputs}
        return decoded(self._perform("code", request, self._code_bounds, cancellation))

    def render(self, template: str, inputs: Mapping[str, Any], cancellation: Cancellation) -> str:
        request = {"kind": "template", "source": template, "inputs": inputs, "max_characters": self._max_characters}
        return self._perform("template", request, self._template_bounds, cancellation).decode(errors="replace")

    def tier(self) -> str:
        """The defences that are active on this machine, weakest first: ``rlimits`` alone, or with ``+seccomp`` and others."""
        return self._ready().tier

    def close(self) -> None:
        """End the zygote and all executions."""
        with self._lock:
            self._is_closed = True
        if self._zygote is not None:
            self._discard(self._zygote)

    def _perform(self, subject: str, request: Mapping[str, Any], bounds: Bounds, cancellation: Cancellation) -> bytes:
        cancellation.check()
        message = json.dumps({**request, "bounds": asdict(bounds)}).encode()
        answer = self._converse(message, bounds, cancellation)
        cancellation.check()
        return outcome(answer, subject, bounds)

    def _converse(self, message: bytes, bounds: Bounds, cancellation: Cancellation) -> Answer:
        reason = ""
        for _ in range(TRIES):
            zygote = self._ready()
            try:
                return converse(zygote, message, bounds.wall_s, cancellation)
            except ZygoteLost as error:
                reason = str(error)
                self._discard(zygote)
                cancellation.check()
        raise NodeError(f"The sandbox {reason}.", error_type=CODE_ERROR)

    def _ready(self) -> Zygote:
        """The zygote, started if there is none. Raises ``NodeError``."""
        with self._lock:
            if self._is_closed:
                raise NodeError("The sandbox is shut down.", error_type=CODE_ERROR)
            if self._zygote is None:
                try:
                    self._zygote = Zygote()
                except ZygoteLost as error:
                    raise NodeError(f"The sandbox {error}.", error_type=CODE_ERROR) from error
            return self._zygote

    def _discard(self, zygote: Zygote) -> None:
        with self._lock:
            if self._zygote is zygote:
                self._zygote = None
        zygote.close()
