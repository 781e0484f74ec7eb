"""A disk without room (reliability.md section 1.13): a clean refusal, no torn row, and everything goes on once there is room."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.faults.harness import kinds
from tests.services import small_disk
from tests.services.client import RUN
from tests.services.counting import CountingServer
from tests.services.penstock import Server

DISK_MB = 16

NODES = ["first", "gate", "last"]


@pytest.fixture
def counting() -> Iterator[CountingServer]:
    with CountingServer() as server:
        yield server


@pytest.fixture
def server(tmp_path) -> Iterator[Server]:
    """`penstock up` whose data folder is a disk of its own."""
    if reason := small_disk.why_not():
        pytest.skip(f"No disk can be mounted here: {reason}")
    server = Server(tmp_path, PENSTOCK_OUTBOUND_ALLOW="127.0.0.1", PENSTOCK_LEASE="3", PENSTOCK_HEARTBEAT="0.5", PENSTOCK_SWEEP="0.4")
    data = tmp_path / "data"
    data.mkdir()
    server.launcher = small_disk.launcher(data, DISK_MB)
    with server:
        server.entrance = small_disk.entrance(server.process.pid)
        yield server


def test_a_full_disk_refuses_work_and_ends_none(server, counting):
    kind = kinds.gated("full", counting.url, NODES, held="gate")
    app = server.import_document(kind.document)
    with server.client(app) as client, client.open({"query": "running"}) as events:
        counting.wait_until_called("running:gate")
        small_disk.fill(server.entrance, server.folder / "data")
        refused = client.http.post(RUN, json={"inputs": {"query": "refused"}, "response_mode": "blocking", "user": "x"})
        upload = client.http.post("/v1/files/upload", files={"file": ("a.txt", b"a" * 100_000, "text/plain")}, data={"user": "x"})
        health = httpx.get(f"{server.url}/healthz/live")
        counting.release("running:gate")
        server.process.wait_for_output("waits for the database")
        small_disk.relieve(server.entrance, server.folder / "data")
        *_, last = events
        counting.release("later:gate")
        later = client.run({"query": "later"})

    assert [(answer.status_code, answer.json()["code"]) for answer in (refused, upload)] == [(503, "service_unavailable")] * 2
    assert health.status_code == 200
    assert last["data"]["outputs"] == kind.outputs("running", "")
    assert later["data"]["outputs"] == kind.outputs("later", "")
    assert counting.calls() == {f"{query}:{node}": 1 for query in ("running", "later") for node in NODES}
    examined = server.call("doctor")
    assert examined.returncode == 0, examined.stdout
