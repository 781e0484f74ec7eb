"""`/v1/workflows/run/{run_id}/ws`: the events of a run as JSON text frames, and a stop."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from simple_websocket import Client as Socket
from simple_websocket import ConnectionClosed

from tests.services import documents
from tests.services.penstock import ImportedApp


@pytest.fixture(scope="module")
def app(server, shared_counting) -> ImportedApp:
    query = documents.start(documents.variable("query", required=True))
    hold = documents.http_get("hold", f"{shared_counting.url}/hold/{{{{#start.query#}}}}")
    return server.import_document(documents.chain("socket", [query, hold, documents.end(body=["hold", "body"])]))


@contextmanager
def connect(server, run_id: str, query: str = "", **headers: str) -> Iterator[Socket]:
    url = f"{server.url.replace('http', 'ws')}/v1/workflows/run/{run_id}/ws{query}"
    socket = Socket.connect(url, headers=headers)
    try:
        yield socket
    finally:
        if socket.connected:
            socket.close()
        socket.thread.join(timeout=10)


def say_key(socket: Socket, key: str) -> None:
    """The first message.

    Most tests use it: this client loses frames that arrive together with the answer to its handshake, and a run that is over is sent at
    once to whoever has the key in a header.
    """
    socket.send(json.dumps({"type": "auth", "key": key}))


def frames(socket: Socket) -> Iterator[dict[str, Any]]:
    """Frames until the server closes. Raises ``TimeoutError`` if it stays silent."""
    while True:
        try:
            frame = socket.receive(timeout=60)
        except ConnectionClosed:
            return
        if frame is None:
            raise TimeoutError("The server sent nothing for a minute.")
        yield json.loads(frame)


@pytest.fixture(scope="module")
def finished(server, app, shared_counting) -> list[dict[str, Any]]:
    """Events of a finished run, as its stream sent them."""
    shared_counting.release("finished")
    with server.client(app) as client:
        return client.stream({"query": "finished"})


def test_a_finished_run_is_replayed_whole_and_the_socket_closed(server, app, finished):
    """A browser cannot set headers on a socket, so the key comes in the first message."""
    with connect(server, finished[0]["workflow_run_id"]) as socket:
        say_key(socket, app.api_key)
        assert list(frames(socket)) == finished


def test_replay_starts_after_the_given_event(server, app, finished):
    with connect(server, finished[0]["workflow_run_id"], "?after=3") as socket:
        say_key(socket, app.api_key)
        assert list(frames(socket)) == finished[3:]


@pytest.mark.parametrize("key", ["app-wrong", ""], ids=["wrong key", "no key"])
def test_without_a_right_key_nothing_is_told(server, finished, key):
    with connect(server, finished[0]["workflow_run_id"]) as socket:
        say_key(socket, key)
        assert [frame["code"] for frame in frames(socket)] == ["unauthorized"]


def test_run_of_another_app_is_not_found(server, finished):
    stranger = server.import_document(documents.chain("stranger", [documents.start(), documents.end()]))
    with connect(server, finished[0]["workflow_run_id"]) as socket:
        say_key(socket, stranger.api_key)
        assert [frame["code"] for frame in frames(socket)] == ["not_found"]


def test_stop_over_the_socket_ends_the_run(server, app, shared_counting):
    with server.client(app) as client, client.open({"query": "socket-stop"}) as events:
        run_id = next(events)["workflow_run_id"]
        shared_counting.wait_until_called("socket-stop")
        with connect(server, run_id, Authorization=f"Bearer {app.api_key}") as socket:
            socket.send(json.dumps({"type": "stop"}))
            seen = list(frames(socket))
        assert list(events)[-1]["data"]["status"] == "stopped"

    assert (seen[-1]["event"], seen[-1]["data"]["status"]) == ("workflow_finished", "stopped")
