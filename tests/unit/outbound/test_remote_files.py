import pytest

from tests.services.ports import free_port
from tests.unit.outbound.web import redirect
from worker.engine.errors import FormError, RunStopped
from worker.engine.inbox import Inbox
from worker.outbound.client import GuardedClient
from worker.outbound.remote_files import RemoteFile, look_at


@pytest.fixture
def look(client):
    return lambda url: look_at(url, client, Inbox())


def head(status=200, **headers):
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return lambda seen, answer: answer.raw(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode())


def test_the_url_names_the_file(look, web):
    web.routes["/files/my%20report.PDF"] = head(content_length=1234, content_type="application/octet-stream")

    assert look(f"{web.url}/files/my%20report.PDF?key=1#page=2") == RemoteFile("my report.PDF", "application/pdf", 1234)
    assert web.seen[0].method == "HEAD"


def test_the_server_names_the_file(look, web):
    web.routes["/get"] = head(content_disposition='attachment; filename="photo.png"', content_length=5, content_type="text/plain")

    assert look(f"{web.url}/get") == RemoteFile("photo.png", "image/png", 5)


def test_a_name_without_known_extension_takes_the_type_that_the_server_says(look, web):
    web.routes["/get"] = head(content_type="Image/WebP; q=1", content_length=5)

    assert look(f"{web.url}/get") == RemoteFile("get", "image/webp", 5)


def test_a_file_without_name_gets_one(look, web):
    web.routes["/"] = head(content_type="image/png")

    found = look(f"{web.url}/")

    assert found.name.endswith(".png")
    assert len(found.name) == 36
    assert found.size == -1


@pytest.mark.parametrize("status", [204, 401, 403, 404, 405, 501])
def test_an_error_status_is_tolerated(look, web, status):
    web.routes["/a.png"] = head(status, content_type="text/html", content_length=99, content_disposition="attachment; filename=x.html")

    assert look(f"{web.url}/a.png") == RemoteFile("a.png", "image/png", -1)


def test_redirects_are_followed(look, web):
    web.routes["/short"] = redirect("/long.txt")
    web.routes["/long.txt"] = head(content_length=3)

    assert look(f"{web.url}/short").size == 3


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_that_asks_to_come_back_is_asked_four_times(look, web, status):
    web.routes["/a.txt"] = head(status)

    with pytest.raises(FormError) as caught:
        look(f"{web.url}/a.txt")

    assert caught.value.message == f"Reached maximum retries (3) for URL {web.url}/a.txt"
    assert len(web.seen) == 4


def test_a_server_that_recovers_is_heard(look, web):
    answers = [head(503), head(500), head(content_length=7)]
    web.routes["/a.txt"] = lambda seen, answer: answers.pop(0)(seen, answer)

    assert look(f"{web.url}/a.txt").size == 7


@pytest.mark.parametrize("url", ["http://10.0.0.1/a.png", "http://[::1]/a.png", "http://", "httpx://a/", "http://nothing.invalid/a.png"])
def test_what_cannot_be_reached_is_told(look, url):
    with pytest.raises(FormError, match="Reached maximum retries") as caught:
        look(url)

    assert caught.value.message == f"Reached maximum retries (3) for URL {url}"


def test_a_refused_connection_is_told(look):
    url = f"http://127.0.0.1:{free_port()}/a.png"

    with pytest.raises(FormError, match="Reached maximum retries"):
        look(url)


def test_nobody_waits_for_the_next_attempt_of_a_stopped_run(web):
    inbox = Inbox()

    def answer_and_stop(seen, answer):
        inbox.stop()
        head(503)(seen, answer)

    web.routes["/a.txt"] = answer_and_stop
    client = GuardedClient(("127.0.0.1/32",))

    with pytest.raises(RunStopped):
        look_at(f"{web.url}/a.txt", client, inbox)
    client.close()
