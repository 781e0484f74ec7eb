"""Batches through the whole product: submitted over HTTP and from the command line, worked off, downloaded."""

from __future__ import annotations

import csv
import io
import json
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.acceptance.conftest import Cluster
from tests.services import documents
from tests.services.batches import BATCHES, lines, look, upload
from tests.services.client import Client
from tests.services.counting import CountingServer
from tests.services.penstock import Server
from tests.services.waiting import wait_for


@pytest.fixture
def echo(server: Server) -> Iterator[Client]:
    """start -> end: the output `answer` is the input `q`."""
    chain = documents.chain("batch echo", [documents.start(documents.variable("q", required=True)), documents.end(answer=["start", "q"])])
    with server.client(server.import_document(chain)) as client:
        yield client


@pytest.fixture
def calling(server: Server, counting: CountingServer) -> Iterator[Client]:
    """start -> one call to `/{q}` of the server that counts -> end."""
    call = documents.http_get("call", f"{counting.url}/{{{{#start.q#}}}}")
    nodes = [documents.start(documents.variable("q", required=True, max_length=500)), call, documents.end(body=["call", "body"])]
    with server.client(server.import_document(documents.chain("batch calling", nodes))) as client:
        yield client


def submit(client: Client, *texts: str, **options: Any) -> str:
    given = [{"custom_id": f"{number}-{text}", "inputs": {"q": text}} for number, text in enumerate(texts)]
    answer = client.http.post(BATCHES, json={"items": given, "user": client.user, **options})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def wait_for_end(client: Client, batch_id: str, status: str = "completed") -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        found = look(client, batch_id)
        return found if found["ended_at"] is not None else None

    found = wait_for(ended, f"batch {batch_id} to end", timeout_s=90, interval_s=0.1)
    assert found["status"] == status, found
    return found


def events(client: Client, batch_id: str) -> Iterator[dict[str, Any]]:
    with client.http.stream("GET", f"{BATCHES}/{batch_id}/events") as response:
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        for line in response.iter_lines():
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))


def test_any_instance_tells_of_a_batch_and_knows_its_key(cluster: Cluster):
    nodes = [documents.start(documents.variable("q", required=True)), documents.end(answer=["start", "q"])]
    app = cluster.deployment.import_document(documents.chain("batch cluster", nodes))
    body = {"items": [{"custom_id": str(n), "inputs": {"q": f"text {n}"}} for n in range(100)], "metadata": {"a": "b"}}
    with cluster.client(app, 0) as one, cluster.client(app, 1) as other:
        first, second = (client.http.post(BATCHES, json=body, headers={"Idempotency-Key": "k"}) for client in (one, other))
        batch = first.json()["id"]

        told = list(events(other, batch))

        assert (first.status_code, second.status_code, second.json()["id"]) == (201, 201, batch)
        assert second.headers["Idempotent-Replayed"] == "true"
        assert (told[-1]["event"], told[-1]["data"]["counts"]["succeeded"]) == ("batch_finished", 100)
        assert [line["outputs"]["answer"] for line in lines(other, batch)] == [f"text {n}" for n in range(100)]
        assert lines(one, batch, "errors") == []


BAD_LINES = {
    20: '{"custom_id": "no-q", "inputs": {}}',
    50: '{"custom_id": "row-1", "inputs": {"q": "again"}}',
    100: '{"custom_id": "nan", "inputs": {"q": NaN}}',
    200: "{",
    300: '{"custom_id": "number", "inputs": {"q": 5}}',
}


def test_a_batch_of_300_lines_with_five_bad_ones_completes(echo: Client):
    texts = {n: BAD_LINES.get(n) or json.dumps({"custom_id": f"row-{n}", "inputs": {"q": f"text {n}"}}) for n in range(1, 301)}

    batch = upload(echo, "\n".join(texts.values()), "batch.jsonl")

    assert (batch["counts"]["total"], batch["counts"]["invalid"]) == (300, 5)
    assert [error["line"] for error in batch["errors"]] == list(BAD_LINES)
    told = list(events(echo, batch["id"]))
    found = wait_for_end(echo, batch["id"])
    assert (found["counts"]["succeeded"], found["counts"]["invalid"], found["counts"]["ended"]) == (295, 5, 300)
    assert (told[-1]["event"], told[-1]["data"]["status"]) == ("batch_finished", "completed")
    ended = [event["data"]["counts"]["ended"] for event in told]
    assert ended == sorted(ended)

    results = lines(echo, batch["id"])
    expected = [(n, f"row-{n}", {"answer": f"text {n}"}) for n in texts if n not in BAD_LINES]
    assert [(line["line"], line["custom_id"], line["outputs"]) for line in results] == expected
    assert {line["status"] for line in results} == {"succeeded"}
    assert set(Counter(line["custom_id"] for line in lines(echo, batch["id"], order="finished")).values()) == {1}
    assert [(line["line"], line["status"]) for line in lines(echo, batch["id"], "errors")] == [(n, "invalid") for n in BAD_LINES]
    table = echo.http.get(f"{BATCHES}/{batch['id']}/results", params={"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(table.text, newline="")))
    assert [row["outputs.answer"] for row in rows] == [f"text {n}" for n in texts if n not in BAD_LINES]
    run = echo.detail(results[0]["workflow_run_id"])
    assert (run["status"], run["outputs"]) == ("succeeded", {"answer": "text 1"})


def test_a_table_in_gbk_runs(echo: Client):
    batch = upload_bytes(echo, "custom_id,q\r\n一,你好世界\r\n二,再见\r\n".encode("gbk"))

    assert batch["input"] == {"format": "csv", "encoding": "gb18030", "delimiter": ","}
    wait_for_end(echo, batch["id"])
    assert [(line["custom_id"], line["outputs"]["answer"]) for line in lines(echo, batch["id"])] == [("一", "你好世界"), ("二", "再见")]


def upload_bytes(client: Client, content: bytes) -> dict[str, Any]:
    answer = client.http.post(BATCHES, files={"file": ("batch.csv", content)})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_batch_that_is_cancelled_stops_what_runs_and_begins_nothing_more(calling: Client, counting: CountingServer):
    batch = submit(calling, *[f"hold/{n}" for n in range(20)], max_concurrency=2)
    counting.wait_until_called("0")
    counting.wait_until_called("1")

    answer = calling.http.post(f"{BATCHES}/{batch}/cancel")

    assert answer.status_code == 200
    assert answer.json()["status"] in ("cancelling", "cancelled")
    found = wait_for_end(calling, batch, "cancelled")
    assert (found["counts"]["stopped"], found["counts"]["cancelled"]) == (2, 18)
    assert sum(counting.calls().values()) == 2
    errors = lines(calling, batch, "errors")
    assert Counter(line["status"] for line in errors) == {"stopped": 2, "cancelled": 18}


def test_what_was_cancelled_can_be_tried_again(calling: Client, counting: CountingServer):
    batch = submit(calling, "count/first", *[f"hold/{n}" for n in range(3)], max_concurrency=1)
    counting.wait_until_called("0")
    calling.http.post(f"{BATCHES}/{batch}/cancel")
    wait_for_end(calling, batch, "cancelled")
    counting.release_all()

    again = calling.http.post(f"{BATCHES}/{batch}/retry").json()

    assert again["retried"] == 3
    assert wait_for_end(calling, batch)["counts"]["succeeded"] == 4
    assert [line["outputs"]["body"] for line in lines(calling, batch)] == ["first", "0", "1", "2"]
    assert counting.calls()["first"] == 1


def test_a_paused_batch_begins_nothing_until_it_is_resumed(calling: Client, counting: CountingServer):
    batch = submit(calling, *[f"hold/{n}" for n in range(5)], max_concurrency=1)
    counting.wait_until_called("0")
    assert calling.http.post(f"{BATCHES}/{batch}/pause").json()["status"] == "paused"
    counting.release_all()
    wait_for(lambda: look(calling, batch)["counts"]["running"] == 0, "the run to end")
    assert look(calling, batch)["counts"]["waiting"] == 4

    assert calling.http.post(f"{BATCHES}/{batch}/resume").json()["status"] == "in_progress"

    wait_for_end(calling, batch)


def test_results_come_while_the_batch_runs(calling: Client, counting: CountingServer):
    batch = submit(calling, "hold/slow", "count/a", "count/b")
    wait_for(lambda: look(calling, batch)["counts"]["succeeded"] == 2, "two items to end")

    known = lines(calling, batch, order="finished")
    assert sorted(line["outputs"]["body"] for line in known) == ["a", "b"]
    counting.release_all()
    wait_for_end(calling, batch)

    rest = lines(calling, batch, order="finished", after=known[-1]["cursor"])
    assert [line["outputs"]["body"] for line in rest] == ["slow"]


def test_a_batch_from_the_command_line(server: Server, echo: Client, tmp_path: Path):
    app_id = next(app["app_id"] for app in apps(server) if app["name"] == "batch echo")
    file = tmp_path / "batch.csv"
    file.write_text("custom_id,q\n" + "".join(f"row-{n},text {n}\n" for n in range(50)) + "bad,\n")

    done = server.call("batch", "submit", app_id, str(file), "--watch")

    assert done.returncode == 0, done.stderr
    told = done.stderr.splitlines()
    assert told[0] == "line 52: q is required in input form"
    assert told[-1].endswith(" is completed: 51 of 51 items have ended (1 invalid).")
    batch_id = done.stdout.strip()
    path = tmp_path / "results.csv"
    assert server.call("batch", "results", batch_id, "-o", str(path)).returncode == 0
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert server.call("batch", "results", batch_id, "-o", str(path)).returncode == 0
    assert path.read_bytes() == whole
    rows = list(csv.DictReader(io.StringIO(path.read_text(), newline="")))
    assert [(row["custom_id"], row["outputs.answer"]) for row in rows] == [(f"row-{n}", f"text {n}") for n in range(50)]
    errors = server.call("batch", "errors", batch_id).stdout.splitlines()
    assert [json.loads(line)["custom_id"] for line in errors] == ["bad"]


def apps(server: Server) -> list[dict[str, Any]]:
    """The newest ones first."""
    done = server.call("apps", "list", "--json")
    return [{"app_id": line["id"], "name": line["name"]} for line in map(json.loads, done.stdout.splitlines())][::-1]


@pytest.mark.parametrize("token", ["right", "wrong"])
def test_five_gigabytes_are_refused_without_being_read(echo: Client, token: str):
    """Nor does the process that refuses them read them afterwards, to find the next request: it would do nothing else then."""
    target = urlsplit(echo.url)
    head = (
        f"POST {BATCHES} HTTP/1.1\r\nHost: {target.netloc}\r\nAuthorization: Bearer {echo.api_key if token == 'right' else token}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {5 * 1024**3}\r\n\r\n"
    )
    with socket.create_connection((str(target.hostname), int(target.port or 0)), timeout=30) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(65536)
        sent = send_until_refused(connection)

    assert answer.startswith(b"HTTP/1.1 413 " if token == "right" else b"HTTP/1.1 401 ")
    assert sent < 100
    assert echo.http.get("/healthz/live").status_code == 200


def send_until_refused(connection: socket.socket) -> int:
    """Megabytes of a body that the server took before it closed the connection."""
    for sent in range(5 * 1024):
        try:
            connection.sendall(b"x" * 1024**2)
        except ConnectionError:
            return sent
    return 5 * 1024


def test_a_connection_goes_on_behind_a_small_body_that_was_not_read(echo: Client):
    """A refusal before the body was looked at must not cost clients their connection."""
    with httpx.Client(base_url=echo.url) as client:
        ports = set()
        for _ in range(3):
            answer = client.post(BATCHES, content=b"x" * 1000, headers={"Authorization": "Bearer wrong"})
            ports.add(answer.extensions["network_stream"].get_extra_info("client_addr")[1])
            assert answer.status_code == 401

    assert len(ports) == 1
