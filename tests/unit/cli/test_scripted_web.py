import pytest

from app.cli.scripted_web import scripted_web
from worker.engine.inbox import Inbox
from worker.engine.ports import OutboundRequest
from worker.outbound.errors import InvalidURL, ResponseTooLarge


@pytest.fixture(scope="module")
def web():
    with scripted_web() as client:
        yield client


@pytest.mark.parametrize("url", ["https://httpbin.org/get?a=b%20c", "http://httpbin.org:80/get?a=b%20c"])
def test_whoever_is_asked_one_server_answers_in_its_name(web, url):
    answer = web.send(OutboundRequest("GET", url), Inbox())

    assert answer.url == url
    assert b'"args": {"a": "b c"}' in answer.body
    assert b'"Host": "httpbin.org"' in answer.body


def test_addresses_that_a_worker_may_not_call_answer_too(web):
    assert web.send(OutboundRequest("GET", "http://169.254.1.2:8080/api/state"), Inbox()).status == 200


def test_a_host_that_a_request_names_itself_is_kept(web):
    request = OutboundRequest("GET", "https://10.0.0.1/get", (("Host", "httpbin.org"),))

    assert b'"Host": "httpbin.org"' in web.send(request, Inbox()).body


def test_what_is_no_address_fails_as_it_does_everywhere(web):
    with pytest.raises(InvalidURL):
        web.send(OutboundRequest("GET", "ftp://example.com/"), Inbox())


def test_bounds_of_a_request_hold(web):
    with pytest.raises(ResponseTooLarge):
        web.send(OutboundRequest("GET", "https://example.com/contract.pdf", max_bytes=10), Inbox())
