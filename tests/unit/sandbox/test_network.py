"""Code with ``PENSTOCK_SANDBOX_NETWORK``: it may connect, but only as a client, and nothing else changes."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.unit.sandbox.observing import error_of, run
from worker.sandbox.policy import Policy
from worker.sandbox.runner import SandboxRunner

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines to this degree")


@pytest.fixture(scope="module")
def connected() -> Iterator[SandboxRunner]:
    runner = SandboxRunner(policy=Policy(allow_network=True))
    yield runner
    runner.close()


@pytest.fixture
def server() -> Iterator[int]:
    """Port of an HTTP server on the loopback address that answers one request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")

        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_code_reaches_servers_by_name(connected, server):
    source = """
import urllib.request
def main(port):
    return urllib.request.urlopen(f"http://localhost:{port}/", timeout=5).read().decode()
"""
    assert run(connected, source, {"port": server}) == "hello"


def test_certificates_of_the_system_are_readable(connected):
    source = "import ssl\ndef main():\n    return len(ssl.create_default_context().get_ca_certs())"

    assert run(connected, source) > 0 or not os.path.exists("/etc/ssl/certs/ca-certificates.crt")


@pytest.mark.parametrize(
    "attempt",
    [
        "socket.socket(socket.AF_UNIX)",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
        "socket.socket().bind(('127.0.0.1', 0))",
        "socket.socket().listen()",
        "open('/etc/passwd')",
        "os.fork()",
        "os.kill(os.getppid(), 9)",
    ],
)
def test_everything_else_stays_forbidden(connected, attempt):
    assert "PermissionError" in error_of(connected, f"import os, socket\n{attempt}")


def test_other_runners_stay_without_network(connected, runner):
    assert "PermissionError" in error_of(runner, "import socket\nsocket.socket()")
