import socket
import subprocess
import sys
import threading

import pytest

from tests.services.ports import free_port
from worker.engine.inbox import Inbox
from worker.engine.ports import OutboundRequest
from worker.outbound.client import GuardedClient
from worker.outbound.errors import AddressBlocked, ConnectionFailed, InvalidRequest, InvalidResponse


def get(client, url, method="GET", **options):
    return client.send(OutboundRequest(method, url, **options), Inbox())


def test_a_response_has_status_headers_body_and_url(client, web):
    web.routes["/x"] = lambda seen, answer: answer.raw(
        b"HTTP/1.1 201 Made\r\nX-Two: a\r\nx-two: b\r\nX-Name: \xe4\xb8\x96\r\nX-Old: \xe9\r\nContent-Length: 2\r\n\r\nhi"
    )

    response = get(client, f"{web.url}/x?a=1#there")

    assert (response.status, response.body, response.url) == (201, b"hi", f"{web.url}/x?a=1#there")
    assert response.headers == {"x-two": "a, b", "x-name": "世", "x-old": "é", "content-length": "2"}


def test_usual_headers_come_first_and_the_own_ones_replace_them(client, web):
    get(client, web.url, headers=[("X-One", "1"), ("user-agent", "mine"), ("X-One", "2"), ("Empty", "")])

    assert web.seen[0].header_lines == (
        f"Host: 127.0.0.1:{web.port}",
        "Accept: */*",
        "Accept-Encoding: gzip, deflate, br, zstd",
        "Connection: keep-alive",
        "X-One: 1",
        "user-agent: mine",
        "X-One: 2",
        "Empty: ",
    )


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_body_is_sent_with_every_method(client, web, method):
    get(client, web.url, method, body=b"\x00body", headers=[("Content-Length", "99"), ("Transfer-Encoding", "chunked")])

    seen = web.seen[0]
    assert (seen.method, seen.body, seen.headers["content-length"]) == (method, b"\x00body", "5")
    assert "transfer-encoding" not in seen.headers


@pytest.mark.parametrize(("method", "length"), [("POST", "0"), ("PATCH", "0"), ("GET", None), ("DELETE", None)])
def test_an_empty_body_has_a_length_where_servers_expect_one(client, web, method, length):
    get(client, web.url, method)

    assert web.seen[0].headers.get("content-length") == length


def test_the_url_is_encoded_but_not_twice(client, web):
    get(client, f"{web.url}/ä b/%41?q=ü&r=%20&s=a b&t=[{{}}]")

    assert web.seen[0].target == "/%C3%A4%20b/%41?q=%C3%BC&r=%20&s=a%20b&t=[{}]"


def test_a_user_in_the_url_becomes_basic_authorization(client, web):
    get(client, web.url.replace("http://", "http://me:p%40ss@"))
    get(client, web.url.replace("http://", "http://me:secret@"), headers=[("Authorization", "Bearer t")])

    assert [seen.headers["authorization"] for seen in web.seen] == ["Basic bWU6cEBzcw==", "Bearer t"]
    assert web.seen[0].headers["host"] == f"127.0.0.1:{web.port}"


def test_a_head_response_has_no_body_whatever_its_length(client, web):
    web.routes["/"] = lambda seen, answer: answer.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n")

    response = get(client, web.url, "HEAD", max_bytes=10)

    assert (response.body, response.headers["content-length"]) == (b"", "999")


def test_connections_are_used_again(client, web):
    for _ in range(3):
        get(client, web.url)

    assert [seen.connection for seen in web.seen] == [1, 1, 1]


def test_a_connection_that_the_server_closed_is_not_used_again(client, web):
    web.routes["/close"] = lambda seen, answer: answer.send(b"bye", connection="close")
    get(client, f"{web.url}/close")
    get(client, web.url)

    assert [seen.connection for seen in web.seen] == [1, 2]


def test_a_connection_with_unread_data_is_not_used_again(client, web):
    web.routes["/extra"] = lambda seen, answer: answer.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\nsmuggled")
    get(client, f"{web.url}/extra")

    assert get(client, web.url).body == b"hello"
    assert [seen.connection for seen in web.seen] == [1, 2]


def test_many_threads_share_one_client(client, web):
    web.routes["/echo"] = lambda seen, answer: answer.send(seen.target.encode())
    wrong = []

    def call(number):
        for turn in range(10):
            target = f"/echo?{number}.{turn}"
            if get(client, web.url + target).body.decode() != target:
                wrong.append(target)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(web.seen) == 80
    assert wrong == []
    assert web.connections <= 16


def test_a_refused_connection_is_told_in_the_words_of_the_system(client):
    with pytest.raises(ConnectionFailed) as caught:
        get(client, f"http://127.0.0.1:{free_port()}/")

    assert caught.value.message == "[Errno 111] Connection refused"


def test_a_host_without_address_is_told_in_the_words_of_the_resolver(client):
    with pytest.raises(ConnectionFailed, match=r"Name or service not known|Temporary failure|nodename nor servname"):
        get(client, "http://nothing.invalid/")


def test_a_host_that_has_no_address_is_told(web):
    client = GuardedClient(("empty.example",), resolver=lambda host, port: [])

    with pytest.raises(ConnectionFailed, match="has no address"):
        get(client, f"http://empty.example:{web.port}/")


def test_the_next_address_is_tried_when_one_does_not_answer(web):
    client = GuardedClient(("127.0.0.0/8",), resolver=lambda host, port: ["127.0.0.9", "127.0.0.1"])

    assert get(client, f"http://two.example:{web.port}/").body == b"hello"
    assert web.seen[0].headers["host"] == f"two.example:{web.port}"
    client.close()


def test_a_name_that_changes_its_address_cannot_slip_through(web):
    answers = iter([["127.0.0.1"], ["127.0.0.2"], ["127.0.0.1"]])
    asked = []

    def rebinding(host, port):
        asked.append(host)
        return next(answers)

    client = GuardedClient(("127.0.0.1/32",), resolver=rebinding)
    web.routes["/"] = lambda seen, answer: answer.send(b"hello", connection="close")
    url = f"http://rebound.example:{web.port}/"

    assert get(client, url).body == b"hello"
    assert len(asked) == 1, "the checked address is the one that is called"
    with pytest.raises(AddressBlocked):
        get(client, url)


def test_an_allowed_host_may_have_any_address(web):
    client = GuardedClient(("intranet.example",), resolver=lambda host, port: ["127.0.0.1"])

    assert get(client, f"http://Intranet.Example:{web.port}/").body == b"hello"
    with pytest.raises(AddressBlocked):
        get(client, f"http://other.example:{web.port}/")
    client.close()


def test_proxies_of_the_environment_are_not_used(client, web, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")

    assert get(client, web.url).body == b"hello"


def test_cookies_are_not_kept(client, web):
    web.routes["/cookie"] = lambda seen, answer: answer.send(b"", set_cookie="sid=1; Path=/")
    get(client, f"{web.url}/cookie")
    get(client, web.url)

    assert "cookie" not in web.seen[1].headers


@pytest.mark.parametrize("header", [("X A", "1"), ("X", "a\nb"), ("X", "a\r\nY: b"), ("X:", "1"), ("X", "a\0"), ("X", "é"), ("é", "x")])
def test_headers_that_http_cannot_carry_are_refused(client, web, header):
    with pytest.raises(InvalidRequest):
        get(client, web.url, headers=[header])

    assert web.seen == []


@pytest.mark.parametrize("data", [b"SSH-2.0-Open\r\n", b"", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"])
def test_what_is_not_http_is_told(client, web, data):
    def answer_with_garbage(seen, answer):
        answer.raw(data)
        raise OSError("closes the connection")

    web.routes["/"] = answer_with_garbage

    with pytest.raises(InvalidResponse):
        get(client, web.url)


def test_an_answer_before_the_body_was_read_is_seen(client):
    """A server may refuse a large upload and close; its answer counts, not the broken pipe."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse():
            sock, _ = listener.accept()
            with sock:
                sock.recv(1000)
                sock.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
                sock.shutdown(socket.SHUT_RDWR)
                done.wait(10)

        done = threading.Event()
        thread = threading.Thread(target=refuse)
        thread.start()
        response = get(client, f"http://127.0.0.1:{listener.getsockname()[1]}/", "POST", body=bytes(20_000_000))
        done.set()
        thread.join()

    assert (response.status, response.body) == (413, b"big")


def test_no_http_library_is_loaded_before_the_first_request():
    script = "import sys, worker.outbound.client; sys.exit('httpcore' in sys.modules or 'httpx' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
