"""The WebSocket through a real socket: werkzeug's server and simple-websocket's client, in this process."""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from simple_websocket import Client, ConnectionClosed
from werkzeug.serving import make_server

from app.config import ApiConfig
from tests.unit.app.asking import Asking
from tests.unit.app.serving import Caller, Service, Waiting, served

EVENTS = ["workflow_started", "node_started", "node_finished", "workflow_finished"]


@pytest.fixture(scope="module")
def shared_service() -> Iterator[Service]:
    with served(ApiConfig(websocket_origins=("https://listed.example",))) as made:
        yield made


@pytest.fixture(scope="module")
def address(shared_service: Service) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, shared_service.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


class WholeClient(Client):
    """A client that also sees what came together with the answer to its handshake, be it everything up to the end."""

    def handshake(self) -> None:
        super().handshake()
        self._handle_events()
        # If the end came too, the thread that reads finds it out.
        self.connected = True


@contextmanager
def connected(address: str, run_id: str, query: str = "", **headers: str) -> Iterator[Client]:
    client = WholeClient(f"ws://{address}/v1/workflows/run/{run_id}/ws?{query}", headers=headers)
    try:
        yield client
    finally:
        if client.connected:
            client.close()
        client.thread.join(5)


def refusal(address: str, run_id: str, headers: dict[str, str]) -> tuple[int, str]:
    """Status and code of an answer to a handshake that is no handshake."""
    connection = http.client.HTTPConnection(address, timeout=5)
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
        "Sec-WebSocket-Version": "13",
    }
    try:
        connection.request("GET", f"/v1/workflows/run/{run_id}/ws", headers={**upgrade, "Sec-WebSocket-Version": "13", **headers})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())["code"]
    finally:
        connection.close()


def key(caller: Caller) -> dict[str, str]:
    return {"Authorization": f"Bearer {caller.token}"}


def read(client: Client) -> tuple[list[dict], int]:
    """Everything that comes, and the code with which the server closes."""
    events = []
    while True:
        try:
            message = client.receive(timeout=5)
        except ConnectionClosed as closed:
            return events, int(closed.reason)
        assert message is not None, "the server fell silent"
        events.append(json.loads(message))


def names(events: list[dict]) -> list[str]:
    return [event["event"] for event in events]


def test_the_events_of_a_finished_run_from_the_first_on(caller: Caller, address: str):
    done = caller.run().json

    with connected(address, done["workflow_run_id"], **key(caller)) as client:
        events, code = read(client)

    assert names(events) == EVENTS
    assert {event["task_id"] for event in events} == {done["task_id"]}
    assert code == 1000


@pytest.mark.parametrize("after", [1, 3, 4])
def test_replay_goes_on_after_a_number(caller: Caller, address: str, after: int):
    run_id = caller.run().json["workflow_run_id"]

    with connected(address, run_id, f"after={after}", **key(caller)) as client:
        assert names(read(client)[0]) == EVENTS[after:]


def test_events_come_while_the_run_goes_on(service: Service, caller: Caller, address: str):
    waiting = service.worker.script = Waiting()
    stream = caller.stream()

    with connected(address, stream.headers["X-Workflow-Run-ID"], **key(caller)) as client:
        waiting.has_begun.wait(5)
        first = [json.loads(client.receive(timeout=5)) for _ in range(3)]
        waiting.may_end.set()
        rest, _ = read(client)

    assert names(first + rest) == EVENTS
    stream.close()


def test_the_key_may_come_in_the_first_message(caller: Caller, address: str):
    run_id = caller.run().json["workflow_run_id"]

    with connected(address, run_id) as client:
        client.send(json.dumps({"type": "auth", "key": caller.token}))
        assert names(read(client)[0]) == EVENTS


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('{"type": "auth", "key": "app-wrong"}', "unauthorized"),
        ('{"type": "auth"}', "unauthorized"),
        ('{"type": "stop"}', "unauthorized"),
        ("nonsense", "bad_request"),
        ("[]", "invalid_param"),
    ],
)
def test_a_first_message_that_opens_nothing_is_answered_and_the_connection_closed(caller: Caller, address: str, message: str, code: str):
    with connected(address, caller.run().json["workflow_run_id"]) as client:
        client.send(message)
        events, reason = read(client)

    assert [(event["event"], event["code"]) for event in events] == [("error", code)]
    assert reason == 1008


def test_a_wrong_key_in_the_header_is_refused_before_the_handshake(caller: Caller, address: str):
    assert refusal(address, "any", {"Authorization": "Bearer app-wrong"}) == (401, "unauthorized")


def test_runs_of_other_apps_and_users_are_not_found(service: Service, caller: Caller, address: str):
    foreign = service.hello().run().json["workflow_run_id"]
    own = caller.run().json["workflow_run_id"]

    for run_id, query in ((foreign, ""), ("xyz", ""), (own, "user=mallory")):
        with connected(address, run_id, query, **key(caller)) as client:
            (event,), code = read(client)
        assert (event["code"], event["status"], code) == ("not_found", 404, 1008)


def test_a_position_that_is_no_number_is_an_invalid_param(caller: Caller, address: str):
    with connected(address, caller.run().json["workflow_run_id"], "after=x", **key(caller)) as client:
        (event,), _ = read(client)

    assert (event["code"], event["status"]) == ("invalid_param", 400)


@pytest.mark.parametrize("message", [{"type": "stop"}, {"type": "stop", "user": "alice"}])
def test_a_stop_ends_the_run(service: Service, caller: Caller, address: str, message: dict):
    service.worker.script = None
    stream = caller.stream()
    run_id = stream.headers["X-Workflow-Run-ID"]

    with connected(address, run_id, **key(caller)) as client:
        client.send(json.dumps(message))
        events, code = read(client)

    assert (events[-1]["data"]["status"], code) == ("stopped", 1000)
    assert caller.get(f"/v1/workflows/run/{run_id}").json["status"] == "stopped"
    stream.close()


def test_a_stop_in_the_name_of_another_user_has_no_effect(service: Service, caller: Caller, address: str):
    waiting = service.worker.script = Waiting()
    stream = caller.stream()
    waiting.has_begun.wait(5)

    with connected(address, stream.headers["X-Workflow-Run-ID"], **key(caller)) as client:
        client.send('{"type": "stop", "user": "mallory"}')
        client.send('{"type": "what"}')
        events, code = read(client)
    waiting.may_end.set()
    stream.close()

    # Messages are handled in order: the second one shows that the first was.
    assert (events[-1]["code"], code) == ("invalid_param", 1008)
    assert service.worker.stopped == []


#: Of a run that asks one person, up to its pause and behind it.
PAUSED = [*EVENTS[:3], "human_input_required", "workflow_paused"]
RESUMED = ["workflow_started", "human_input_form_filled", "workflow_finished"]


def ask(service: Service, caller: Caller) -> tuple[str, str]:
    """A run that waits, and the token of its form."""
    service.worker.script = Asking(service.database)
    paused = caller.run().json
    return paused["workflow_run_id"], paused["data"]["reasons"][0]["form_token"]


def submit(caller: Caller, token: str) -> None:
    answer = {"inputs": {"reason": "Fine."}, "action": "approve", "user": "bob"}
    assert caller.post(f"/v1/form/human_input/{token}", json=answer).status_code == 200


def test_a_pause_closes_the_connection(service: Service, caller: Caller, address: str):
    run_id, token = ask(service, caller)

    with connected(address, run_id, **key(caller)) as client:
        events, code = read(client)
    submit(caller, token)
    service.worker.join()
    with connected(address, run_id, f"after={len(events)}", **key(caller)) as client:
        rest, _ = read(client)

    assert (names(events), code) == (PAUSED, 1000)
    assert names(rest) == RESUMED


def test_a_connection_that_continues_on_pause_follows_the_run_to_its_end(service: Service, caller: Caller, address: str):
    run_id, token = ask(service, caller)

    with connected(address, run_id, "continue_on_pause=true", **key(caller)) as client:
        first = [json.loads(client.receive(timeout=5)) for _ in PAUSED]
        submit(caller, token)
        rest, code = read(client)

    assert (names(first), names(rest), code) == (PAUSED, RESUMED, 1000)


def test_a_client_that_leaves_changes_nothing_and_frees_its_stream(service: Service, caller: Caller, address: str):
    waiting = service.worker.script = Waiting()
    stream = caller.stream()
    run_id = stream.headers["X-Workflow-Run-ID"]
    with connected(address, run_id, **key(caller)) as client:
        client.receive(timeout=5)
    stream.close()

    streams = service.parts.streams
    with streams._changed:
        assert streams._changed.wait_for(lambda: not streams._streams, timeout=5)
    waiting.may_end.set()
    service.worker.join()
    assert caller.get(f"/v1/workflows/run/{run_id}").json["status"] == "succeeded"


def test_draining_closes_connections_as_a_restart():
    with served() as service:
        waiting = service.worker.script = Waiting()
        caller = service.hello()
        server = make_server("127.0.0.1", 0, service.app, threaded=True)
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        stream = caller.stream()
        with connected(f"127.0.0.1:{server.port}", stream.headers["X-Workflow-Run-ID"], **key(caller)) as client:
            client.receive(timeout=5)
            service.parts.streams.drain(0)
            _, code = read(client)
        waiting.may_end.set()
        stream.close()
        server.shutdown()
        serving.join()
        server.server_close()

    assert code == 1012


@pytest.mark.parametrize("origin", ["http://127.0.0.1", "https://listed.example"])
def test_pages_of_known_origins_may_connect(caller: Caller, address: str, origin: str):
    with connected(address, caller.run().json["workflow_run_id"], Origin=origin, **key(caller)) as client:
        assert names(read(client)[0]) == EVENTS


def test_pages_of_other_origins_are_refused_before_the_handshake(caller: Caller, address: str):
    assert refusal(address, "any", {"Origin": "https://evil.example", **key(caller)}) == (403, "forbidden")


def test_a_plain_request_is_told_that_this_is_a_websocket(caller: Caller):
    assert caller.get("/v1/workflows/run/xyz/ws").status_code == 400
