"""A stop ends a request wherever it stands, within a second (reliability.md section 1.5)."""

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.services.waiting import wait_for
from worker.engine.errors import RunDrained, RunStopped
from worker.engine.inbox import Command, Inbox
from worker.engine.ports import OutboundRequest
from worker.outbound.client import GuardedClient


class Sending:
    """A request in a thread of its own, and what became of it."""

    def __init__(self, client, url, **options):
        self.inbox = Inbox()
        self.outcome = None
        self._request = OutboundRequest("POST" if options.get("body") else "GET", url, **options)
        self._thread = threading.Thread(target=self._run, args=(client,))
        self._thread.start()

    def _run(self, client):
        try:
            self.outcome = client.send(self._request, self.inbox)
        except BaseException as error:
            self.outcome = error

    def cancel(self, command=Command.STOP):
        """Seconds until the request had ended."""
        began = time.monotonic()
        self.inbox.cancel(command)
        self._thread.join(10)
        return time.monotonic() - began

    def result(self):
        self._thread.join(10)
        return self.outcome


def assert_stops(sending):
    assert sending.cancel() < 1
    assert isinstance(sending.outcome, RunStopped)


def test_while_the_server_thinks(client, web):
    web.routes["/"] = lambda seen, answer: answer.hold()
    sending = Sending(client, web.url)
    web.wait_until_called()

    assert_stops(sending)


def test_while_the_body_arrives(client, web):
    def trickle(seen, answer):
        answer.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        answer.hold()

    web.routes["/"] = trickle
    sending = Sending(client, web.url)
    web.wait_until_called()

    assert_stops(sending)


def test_while_the_body_streams_without_pause(client, web):
    def stream(seen, answer):
        answer.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        answer.repeat(b"1\r\nx\r\n")

    web.routes["/"] = stream
    sending = Sending(client, web.url)
    web.wait_until_called()

    assert_stops(sending)


def test_while_the_request_is_written(client):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        sending = Sending(client, f"http://127.0.0.1:{deaf.getsockname()[1]}/", body=b"x" * 50_000_000)
        accepted, _ = deaf.accept()
        with accepted:
            accepted.recv(10)

            assert_stops(sending)


def test_while_tls_is_agreed(client):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sending = Sending(client, f"https://127.0.0.1:{silent.getsockname()[1]}/")
        accepted, _ = silent.accept()
        with accepted:
            accepted.recv(10)

            assert_stops(sending)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux drops connections that a full queue cannot take")
def test_while_the_connection_is_made(client):
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.create_connection(full.getsockname(), timeout=5)]
        try:
            while True:
                waiting.append(socket.create_connection(full.getsockname(), timeout=0.2))
        except TimeoutError:
            pass
        sending = Sending(client, f"http://127.0.0.1:{full.getsockname()[1]}/")
        time.sleep(0.1)

        assert_stops(sending)
        for sock in waiting:
            sock.close()


def test_while_the_name_is_looked_up(web):
    asked, release = threading.Event(), threading.Event()

    def slow(host, port):
        asked.set()
        release.wait(10)
        return ["127.0.0.1"]

    sending = Sending(GuardedClient(("127.0.0.1/32",), resolver=slow), f"http://slow.example:{web.port}/")
    asked.wait(5)

    assert_stops(sending)
    release.set()
    assert web.connections == 0


def test_before_it_begins(client, web):
    inbox = Inbox()
    inbox.stop()

    with pytest.raises(RunStopped):
        client.send(OutboundRequest("GET", web.url), inbox)

    assert web.seen == []


def test_the_signal_is_that_of_the_cancellation(client, web):
    web.routes["/"] = lambda seen, answer: answer.hold()
    sending = Sending(client, web.url)
    web.wait_until_called()
    sending.cancel(Command.DRAIN)

    assert isinstance(sending.outcome, RunDrained)


def test_another_run_is_not_disturbed(client, web):
    answers = threading.Event()

    def wait(seen, answer):
        answers.wait(10)
        answer.send(b"late")

    web.routes["/"] = wait
    stopped, other = Sending(client, web.url), Sending(client, web.url)
    web.wait_until_called(2)
    stopped.cancel()
    answers.set()

    assert other.result().body == b"late"


def test_a_stop_after_the_answer_leaves_the_connection_alone(client, web):
    inbox = Inbox()
    client.send(OutboundRequest("GET", web.url), inbox)
    inbox.stop()

    assert client.send(OutboundRequest("GET", web.url), Inbox()).status == 200
    assert web.connections == 1


def test_stops_at_any_moment_leave_the_client_usable(client, web):
    for delay_ms in range(20):
        sending = Sending(client, web.url)
        time.sleep(delay_ms / 4000)
        assert sending.cancel() < 1

    assert client.send(OutboundRequest("GET", web.url), Inbox()).body == b"hello"


GREENLETS = """
from gevent import monkey
monkey.patch_all()
import gevent, time
from tests.unit.outbound.web import WebServer
from worker.engine.errors import RunStopped
from worker.engine.inbox import Inbox
from worker.engine.ports import OutboundRequest
from worker.outbound.client import GuardedClient

def call(path, inbox):
    try:
        return client.send(OutboundRequest("GET", web.url + path), inbox).body
    except RunStopped as error:
        return error

client = GuardedClient(("127.0.0.1/32",), resolver=lambda host, port: ["127.0.0.1"])
with WebServer() as web:
    web.routes["/slow"] = lambda seen, answer: (time.sleep(0.5), answer.send(b"slow"))
    web.routes["/never"] = lambda seen, answer: answer.hold()
    began, inbox = time.monotonic(), Inbox()
    slow = [gevent.spawn(call, "/slow", Inbox()) for _ in range(20)]
    never = gevent.spawn(call, "/never", inbox)
    web.wait_until_called(21)
    inbox.stop()
    gevent.joinall([*slow, never], timeout=5)
    assert [one.value for one in slow] == [b"slow"] * 20
    assert isinstance(never.value, RunStopped), never.value
    assert time.monotonic() - began < 3, "requests of greenlets must wait together"
    client.close()
"""


def test_greenlets_wait_together_and_stop():
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", GREENLETS], cwd=root, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr


def test_no_thread_is_left_behind(client, web):
    before = threading.active_count()
    Sending(client, web.url).result()

    wait_for(lambda: threading.active_count() <= before + 1, "the threads to end", 5)
