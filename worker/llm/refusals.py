"""Parameters that a server has refused: they are left out from then on, since a document may name what its model never knew.

What an API takes differs by server, by model and by month, and no list keeps up with it. A server that refuses a parameter says so.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any

from worker.engine.models import ModelError, ModelRequest
from worker.llm.parameters import unsent_of

logger = logging.getLogger(__name__)

#: A request without these is none, or another one.
ESSENTIAL = frozenset({"model", "messages", "prompt", "stream", "system", "tools"})

#: Ours, or told in other words when they are refused: to be named is enough.
OWN = frozenset({"stream_options", "output_config"})

#: Words by which servers say that it is the parameter that they do not take, rather than its value.
UNSUPPORTED = re.compile(
    r"unsupported|not supported|n.t support|unknown|unrecogni[sz]ed|unexpected|deprecated|not permitted|not allowed|forbidden|no longer"
    r"|unavailable|不支持"
)

STATUSES = (400, 422)


class Refusals:
    """Of one provider, by model. Safe for any number of threads."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._lock = threading.Lock()
        self._refused: dict[str, frozenset[str]] = {}
        self._unsent: dict[str, frozenset[str]] = {}

    def asked(
        self, request: ModelRequest, body_of: Callable[[Collection[str]], Mapping[str, Any]], ask: Callable[[Mapping[str, Any]], None]
    ) -> None:
        """Ask, and again without what is refused, as often as the server names something new. Raises ``ModelError``."""
        model = request.model.name
        while True:
            refused = self._refused.get(model, frozenset())
            body = body_of(refused)
            self._leave_out(model, unsent_of(request.parameters, body) - refused)
            try:
                return ask(body)
            except ModelError as error:
                # Not what is new to all: others that were refused at the same time try again, too.
                found = refused_by(error, body) - refused
                if not found:
                    raise
                self._learn(model, found)

    def _learn(self, model: str, names: frozenset[str]) -> None:
        if fresh := self._note(self._refused, model, names):
            logger.warning("%s refuses %s for %s; it is asked without from now on.", self._provider, listed(fresh), model)

    def _leave_out(self, model: str, names: Collection[str]) -> None:
        """Say, once, what of a document's parameters is not sent."""
        if fresh := self._note(self._unsent, model, frozenset(names)):
            logger.warning("%s knows no %s; it is not sent to %s.", self._provider, listed(fresh), model)

    def _note(self, known: dict[str, frozenset[str]], model: str, names: frozenset[str]) -> frozenset[str]:
        with self._lock:
            fresh = names - known.get(model, frozenset())
            known[model] = known.get(model, frozenset()) | fresh
            return fresh


def refused_by(error: ModelError, body: Mapping[str, Any]) -> frozenset[str]:
    """Parameters of the body that the error is about, and that may be left out."""
    if error.status not in STATUSES:
        return frozenset()
    found = named_in(error.message, body.keys() - ESSENTIAL)
    return found & OWN if UNSUPPORTED.search(error.message.lower()) is None else found


def named_in(text: str, names: Collection[str]) -> frozenset[str]:
    """A short name is a word like others unless it is quoted, or stands in front of a colon."""
    return frozenset(name for name in names if re.search(_pattern(name), text))


def _pattern(name: str) -> str:
    escaped = re.escape(name)
    plain = rf"(?<!\w){escaped}(?!\w)"
    return plain if "_" in name or len(name) > 8 else rf"['\"`]{escaped}['\"`]|(?<!\w){escaped}(?=:)"


def listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names))
