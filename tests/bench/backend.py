"""An HTTP server that waits before it answers, for workflows whose nodes call something slow; one thread, thousands of calls.

`/after/MS` answers so many milliseconds later, `/hold` when `/release` is called; `/calls` says how many calls wait now.
"""

from __future__ import annotations

import asyncio
import sys

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s"


class Backend:
    def __init__(self) -> None:
        self.waiting = 0
        self.held: list[Connection] = []

    def answer(self, connection: Connection, path: bytes) -> None:
        action, _, rest = path.strip(b"/").partition(b"/")
        if action == b"after":
            self.waiting += 1
            asyncio.get_running_loop().call_later(int(rest) / 1000, self.end, connection)
        elif action == b"hold":
            self.waiting += 1
            self.held.append(connection)
        elif action == b"release":
            held, self.held = self.held, []
            for waiting in held:
                self.end(waiting)
            connection.reply(b"released")
        else:
            connection.reply(b"%d" % self.waiting)

    def end(self, connection: Connection) -> None:
        self.waiting -= 1
        connection.reply(b"ok")


class Connection(asyncio.Protocol):
    """Takes requests without bodies, one after another."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self._received = (self._received + data).split(b"\r\n\r\n")
        for request in requests:
            self._backend.answer(self, request.split(b" ", 2)[1])

    def reply(self, body: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(ANSWER % (len(body), body))


async def serve() -> None:
    backend = Backend()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(backend), "127.0.0.1", 0, backlog=2048)
    print(f"ready http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    sys.exit(asyncio.run(serve()))
