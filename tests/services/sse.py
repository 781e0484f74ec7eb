"""Reading an event stream the way a browser does: the parsing and reconnection rules of the HTML standard, section 9.2."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass(frozen=True, slots=True)
class Message:
    """An event that a browser would dispatch."""

    event: str
    data: str
    last_event_id: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.data)  # type: ignore[no-any-return]


@dataclass(slots=True)
class Parser:
    """Bytes in pieces of any size to messages. Lines end with LF, CR or CRLF; a block without `data` dispatches nothing."""

    last_event_id: str = ""
    retry_ms: int | None = None
    _decoder: codecs.IncrementalDecoder = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))
    _rest: str = ""
    _at_start: bool = True
    _event: str = ""
    _data: list[str] = field(default_factory=list)

    def feed(self, piece: bytes) -> Iterator[Message]:
        text = self._rest + self._decoder.decode(piece)
        if self._at_start and text:
            text = text.removeprefix("\ufeff")
            self._at_start = False
        # A CR at the end may be half of a CRLF: it waits for the next piece.
        complete = text[:-1] if text.endswith("\r") else text
        *lines, last = complete.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = last + text[len(complete) :]
        for line in lines:
            if (message := self._line(line)) is not None:
                yield message

    def _line(self, line: str) -> Message | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self.last_event_id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry_ms = int(value)
        return None

    def _dispatch(self) -> Message | None:
        event, data, self._event, self._data = self._event, self._data, "", []
        return Message(event or "message", "\n".join(data), self.last_event_id) if data else None


def parse(pieces: Iterable[bytes], last_event_id: str = "") -> Iterator[Message]:
    parser = Parser(last_event_id)
    for piece in pieces:
        yield from parser.feed(piece)


class EventSource:
    """Reads one URL, and reconnects with `Last-Event-ID` when the connection ends, as a browser's EventSource does.

    A browser goes on for ever; ``messages`` ends after the message for which ``is_last`` holds.
    """

    def __init__(self, client: httpx.Client, urls: list[str], headers: dict[str, str]) -> None:
        self._client = client
        self._urls = urls
        self._headers = headers
        self.connections = 0
        self.last_event_id = ""

    def messages(self, drop_after: int | None = None) -> Iterator[Message]:
        """Every message up to `workflow_finished`; with ``drop_after`` each connection is cut after that many messages.

        Connections go to the URLs in turn: any instance must be able to go on.
        """
        while True:
            for message in self._connection(drop_after):
                yield message
                if message.json["event"] == "workflow_finished":
                    return

    def _connection(self, drop_after: int | None) -> Iterator[Message]:
        url = self._urls[self.connections % len(self._urls)]
        self.connections += 1
        headers = {**self._headers, "Accept": "text/event-stream"}
        if self.last_event_id:
            headers["Last-Event-ID"] = self.last_event_id
        with self._client.stream("GET", url, headers=headers) as response:
            if response.status_code != 200:
                raise RuntimeError(f"{url}: {response.status_code} {response.read()[:500]!r}")
            for number, message in enumerate(parse(response.iter_raw(), self.last_event_id), start=1):
                self.last_event_id = message.last_event_id
                yield message
                if number == drop_after:
                    return
