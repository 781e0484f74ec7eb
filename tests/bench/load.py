"""A process that loads a server: each of so many clients sends its next request as soon as the last one is answered.

    python tests/bench/load.py < order.json > answer.json

It speaks HTTP/1.1 over bare, kept connections from one loop: a library would cost more time than what is measured. It imports nothing of
the product. Order and answer are the fields of ``Order`` and ``Answer`` in generator.py.
"""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import time
from collections import Counter, deque
from typing import Any

STARTED = b'"event":"workflow_started"'
FINISHED = b'"event":"workflow_finished"'
#: A token that is the time at which it was sent (docs/dev-model.md, `clock`).
CLOCK = re.compile(rb'"text":"(\d{19}) ?"')
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
RECEIVED = 1 << 18


class Client:
    """One connection and what is under way on it."""

    def __init__(self, target: tuple[str, int], request: bytes) -> None:
        self._target = target
        self._request = request
        self.connect()

    def connect(self) -> None:
        self.socket = socket.create_connection(self._target, timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.begun_at = 0.0

    def begin(self) -> None:
        self.begun_at = time.monotonic()
        self.started_at = self.finished_at = 0.0
        self.unsent = memoryview(self._request)
        self.received = bytearray()
        self.body_at, self.status = 0, 0
        self.length: int | None = None
        self.send()

    def send(self) -> None:
        while self.unsent:
            try:
                self.unsent = self.unsent[self.socket.send(self.unsent) :]
            except BlockingIOError:
                return

    def receive(self) -> bytes:
        """What has come; empty: the server hung up."""
        try:
            data = self.socket.recv(RECEIVED)
        except BlockingIOError:
            return b" "
        except ConnectionError:
            return b""
        searched = max(len(self.received) - 40, 0)
        self.received += data
        if not self.body_at:
            self._read_head()
        self._note_events(searched)
        return data

    def _read_head(self) -> None:
        end = self.received.find(b"\r\n\r\n")
        if end > 0:
            self.body_at = end + 4
            self.status = int(self.received[9:12])
            found = LENGTH.search(self.received, 0, end)
            self.length = int(found[1]) if found else None

    def _note_events(self, searched: int) -> None:
        if not self.started_at and self.received.find(STARTED, searched) >= 0:
            self.started_at = time.monotonic()
        if not self.finished_at and self.received.find(FINISHED, searched) >= 0:
            self.finished_at = time.monotonic()

    @property
    def is_answered(self) -> bool:
        if not self.body_at:
            return False
        if self.length is not None:
            return len(self.received) >= self.body_at + self.length
        # A body in chunks; no event ends with CR LF, so that this is the last chunk.
        return self.received.endswith(b"0\r\n\r\n")


class Load:
    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order
        self._expects = order["expects"].encode()
        self._poll = select.epoll()
        self._clients: dict[int, Client] = {}
        self._left = order["limit"] or sys.maxsize
        self.failures: Counter[str] = Counter()
        self.sample = ""
        #: Seconds since the first request: when it ended, how long it took, when the first event came after it was asked for.
        self.ended: list[float] = []
        self.latencies: list[float] = []
        self.started: list[float] = []
        self.delays_ns: list[int] = []

    def run(self) -> dict[str, Any]:
        for number, request in enumerate(self._order["requests"]):
            self._open(Client(tuple(self._order["targets"][number % len(self._order["targets"])]), request.encode()))
        cpu_s, self._began = time.process_time(), time.monotonic()
        self._drive(deque(self._clients.values()))
        took_s = time.monotonic() - self._began
        told = {"ended": self.ended, "latencies": self.latencies, "started": self.started, "delays_ns": self.delays_ns}
        return {**told, "failures": self.failures, "sample": self.sample, "took_s": took_s, "cpu_s": time.process_time() - cpu_s}

    def _open(self, client: Client) -> None:
        self._clients[client.socket.fileno()] = client
        self._poll.register(client.socket, select.EPOLLIN)

    def _next(self, client: Client) -> None:
        """The next request of a client, or its end if there is nothing more to do."""
        order = self._order
        if self._left and time.monotonic() - self._began < order["warm_s"] + order["seconds"]:
            self._left -= 1
            client.begin()
            if client.unsent:
                self._poll.modify(client.socket, select.EPOLLIN | select.EPOLLOUT)
        else:
            self._close(client)

    def _close(self, client: Client) -> None:
        self._clients.pop(client.socket.fileno())
        self._poll.unregister(client.socket)
        client.socket.close()

    def _drive(self, idle: deque[Client]) -> None:
        """Until all have come to their ends; ``idle``: those that have not begun, which do so at even distances."""
        give_up_at = self._began + self._order["warm_s"] + self._order["seconds"] + self._order["drain_s"]
        distance_s = self._order["ramp_s"] / max(len(idle), 1)
        begin_at = self._began
        while self._clients:
            now = time.monotonic()
            while idle and begin_at <= now:
                begin_at += distance_s
                self._next(idle.popleft())
            left_s = (begin_at if idle else give_up_at) - now
            if now > give_up_at:
                self.failures["no answer"] += len(self._clients)
                return
            for descriptor, flags in self._poll.poll(max(left_s, 0.0)):
                self._serve(self._clients[descriptor], flags)

    def _serve(self, client: Client, flags: int) -> None:
        if flags & select.EPOLLOUT:
            client.send()
            if not client.unsent:
                self._poll.modify(client.socket, select.EPOLLIN)
        if flags & ~select.EPOLLOUT:
            data = client.receive()
            if not data:
                self._reconnect(client)
            elif self._order["has_clock"]:
                now = time.time_ns()
                self.delays_ns += [now - int(sent) for sent in CLOCK.findall(data)]
            if data and client.is_answered:
                self._note(client)
                self._next(client)

    def _reconnect(self, client: Client) -> None:
        self._close(client)
        self.failures["connection lost"] += 1
        client.connect()
        self._open(client)
        self._next(client)

    def _note(self, client: Client) -> None:
        now = time.monotonic()
        if client.status not in (200, 202) or self._expects not in client.received:
            self.failures[str(client.status)] += 1
            self.sample = self.sample or bytes(client.received[-600:]).decode("utf-8", "replace")
            return
        self.ended.append(now - self._began)
        if self._order["limit"] or self.ended[-1] >= self._order["warm_s"]:
            self.latencies.append((client.finished_at or now) - client.begun_at)
            if client.started_at:
                self.started.append(client.started_at - client.begun_at)


if __name__ == "__main__":
    json.dump(Load(json.load(sys.stdin)).run(), sys.stdout)
