"""A process that holds event streams open and tells what came through them.

    python tests/bench/held.py HOST PORT

It takes lines of JSON:

- ``{"open": N, "requests": [TEXT, ...], "within": SECONDS}`` opens streams, with one request after another, until there are N or the time
  is over, and answers ``{"run_ids": [...], "refused": n, "refusal": TEXT}``, the ids of the new ones;
- ``{"tell": SECONDS, "count": N}`` answers when so many events have come, or the time is over:
  ``{"events": [[run id, number, microseconds], ...], "closed": n, "cpu_s": s}``.

Events carry the time at which they were published (streams.py). It imports nothing of the product.
"""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import time
from collections import deque
from typing import Any

#: The data of an event as streams.py makes it.
EVENT = re.compile(rb'"workflow_run_id":"([^"]+)","data":{"number":(\d+),"sent_ns":(\d+)}')
RUN_ID = re.compile(rb"\r\nx-workflow-run-id: *(\S+)\r\n", re.IGNORECASE)

#: Connections that wait for their answer's head at a time.
AT_ONCE = 32


class Streams:
    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        #: What has come and is no whole event yet, by descriptor.
        self._rests: dict[int, bytes] = {}
        self._unanswered: set[int] = set()
        self._run_ids: list[str] = []
        self._events: list[tuple[str, int, int]] = []
        self.closed = 0
        #: Requests that were answered in another way than with a stream.
        self.refused = 0
        #: The last of these answers.
        self.refusal = ""

    def open(self, count: int, requests: list[str], within_s: float) -> list[str]:
        """The ids of the new runs; fewer if too many are refused or the time is over."""
        self._run_ids = []
        left, give_up_at = deque(requests), time.monotonic() + within_s
        while (wanted := min(count - len(self._sockets), len(left))) > 0 or self._unanswered:
            for _ in range(min(wanted, AT_ONCE - len(self._unanswered))):
                self._connect(left.popleft().encode())
            self._listen(1.0)
            if time.monotonic() > give_up_at:
                break
        return self._run_ids

    def tell(self, seconds: float, count: int) -> list[tuple[str, int, int]]:
        deadline = time.monotonic() + seconds
        while len(self._events) < count and (left_s := deadline - time.monotonic()) > 0:
            self._listen(left_s)
        events, self._events = self._events, []
        return events

    def _connect(self, request: bytes) -> None:
        connection = socket.create_connection(self._target, timeout=60)
        connection.sendall(request)
        descriptor = connection.fileno()
        self._sockets[descriptor], self._rests[descriptor] = connection, b""
        self._unanswered.add(descriptor)
        self._poll.register(descriptor, select.EPOLLIN)

    def _listen(self, timeout_s: float) -> None:
        for descriptor, _ in self._poll.poll(timeout_s):
            data = self._sockets[descriptor].recv(65536)
            if not data:
                self.closed += 1
                self._close(descriptor)
                continue
            now_ns = time.time_ns()
            received = self._rests[descriptor] + data
            if descriptor in self._unanswered:
                received = self._read_head(descriptor, received)
            if descriptor not in self._sockets:
                continue
            *events, self._rests[descriptor] = received.split(b"\n\n")
            for found in (found for event in events for found in EVENT.finditer(event)):
                self._events.append((found[1].decode(), int(found[2]), (now_ns - int(found[3])) // 1000))

    def _read_head(self, descriptor: int, received: bytes) -> bytes:
        _, ended, rest = received.partition(b"\r\n\r\n")
        if not ended:
            return received
        self._unanswered.discard(descriptor)
        if found := RUN_ID.search(received):
            self._run_ids.append(found[1].decode())
        else:
            self.refusal = received.decode("utf-8", "replace")
            self.refused += 1
            self._close(descriptor)
        return rest

    def _close(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        self._sockets.pop(descriptor).close()
        self._unanswered.discard(descriptor)


def main() -> None:
    streams = Streams((sys.argv[1], int(sys.argv[2])))
    for line in sys.stdin:
        order = json.loads(line)
        answer: dict[str, Any]
        if "open" in order:
            run_ids = streams.open(order["open"], order["requests"], order["within"])
            answer = {"run_ids": run_ids, "refused": streams.refused, "refusal": streams.refusal}
        else:
            events = streams.tell(order["tell"], order["count"])
            answer = {"events": events, "closed": streams.closed, "cpu_s": time.process_time()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
