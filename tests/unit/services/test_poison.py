"""Who called: found by the whole connection, while processes come and go."""

import os
import socket
import subprocess
from contextlib import closing

import pytest

from tests.services.poison import PoisonServer, caller_of


def connected(listener: socket.socket, port: int = 0) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.bind(("127.0.0.1", port))
    client.connect(listener.getsockname())
    return client


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


def test_the_caller_is_told_apart_from_another_process_with_the_same_port() -> None:
    with listening() as other, listening() as server, connected(other) as innocent:
        port = innocent.getsockname()[1]
        with closing(connected(server, port)) as client:
            child = subprocess.Popen(["sleep", "60"], pass_fds=[client.fileno()])
            client.close()
            try:
                assert caller_of(port, server.getsockname()[1]) == child.pid
                assert caller_of(port, other.getsockname()[1]) == os.getpid()
            finally:
                child.kill()
                child.wait()


def test_a_caller_that_is_not_found_fails_the_test_that_relies_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(port: int, server_port: int) -> int:
        raise TimeoutError("nobody")

    monkeypatch.setattr("tests.services.poison.caller_of", nobody)
    server = PoisonServer().__enter__()
    host, _, port = server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(100) == b""
    with pytest.raises(ExceptionGroup, match="spared callers"):
        server.__exit__(None, None, None)
    assert server.killed == []
