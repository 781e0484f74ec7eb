"""A slow reader harms only itself (reliability.md section 1.7)."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack, closing
from urllib.parse import urlencode, urlsplit

import pytest

from tests.faults.harness import kinds
from tests.faults.harness.audience import Audience, check
from tests.faults.harness.following import Followed
from tests.faults.harness.kinds import Kind
from tests.services import documents
from tests.services.footprint import Footprint
from tests.services.penstock import ImportedApp, Web
from tests.services.sse import parse
from tests.services.stage import Stage

#: Characters of each node's output, and nodes: the events are over 20 MB, since each tells inputs and outputs.
LENGTH = 50_000
COPIES = [f"copy{number}" for number in range(240)]
EVENT_BYTES = 2 * LENGTH * len(COPIES)

READERS = 20

#: Seconds without progress after which a client is cut off.
SEND_TIMEOUT_S = 3.0

#: Memory that readers who do not read may cost an instance.
GROWTH_KB = 100 * 1024


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"PENSTOCK_SEND_TIMEOUT": str(SEND_TIMEOUT_S)}


def heavy(url: str) -> Kind:
    """A gate, then a long text that is handed from node to node."""
    gate = documents.http_get("gate", f"{url}/hold/{{{{#start.query#}}}}")
    make = documents.template("make", f"{{{{ 'x' * {LENGTH} }}}}", word=["start", "query"])
    selectors = [["make", "output"], *([name, "output"] for name in COPIES)]
    copies = [documents.template(name, "{{ text_ }}", text_=selector) for name, selector in zip(COPIES, selectors, strict=False)]
    document = documents.chain("heavy", [kinds.QUERY, gate, make, *copies, documents.end(query=["start", "query"])])
    executions = dict.fromkeys(["start", "gate", "make", *COPIES, "end"], 1)
    return Kind("heavy", document, lambda query, _: {"query": query}, executions)


class Sluggard:
    """A client that asks for a run's events, reads the beginning and then nothing, until ``wake``."""

    def __init__(self, url: str, app: ImportedApp, run_id: str, user: str) -> None:
        parts = urlsplit(url)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect((parts.hostname, parts.port))
        path = f"/v1/workflow/{run_id}/events?" + urlencode({"user": user, "event_ids": "true"})
        # HTTP/1.0: the answer is then not in chunks.
        self.socket.sendall(f"GET {path} HTTP/1.0\r\nAuthorization: Bearer {app.api_key}\r\n\r\n".encode())
        self._received = self.socket.recv(1024)

    def wake(self) -> bytes:
        """The body as far as it came before the server gave up."""
        try:
            while piece := self.socket.recv(65536):
                self._received += piece
        except ConnectionError:
            pass
        return self._received.partition(b"\r\n\r\n")[2]

    def close(self) -> None:
        self.socket.close()


def test_clients_that_do_not_read_cost_nobody_else_anything(stage, audience):
    stage.staff(webs=1, workers=1)
    kind = heavy(stage.counting.url)
    app = stage.deployment.import_document(kind.document)
    (stream,) = audience.follow(app, "heavy")
    stage.counting.wait_until_called("heavy")
    ((run_id, _),) = stage.under_way().items()
    with ExitStack() as sluggards:
        asleep = [sluggards.enter_context(closing(Sluggard(stage.urls()[0], app, run_id, "client 1"))) for _ in range(READERS)]
        others = [audience.join(app, "heavy", run_id, "client 1") for _ in range(READERS)]
        before_kb = resident_kb(stage.webs[0])
        released_at = time.monotonic()
        stage.counting.release("heavy")
        seen = check([stream, *others], kind)
        took_s = time.monotonic() - released_at
        grown_kb = resident_kb(stage.webs[0]) - before_kb
        stage.webs[0].process.wait_for_output("(?s)" + ".*".join(["A client that stopped reading is cut off"] * READERS))
        late = [taken_up(stage, app, run_id, sluggard, audience) for sluggard in asleep]

    assert sum(len(message.data) for message in seen[0].messages) > EVENT_BYTES
    assert took_s < 30
    assert grown_kb < GROWTH_KB
    assert all(followed.messages == seen[0].messages for followed in late)
    assert stage.redis.info("stats")["client_output_buffer_limit_disconnections"] == 0


def taken_up(stage: Stage, app: ImportedApp, run_id: str, sluggard: Sluggard, audience: Audience) -> Followed:
    """What the client has read, and the rest, for which it comes back."""
    followed = Followed("heavy", "client 1", run_id=run_id)
    followed.messages = list(parse([sluggard.wake()]))
    assert not followed.has_ended
    return audience.follower(app).follow(followed)


def resident_kb(web: Web) -> int:
    return sum(Footprint.of(pid).resident_kb for pid in web.process.members())
