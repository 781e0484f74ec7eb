"""The scripted server as a WSGI application."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from app.dev_model import other_models
from app.dev_model.answerers import Answerer, answerer_of, chat_wire_of
from app.dev_model.answering import Answering, StartResponse
from app.dev_model.asked import OWN_ROLES, BadRequest
from app.dev_model.calls import CallLog
from app.dev_model.delivery import Delivery, Failure
from app.dev_model.directives import DirectiveError, Directives, of_model, of_text, of_words
from app.dev_model.incoming import CONNECTION, Incoming
from app.dev_model.line import Broken, HungUp, Line


class Service:
    """``defaults`` are what the script of every request starts from."""

    def __init__(self, defaults: Directives) -> None:
        self._defaults = defaults
        self._log = CallLog()

    def __call__(self, environ: Mapping[str, Any], start: StartResponse) -> Iterator[bytes]:
        incoming = Incoming.of(environ)
        answer = Answering(start, is_anthropic=incoming.path.endswith("/messages"))
        if incoming.path == "/dev/calls":
            yield self._report(incoming, answer)
        elif incoming.method == "GET" and "/models" in incoming.path:
            yield answer.json(_models(incoming.path))
        elif incoming.method == "POST" and (answerer := answerer_of(incoming.path)):
            yield from self._converse(incoming, answerer, Line(environ[CONNECTION]), answer)
        else:
            yield answer.failure(Failure(404, f"Invalid URL ({incoming.method} {incoming.path})", "unknown_url"))

    def _report(self, incoming: Incoming, answer: Answering) -> bytes:
        """What was asked so far; DELETE forgets it."""
        if incoming.method == "DELETE":
            self._log.forget()
        return answer.json(self._log.to_json())

    def _converse(self, incoming: Incoming, answerer: Answerer, line: Line, answer: Answering) -> Iterator[bytes]:
        call = self._log.open(incoming.path, incoming.key, incoming.body)
        try:
            delivery = Delivery(line, self._script(incoming), call)
            refuse(delivery.script.refuses.split(","), incoming.body or {})
            delivery.begin()
            yield from answerer(incoming.body or {}, delivery, answer)
            call.end("complete")
        except Failure as failure:
            yield answer.failure(failure)
            call.end("complete")
        except (BadRequest, DirectiveError) as error:
            yield answer.failure(Failure(400, str(error)))
            call.end("complete")
        except Broken:
            call.end("broken")
        except HungUp:
            call.end("hung up")
        finally:
            call.status = answer.status
            # The server closes this generator when it cannot send what it got.
            call.end("hung up")

    def _script(self, incoming: Incoming) -> Directives:
        """Raises ``BadRequest``, ``DirectiveError``."""
        if incoming.body is None:
            raise BadRequest("We could not parse the JSON body of your request.")
        values = of_words(incoming.script) | of_model(str(incoming.body.get("model", "")))
        for text in _scripted_texts(incoming):
            values |= of_text(text)
        script = self._defaults.with_values(values)
        is_over = script.is_faulty and script.times is not None and self._log.count(_identity(incoming)) > script.times
        return script.without_faults() if is_over else script


def refuse(names: Iterable[str], body: Mapping[str, Any]) -> None:
    """As vendors do who do not know a field. Raises ``BadRequest``."""
    for name in names:
        if name.strip() in body:
            raise BadRequest(f"Unsupported parameter: '{name.strip()}' is not supported with this model.", name.strip())


def _scripted_texts(incoming: Incoming) -> list[str]:
    """Where directives are looked for: what the caller wrote itself."""
    body = incoming.body or {}
    if (wire := chat_wire_of(incoming.path)) is not None:
        return [turn.text for turn in wire.read(body).turns if turn.role in OWN_ROLES]
    given = [body.get(key) for key in ("input", "query", "prompt")]
    return [text for value in given for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]


def _identity(incoming: Incoming) -> str:
    """The same for a request that is sent again."""
    return hashlib.sha256(f"{incoming.path} {json.dumps(incoming.body, sort_keys=True)}".encode()).hexdigest()


def _models(path: str) -> dict[str, Any]:
    name = path.partition("/models")[2].strip("/")
    return other_models.model(name) if name else other_models.model_list()
