"""`penstock up` when something goes wrong around it."""

from __future__ import annotations

import os
import re
import signal
import socket
from pathlib import Path

import httpx
import pytest

from tests.services import documents
from tests.services.penstock import Installation, Server
from tests.services.waiting import wait_for

needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")

HELLO = documents.chain("hello", [documents.start(documents.variable("q")), documents.end(q=["start", "q"])])


def processes(server: Server) -> dict[int, str]:
    """Command lines of everything that the server started, by process id.

    Valkey overwrites its environment with its title, so that it is known by its socket in the data folder instead.
    """
    found = {int(entry.name): command_of(entry) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    members = server.process.members()
    return {pid: command for pid, command in found.items() if pid in members or str(server.folder) in command}


def command_of(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def pid_of(server: Server, name: str) -> int:
    """The first one with this in its command line."""
    return wait_for(lambda: min((pid for pid, command in processes(server).items() if name in command), default=0), f"a process {name}")


def is_ready(server: Server) -> bool:
    try:
        return httpx.get(f"{server.url}/healthz/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@needs_proc
def test_whatever_dies_is_started_again(tmp_path):
    with Server(tmp_path) as server:
        app = server.import_document(HELLO)
        for name in ("celery", "gunicorn", "valkey-server"):
            dead = pid_of(server, name)
            os.kill(dead, signal.SIGKILL)
            wait_for(lambda dead=dead: dead not in processes(server), f"{name} to be gone")
            assert pid_of(server, name) != dead
            wait_for(lambda: is_ready(server), f"the API to be ready without its first {name}")

        with server.client(app) as client:
            assert client.run({"q": "x"})["data"]["outputs"] == {"q": "x"}
        assert len(re.findall(r"penstock: \S+ was killed by SIGKILL; starting it again in 0\.5 s\.", server.process.output)) == 3


@needs_proc
def test_when_it_is_killed_its_processes_end_and_its_successor_goes_on(tmp_path):
    with Server(tmp_path) as server:
        app = server.import_document(HELLO)
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        wait_for(lambda: not processes(server), "every process to end", timeout_s=15)

        server.start()
        with server.client(app) as client:
            assert client.run({"q": "x"})["data"]["outputs"] == {"q": "x"}


def test_commands_beside_it_find_its_redis_and_database(tmp_path):
    with Server(tmp_path) as server:
        app = server.import_document(HELLO)
        with server.client(app) as client:
            run_id = client.run({"q": "x"})["workflow_run_id"]

        assert run_id in server.call("runs", "list", "hello").stdout
        assert '"outputs": {"q": "x"}' in server.call("runs", "show", run_id, "--json").stdout
        frames = server.call("runs", "tail", run_id, "--json").stdout.splitlines()
        assert '"event":"workflow_started"' in frames[0]
        assert '"event":"workflow_finished"' in frames[-1]
        assert server.call("runs", "stop", run_id).stdout == "The run has ended already.\n"


def test_a_run_is_stopped_from_the_command_line(tmp_path, counting):
    hold = documents.http_get("hold", f"{counting.url}/hold/stop")
    with Server(tmp_path, PENSTOCK_OUTBOUND_ALLOW="127.0.0.1") as server:
        app = server.import_document(documents.chain("waits", [documents.start(), hold, documents.end(body=["hold", "body"])]))
        with server.client(app) as client, client.open() as events:
            run_id = next(events)["workflow_run_id"]
            counting.wait_until_called("stop")

            assert server.call("runs", "stop", run_id).stdout == "The run is told to stop.\n"
            assert list(events)[-1]["data"]["status"] == "stopped"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_port_that_is_taken_is_refused_with_a_sentence(tmp_path, host):
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = Installation(tmp_path).call("up", "--host", host, "--port", str(other.getsockname()[1]))

    assert done.returncode == 1
    assert re.fullmatch(rf"penstock: {host}:\d+ cannot be used: Address already in use\.\n", done.stderr)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"PENSTOCK_LEASE": "soon"}, "PENSTOCK_LEASE is 'soon', but must be a number of seconds, 0 or more."),
        ({"PENSTOCK_MAX_STREAMS": "many"}, "PENSTOCK_MAX_STREAMS is 'many', but must be a whole number."),
        ({"PENSTOCK_WORKER_POOL": "prefork"}, "PENSTOCK_WORKER_POOL is 'prefork', but must be one of threads, gevent."),
        ({"DATABASE_URL": "postgresql://127.0.0.1:1/none"}, "The database does not answer: "),
    ],
)
def test_settings_that_cannot_work_are_refused_with_a_sentence(tmp_path, settings, sentence):
    done = Installation(tmp_path, **settings).call("up", "--port", "0")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"penstock: {sentence}")
    assert "Traceback" not in done.stderr
