"""Runs workflow code in a dify-sandbox service, over its HTTP protocol: the ``CodeRunner`` for ``PENSTOCK_SANDBOX_URL``."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from worker.engine.errors import NodeError
from worker.engine.limits import Limits
from worker.engine.ports import Cancellation
from worker.sandbox.outcome import CODE_ERROR, decoded
from worker.sandbox.protocol import MAX_ANSWER_BYTES
from worker.sandbox.remote_call import RemoteService
from worker.sandbox.remote_programs import PROGRAMS

#: Seconds that the service may take beyond one execution's limit: executions may queue there.
QUEUE_S = 45.0


class RemoteSandbox:
    """What code may do, and for how long it may run, is decided there; it gets the network only if it has it here too."""

    def __init__(self, url: str, api_key: str, limits: Limits | None = None, *, allow_network: bool = False) -> None:
        """Raises ``ConfigError`` if the URL is none."""
        self._service = RemoteService(url, api_key, (limits or Limits()).sandbox_worker_timeout + QUEUE_S)
        self._allow_network = allow_network

    def run(self, language: str, source: str, inputs: Mapping[str, Any], cancellation: Cancellation) -> Any:
        if language not in PROGRAMS:
            raise NodeError(f"Unsupported language {language}", error_type=CODE_ERROR)
        name, program = PROGRAMS[language]
        mark = f"<<{secrets.token_hex(16)}>>"
        request = {"language": name, "code": program(source, inputs, mark), "preload": "", "enable_network": self._allow_network}
        return decoded(_result(self._service.ask(request, cancellation), mark))


def _result(answer: Mapping[str, Any], mark: str) -> bytes:
    """The JSON that was printed between the marks. Raises ``NodeError``."""
    if answer.get("code") != 0:
        raise NodeError(f"The code sandbox refused the code: {answer.get('message')}", error_type=CODE_ERROR)
    data = answer.get("data")
    error, output = (data.get("error"), data.get("stdout")) if isinstance(data, dict) else (None, None)
    if error:
        raise NodeError(str(error), error_type=CODE_ERROR)
    printed = str(output).split(mark)
    if len(printed) != 3:
        raise NodeError("The code ended without a result.", error_type=CODE_ERROR)
    result = printed[1].encode(errors="replace")
    if len(result) > MAX_ANSWER_BYTES:
        raise NodeError(f"The code gave a result of more than {MAX_ANSWER_BYTES} bytes.", error_type=CODE_ERROR)
    return result
