"""Each way in which a vendor can fail, as a caller's HTTP library sees it."""

import threading
import time

import httpx
import pytest

from app.dev_model.server import BackgroundServer
from tests.services.waiting import wait_for


def calls(http):
    return http.get("/dev/calls").json()


def states(http):
    return [call["state"] for call in calls(http)]


def tokens_in(text):
    return text.count('"content":"') - text.count('"content":""')


def test_an_error_has_status_message_and_code(chat):
    answer = chat('x [[dev: status=503 message="All busy" code="overloaded" retry_after=7]]')

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "7"
    assert answer.json()["error"] == {"message": "All busy", "type": "server_error", "param": None, "code": "overloaded"}


@pytest.mark.parametrize(
    ("status", "code"), [(401, "invalid_api_key"), (404, "model_not_found"), (429, "rate_limit_exceeded"), (500, None)]
)
def test_usual_errors_have_the_vendors_codes(chat, status, code):
    answer = chat(f"x [[dev: status={status}]]")

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_fault_ends_after_so_many_times_the_same_request(chat):
    statuses = [chat("x [[dev: status=429 times=2]]").status_code for _ in range(4)]

    assert statuses == [429, 429, 200, 200]
    assert chat("other [[dev: status=429 times=1]]").status_code == 429


def test_what_was_counted_can_be_forgotten(chat, http):
    chat("x [[dev: status=429 times=1]]")
    http.delete("/dev/calls")

    assert chat("x [[dev: status=429 times=1]]").status_code == 429


def scripted(model, **more):
    return {"model": model, "messages": [{"role": "user", "content": "x"}], **more}


def test_a_server_that_hangs_says_nothing(http):
    with pytest.raises(httpx.ReadTimeout):
        http.post("/v1/chat/completions", json=scripted("dev?hang"), timeout=0.2)

    wait_for(lambda: states(http) == ["hung up"], "the server to notice")


def test_a_stream_can_hang_after_some_tokens_and_hanging_up_is_noticed_at_once(http):
    body = scripted("dev?hang_after=2&tokens=5", stream=True)
    seen = b""
    with http.stream("POST", "/v1/chat/completions", json=body) as response:
        pieces = response.iter_raw()
        while tokens_in(seen.decode()) < 2:
            seen += next(pieces)
        assert states(http) == ["open"]
    left_at = time.monotonic()

    wait_for(lambda: states(http) == ["hung up"], "the server to notice")
    assert time.monotonic() - left_at < 1
    assert calls(http)[0]["tokens"] == 2


def test_a_caller_that_leaves_a_slow_stream_is_noticed(http):
    body = scripted("dev?delay_ms=60000", stream=True)
    with http.stream("POST", "/v1/chat/completions", json=body) as response:
        next(response.iter_raw())

    wait_for(lambda: states(http) == ["hung up"], "the server to notice")


@pytest.mark.parametrize("stream", [True, False])
def test_a_connection_can_end_without_an_answer(chat, http, stream):
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        chat("x [[dev: drop]]", stream=stream)

    assert states(http) == ["broken"]


def test_a_connection_can_end_after_the_headers(chat):
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
        chat("x [[dev: close_after_headers]]", stream=True)


def test_a_stream_can_end_in_the_middle(http):
    body = scripted("dev?drop_after=3&tokens=9", stream=True)
    seen = []
    with http.stream("POST", "/v1/chat/completions", json=body) as response, pytest.raises(httpx.RemoteProtocolError):
        seen.extend(response.iter_lines())

    assert tokens_in("".join(seen)) == 3
    assert states(http) == ["broken"]


def test_garbage_is_no_json(chat):
    assert chat("x [[dev: garbage]]").text.startswith("<html>")
    assert chat("x [[dev: garbage]]", stream=True).text.endswith(
        "data: <html><body>This is not the answer you are looking for.</body></html>\n\n"
    )
    streamed = chat("x [[dev: garbage_after=2 tokens=5]]", stream=True).text
    assert tokens_in(streamed) == 2
    assert "<html>" in streamed
    assert "[DONE]" not in streamed


def test_a_stream_can_tell_of_an_error(chat):
    streamed = chat('x [[dev: error_after=2 message="Out of memory"]]', stream=True)

    assert streamed.status_code == 200
    assert tokens_in(streamed.text) == 2
    assert '"message":"Out of memory"' in streamed.text.splitlines()[-2]
    assert chat("x [[dev: error_after=2]]").status_code == 500


@pytest.mark.parametrize("stream", [True, False])
def test_delays_are_kept(chat, stream):
    began = time.monotonic()
    chat("x [[dev: tokens=4 delay_ms=20 first_delay_ms=50]]", stream=stream)

    assert time.monotonic() - began >= 0.13


def test_calls_are_reported(http):
    http.post("/v1/embeddings", json={"model": "m", "input": "x"}, headers={"Authorization": "Bearer k"})

    [call] = calls(http)
    assert (call["path"], call["key"], call["body"]) == ("/v1/embeddings", "Bearer k", {"model": "m", "input": "x"})
    assert (call["state"], call["status"]) == ("complete", 200)
    assert call["began_at"] <= call["ended_at"]


def test_any_path_in_front_will_do(http):
    body = {"model": "dev", "messages": [{"role": "user", "content": "x"}]}

    assert http.post("/openai/deployments/dev/chat/completions?api-version=1", json=body).status_code == 200


def test_slow_streams_run_side_by_side(http):
    """Sixty streams of half a second each would take half a minute one after the other."""
    began, lengths = time.monotonic(), []
    body = scripted("dev?tokens=5&delay_ms=100", stream=True)

    def read():
        lengths.append(tokens_in(http.post("/v1/chat/completions", json=body).text))

    threads = [threading.Thread(target=read) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert lengths == [5] * 60
    assert time.monotonic() - began < 10


def test_a_server_that_ends_cuts_its_connections():
    with BackgroundServer() as server:
        client = httpx.Client(base_url=server.url)
        response = client.send(
            client.build_request("POST", "/v1/chat/completions", json=scripted("dev?hang_after=0", stream=True)),
            stream=True,
        )
    with pytest.raises(httpx.RemoteProtocolError):
        response.read()
    client.close()
