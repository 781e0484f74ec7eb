import math
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.bench.generator import Answer, Order, Request, address, http_text, load, order_runs
from tests.services.penstock import ImportedApp


def answer(order, ended):
    return Answer(order, ended, [], [], [], {}, "", took_s=4.0, cpu_s=0.0)


def test_what_ended_in_the_warm_up_does_not_count():
    timed = answer(Order([], [], seconds=2.0, warm_s=1.0), [0.5, 1.5, 2.5, 3.5])

    assert (timed.per_s, timed.steady_per_s, timed.count) == (3 / 2.5, 1.0, 4)


def test_of_a_given_number_all_count():
    assert answer(Order([], [], seconds=60, limit=4), [0.5, 1.0, 1.5, 2.0]).per_s == 2.0


def test_nothing_has_no_rate():
    assert math.isnan(answer(Order([], [], seconds=1.0), []).per_s)


def test_clients_are_spread_over_the_instances():
    request = Request(ImportedApp("a", "w", "key", "name"), "streaming", {"text": "x"})

    order = order_runs(["http://127.0.0.1:1", "http://127.0.0.1:2"], request, 3, 1.0)

    assert [text.split("Host: ")[1].split("\r\n")[0] for text in order.requests] == ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:1"]
    assert order.requests[0].endswith('{"inputs": {"text": "x"}, "response_mode": "streaming", "user": "client 0"}')


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"hello"
        if self.path == "/stream":
            events = [b'data: {"event":"workflow_started"}\n\n', b'data: {"event":"workflow_finished","text":"hello"}\n\n']
            body = b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in [*events, b""])
        self.send_response(500 if self.path == "/broken" else 200)
        self.send_header(*(("Transfer-Encoding", "chunked") if self.path == "/stream" else ("Content-Length", str(len(body)))))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *arguments):
        """Quiet."""


@pytest.fixture(scope="module")
def url():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def order_of(url, path, **more):
    host, port = address(url)
    return Order([(host, port)], [http_text("GET", path, f"{host}:{port}")] * 2, 60, expects="hello", limit=10, **more)


def test_so_many_requests_are_sent_and_answered(url):
    found = load(order_of(url, "/"))

    assert (found.count, found.failures, len(found.latencies), found.started) == (10, {}, 10, [])


def test_streams_tell_when_they_began(url):
    found = load(order_of(url, "/stream"))

    assert (found.count, found.failures) == (10, {})
    assert all(0 < started <= latency for started, latency in zip(found.started, found.latencies, strict=True))


def test_wrong_answers_are_counted_and_one_is_shown(url):
    found = load(order_of(url, "/broken"))

    assert (found.count, found.failures) == (0, {"500": 10})
    assert found.sample.startswith("HTTP/1.1 500")
