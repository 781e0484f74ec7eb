"""Delays and faults on the way of an answer to its caller."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.dev_model.calls import Call
from app.dev_model.directives import Directives
from app.dev_model.line import Line
from app.dev_model.steps import Step

#: What a proxy in front of a vendor likes to say.
GARBAGE = "<html><body>This is not the answer you are looking for.</body></html>"


class Failure(Exception):
    """An HTTP error in place of an answer."""

    def __init__(self, status: int, message: str, code: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        #: Seconds.
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Delivery:
    line: Line
    script: Directives
    call: Call

    def begin(self) -> None:
        """What happens before an answer. Raises ``Failure``, ``HungUp``, ``Broken``."""
        script = self.script
        if script.status is not None:
            raise Failure(script.status, script.message or f"The script wants status {script.status}.", script.code, script.retry_after)
        if script.hang:
            self.line.wait(None)
        if script.drop:
            self.line.drop()
        if script.close_after_headers:
            self.line.drop_after_headers()
        self.line.wait(script.first_delay_ms / 1000)

    def wait_for(self, tokens: int) -> None:
        """The time that a model needs for an answer given as a whole; where its stream would fail, the whole does."""
        script = self.script
        if script.hang_after is not None:
            self.line.wait(None)
        if script.drop_after is not None:
            self.line.drop()
        if script.error_after is not None:
            raise Failure(500, script.message or "The script wants an error.")
        self.line.wait(tokens * script.delay_ms / 1000)
        self.call.tokens = tokens

    def stream(self, steps: Iterator[Step], error_frame: Callable[[str], bytes]) -> Iterator[bytes]:
        for step in steps:
            if isinstance(step, bytes):
                yield step
            elif (last := self._last_frame(error_frame)) is not None:
                yield last
                return
            else:
                self._wait_for_token()

    def _last_frame(self, error_frame: Callable[[str], bytes]) -> bytes | None:
        """What ends a stream before the next token."""
        if self.script.garbage or self.script.garbage_after == self.call.tokens:
            return f"data: {GARBAGE}\n\n".encode()
        if self.script.error_after == self.call.tokens:
            return error_frame(self.script.message or "The script wants an error.")
        return None

    def _wait_for_token(self) -> None:
        if self.script.hang_after == self.call.tokens:
            self.line.wait(None)
        if self.script.drop_after == self.call.tokens:
            self.line.drop()
        self.line.wait(self.script.delay_ms / 1000)
        self.call.tokens += 1
