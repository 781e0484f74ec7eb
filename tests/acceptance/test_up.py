"""`penstock up` as a person uses it: one command, Ctrl-C, again."""

from __future__ import annotations

import signal
import time

import pytest

from tests.services import documents
from tests.services.penstock import Server
from tests.services.waiting import wait_for

HELLO = documents.chain("hello", [documents.start(documents.variable("q")), documents.end(q=["start", "q"])])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_it_leaves_no_process_behind_and_keeps_what_it_knew(tmp_path, number):
    began_at = time.monotonic()
    with Server(tmp_path) as server:
        print(f"ready within {time.monotonic() - began_at:.1f} s")
        app = server.import_document(HELLO)
        with server.client(app) as client:
            run_id = client.run({"q": "x"})["workflow_run_id"]
        assert len(server.process.members()) > 1

        end(server, number)
        # What is left after the command itself has ended would be left for ever; grandchildren get a moment to be reaped.
        wait_for(lambda: not server.process.members(), "every process to end", timeout_s=5)

        server.start()
        with server.client(app) as client:
            assert client.detail(run_id)["status"] == "succeeded"
            assert client.run({"q": "again"})["data"]["outputs"] == {"q": "again"}


def end(server: Server, number: signal.Signals) -> None:
    if number is signal.SIGINT:
        server.process.interrupt()
    else:
        server.process.terminate()
    assert server.process.wait(timeout_s=15) in (0, 130)


def test_a_waiting_run_does_not_keep_it_from_ending(tmp_path, counting):
    hold = documents.http_get("hold", f"{counting.url}/hold/up")
    with Server(tmp_path, PENSTOCK_OUTBOUND_ALLOW="127.0.0.1") as server:
        app = server.import_document(documents.chain("waits", [documents.start(), hold, documents.end(body=["hold", "body"])]))
        with server.client(app) as client, client.open() as events:
            run_id = next(events)["workflow_run_id"]
            counting.wait_until_called("up")
            server.process.terminate()
            assert server.process.wait(timeout_s=15) == 0
        assert not server.process.members()
        counting.release("up")

        server.start()
        with server.client(app) as client, client.events(run_id, include_state_snapshot="true") as events:
            assert list(events)[-1]["data"]["outputs"] == {"body": "up"}


def test_a_second_one_in_the_same_folder_is_refused_with_a_sentence(server):
    done = server.call("up", "--port", "0")

    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1
    assert "already runs" in done.stderr
