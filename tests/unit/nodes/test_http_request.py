import time
from contextlib import closing

import pytest

from tests.services.ports import free_port
from tests.unit.nodes.http_world import EXECUTION_ID, RUN_ID, HTTPWorld, node
from tests.unit.outbound.web import WebServer, redirect
from worker.engine.errors import GraphError, RunStopped
from worker.engine.limits import Limits
from worker.engine.variables import Secret
from worker.nodes.http_request import HTTPRequestNode
from worker.nodes.registry import Registry
from worker.outbound.client import GuardedClient


@pytest.fixture
def world():
    client = GuardedClient(("127.0.0.1/32",))
    with WebServer() as web:
        web.routes["/echo"] = lambda seen, answer: answer.send(b'{"ok": true}', content_type="application/json")
        yield HTTPWorld(web, client)
    client.close()


def status(code):
    return lambda seen, answer: answer.send(b'{"error": 1}', code, content_type="application/json")


RETRY = {"retry_enabled": True, "max_retries": 3, "retry_interval": 100}


def test_the_registry_finds_the_node():
    assert Registry().node_class("http-request", "1") is HTTPRequestNode
    assert not HTTPRequestNode.is_pure
    assert not HTTPRequestNode.is_branch


def test_outputs_come_in_their_order_and_inputs_are_none(world):
    result = world.run()

    assert list(result.outputs.items()) == [
        ("status_code", 200),
        ("body", '{"ok": true}'),
        ("headers", {"content-type": "application/json", "content-length": "12"}),
        ("files", []),
    ]
    assert result.inputs == {}
    assert result.handle == "source"


def test_what_the_request_is_made_of(world):
    world.pool.set("start", "q", "v1 &=")
    world.run(
        url="/echo?fixed=1", params="a:{{#start.q#}}\nb: two\nempty:\n\n:nothing", headers="X-One:{{#start.q#}}\nX-Two: 2\nEmpty:\nx-two: 3"
    )

    seen = world.web.seen[0]
    assert (seen.method, seen.target, seen.body) == ("GET", "/echo?fixed=1&a=v1%20%26%3D&b=two&empty=", b"")
    assert {name: seen.headers[name] for name in ("x-one", "x-two", "empty")} == {"x-one": "v1 &=", "x-two": "3", "empty": ""}
    assert "content-type" not in seen.headers


@pytest.mark.parametrize(
    ("url", "params", "target"),
    [
        ("/echo", "a:1\na:2", "/echo?a=1&a=2"),
        ("/echo?", "a:1", "/echo?a=1"),
        ("/echo?x=1&", "a:1", "/echo?x=1&a=1"),
        ("/echo#part", "a:1", "/echo?a=1"),
        ("/echo", "a b:é/\u4e16", "/echo?a%20b=%C3%A9%2F%E4%B8%96"),
        ("/echo", "t:12:30", "/echo?t=12%3A30"),
        ("/echo", "alone", "/echo?alone="),
        ("/echo", "", "/echo"),
        ("/echo?q=a b", "", "/echo?q=a%20b"),
        ("/echo", "{{#n.key#}}: x {{#n.key#}} ", "/echo?line%0Abreak=x%20line%0Abreak"),
    ],
)
def test_parameters_are_added_to_the_query(world, url, params, target):
    world.pool.set("n", "key", "line\nbreak")
    world.run(url=url, params=params)

    assert world.web.seen[0].target == target


def test_a_missing_variable_shows_its_path(world):
    world.run(url="/echo?x={{#ghost.v#}}")

    assert world.web.seen[0].target == "/echo?x=ghost.v"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "url is required"),
        ("{{#n.empty#}}", "url is required"),
        ("not-a-url/x", "url should start with http:// or https://"),
        ("ftp://a.example/", "url should start with http:// or https://"),
        ("HTTP://a.example/", "url should start with http:// or https://"),
        (" http://a.example/", "url should start with http:// or https://"),
    ],
)
def test_a_url_that_is_none_fails_before_anything_is_known(world, url, message):
    world.pool.set("n", "empty", "")
    error = world.fail(url=url)

    assert (error.message, error.error_type, error.partial.process_data) == (message, "InvalidURLError", {})


@pytest.mark.parametrize("value", ["a\nb", "a\r\nX-Injected: 1", "a\rb", "a\0b", "a\n"])
def test_run_input_never_adds_a_header(world, value):
    world.pool.set("n", "v", value)
    error = world.fail(headers="X-One: {{#n.v#}}")

    assert (error.message, error.error_type) == ('Header "X-One" contains a line break', "HTTPRequestNodeError")
    assert world.web.seen == []
    assert world.fail(headers="X-{{#n.v#}}: 1").error_type == "HTTPRequestNodeError"
    assert world.fail(authorization={"type": "api-key", "config": {"type": "bearer", "api_key": "k{{#n.v#}}k"}}).message.startswith(
        "Header"
    )


def test_a_header_is_ascii(world):
    world.pool.set("n", "v", "é")
    error = world.fail(headers="X-One: {{#n.v#}}")

    assert error.message == "'ascii' codec can't encode character '\\xe9' in position 0: ordinal not in range(128)"
    assert error.error_type == "UnicodeEncodeError"
    assert error.partial.process_data == {}


def test_blanks_around_header_values_are_dropped(world):
    world.pool.set("n", "v", "  x ")
    world.run(headers="X-One: {{#n.v#}}\t")

    assert world.web.seen[0].headers["x-one"] == "x"


@pytest.mark.parametrize(
    ("config", "name", "value"),
    [
        ({"type": "basic", "api_key": "user:pass"}, "authorization", "Basic dXNlcjpwYXNz"),
        ({"type": "basic", "api_key": "dXNlcjpwYXNz", "header": ""}, "authorization", "Basic dXNlcjpwYXNz"),
        ({"type": "bearer", "api_key": "{{#env.KEY#}}"}, "authorization", "Bearer s3cr3t-key"),
        ({"type": "custom", "api_key": "{{#env.KEY#}}", "header": "X-Api-Key"}, "x-api-key", "s3cr3t-key"),
        ({"type": "custom", "api_key": " padded "}, "authorization", "padded"),
    ],
)
def test_authorization_is_a_header_that_replaces_any_of_its_name(world, config, name, value):
    world.pool.set("env", "KEY", Secret("s3cr3t-key"))
    world.run(headers="authorization: mine\nX-API-KEY: mine", authorization={"type": "api-key", "config": config})

    lines = [line for line in world.web.seen[0].header_lines if line.lower().startswith(name)]
    assert [line.partition(": ")[2] for line in lines] == [value]


@pytest.mark.parametrize("key", ["", "  ", "{{#n.empty#}}"])
def test_a_blank_key_fails(world, key):
    world.pool.set("n", "empty", "")
    error = world.fail(authorization={"type": "api-key", "config": {"type": "bearer", "api_key": key}})

    assert error.message == "API key is required for authorization but was empty. Please provide a valid API key."
    assert error.error_type == "AuthorizationConfigError"


def test_options_is_refused_when_it_runs(world):
    error = world.fail(method="OPTIONS")

    assert (error.message, error.error_type) == ("Invalid http method options", "InvalidHttpMethodError")
    assert world.web.seen == []


@pytest.mark.parametrize("method", ["get", "Post", "PUT", "patch", "delete", "head"])
def test_methods_are_read_in_any_case(world, method):
    world.run(method=method)

    assert world.web.seen[0].method == method.upper()


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("data", [{}, {"error_strategy": "fail-branch"}, {"retry_config": RETRY}])
def test_a_status_that_asks_to_come_back_fails_in_any_case(world, code, data):
    world.web.routes["/status"] = status(code)
    error = world.fail(url="/status", params="a:1", **data)

    assert error.message == f"Reached maximum retries (0) for URL {world.web.url}/status"
    assert error.error_type == "HttpRequestNodeError"
    assert error.partial.outputs == {}
    assert error.partial.process_data["request"].startswith("GET /status?a=1 HTTP/1.1\r\n")


@pytest.mark.parametrize("code", [304, 400, 401, 404, 418, 501])
def test_any_other_status_is_an_answer(world, code):
    world.web.routes["/status"] = status(code) if code != 304 else lambda seen, answer: answer.raw(b"HTTP/1.1 304 X\r\n\r\n")

    assert world.run(url="/status", retry_config={**RETRY, "retry_enabled": False}).outputs["status_code"] == code


@pytest.mark.parametrize("data", [{"error_strategy": "fail-branch"}, {"error_strategy": "default-value"}, {"retry_config": RETRY}])
def test_any_other_status_fails_a_node_whose_failure_is_awaited(world, data):
    world.web.routes["/status"] = status(404)
    error = world.fail(url="/status", **data)

    assert (error.message, error.error_type) == ("Request failed with status code 404", "HTTPResponseCodeError")
    assert list(error.partial.outputs) == ["status_code", "body", "headers", "files"]
    assert error.partial.outputs["body"] == '{"error": 1}'
    assert error.partial.process_data["request"].startswith("GET /status")
    assert world.run(**data).outputs["status_code"] == 200


def test_a_refused_connection_is_a_failure(world):
    error = world.fail(url=f"http://127.0.0.1:{free_port()}/")

    assert (error.message, error.error_type) == ("[Errno 111] Connection refused", "HttpRequestNodeError")
    assert error.partial.process_data["request"].startswith("GET / HTTP/1.1\r\nHost: 127.0.0.1:")


def test_a_slow_server_is_a_failure(world):
    world.web.routes["/slow"] = lambda seen, answer: answer.hold()
    error = world.fail(url="/slow", timeout={"connect": 1, "read": 0.2, "write": 1})

    assert (error.message, error.error_type) == ("timed out", "HttpRequestNodeError")


def test_timeouts_are_bounded_by_the_limits(world):
    world.web.routes["/slow"] = lambda seen, answer: answer.hold()
    world.limits = Limits(http_request_max_read_timeout=0.2)
    began = time.monotonic()

    assert world.fail(url="/slow", timeout={"read": 30}).message == "timed out"
    assert world.fail(url="/slow", timeout={"read": 0, "max_read_timeout": 0}).message == "timed out"
    assert time.monotonic() - began < 5


def test_a_blocked_address_is_a_failure_that_names_the_setting(world):
    error = world.fail(url="http://169.254.169.254/latest/")

    assert error.message.startswith("Access to 'http://169.254.169.254/latest/' was blocked by SSRF protection")
    assert "PENSTOCK_OUTBOUND_ALLOW" in error.message
    assert error.error_type == "HttpRequestNodeError"


def test_a_stop_ends_the_request(world):
    def stop(seen, answer):
        world.inbox.stop()
        answer.hold()

    world.web.routes["/slow"] = stop

    with pytest.raises(RunStopped):
        world.run(url="/slow")


def test_redirects_are_followed_without_the_key(world):
    with WebServer() as other:
        other.routes["/there"] = lambda seen, answer: answer.send(b"there", content_type="text/plain")
        world.web.routes["/away"] = redirect(f"{other.url}/there")
        config = {"type": "custom", "api_key": "k3y", "header": "X-Key"}
        result = world.run(url="/away", authorization={"type": "api-key", "config": config})

        assert result.outputs["body"] == "there"
        assert world.web.seen[0].headers["x-key"] == "k3y"
        assert "x-key" not in other.seen[0].headers


def test_the_request_can_be_read(world):
    world.pool.set("env", "KEY", Secret("s3cr3t-key"))
    result = world.run(
        method="post",
        url="/echo?k={{#env.KEY#}}",
        headers="X-One: 1\nX-Copy: {{#env.KEY#}}",
        authorization={"type": "api-key", "config": {"type": "basic", "api_key": "user:pass"}},
        body={"type": "raw-text", "data": [{"type": "text", "key": "", "value": "key={{#env.KEY#}}, ünd user:pass"}]},
    )

    # The end of a masked secret shows, since this one is longer than 8 characters (dsl.md section 7.4).
    assert result.process_data["request"] == (
        f"POST /echo?k=s3cr3t************ey HTTP/1.1\r\nHost: 127.0.0.1:{world.web.port}\r\n"
        "X-One: 1\r\nX-Copy: s3cr3t************ey\r\nContent-Type: text/plain\r\nAuthorization: ******************\r\n"
        "Content-Length: 29\r\n\r\nkey=s3cr3t************ey, ünd user:p************ss"
    )
    assert world.web.seen[0].body.decode() == "key=s3cr3t-key, ünd user:pass"


@pytest.mark.parametrize(
    "headers", ["Authorization: Bearer tok3n-of-mine", "Cookie: sid=tok3n-of-mine", "proxy-authorization: tok3n-of-mine"]
)
def test_credentials_in_plain_headers_do_not_show(world, headers):
    assert "tok3n" not in world.run(headers=headers).process_data["request"]


def test_the_key_does_not_show_in_errors(world):
    world.web.routes["/status"] = status(500)
    error = world.fail(
        url="/status?key=my-own-key", authorization={"type": "api-key", "config": {"type": "bearer", "api_key": "my-own-key"}}
    )

    assert "my-own-key" not in error.message
    assert error.message.startswith(f"Reached maximum retries (0) for URL {world.web.url}/status?key=my-own***")


def test_a_password_in_the_url_does_not_show(world):
    world.web.routes["/status"] = status(500)
    error = world.fail(url=f"http://me:passw0rd@127.0.0.1:{world.web.port}/status")

    assert "passw0rd" not in error.message
    assert "passw0rd" not in error.partial.process_data["request"]
    assert world.web.seen[0].headers["authorization"] == "Basic bWU6cGFzc3cwcmQ="


def test_what_the_editor_exports_is_understood():
    node(
        method="get",
        url="https://a.example/{{#start.q#}}",
        headers="",
        params="",
        authorization={"type": "no-auth", "config": None},
        body={"type": "none", "data": []},
        timeout={"max_connect_timeout": 0, "max_read_timeout": 0, "max_write_timeout": 0},
        variables=[],
        retry_config=RETRY,
        ssl_verify=None,
    )
    node(method="POST", url="x", body=None, headers=None, params=None, authorization=None, timeout=None)


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"method": "fetch"}, "method"),
        ({"method": None}, "method"),
        ({"url": ["x"]}, "url"),
        ({"authorization": {"type": "oauth"}}, "authorization.type"),
        ({"authorization": {"type": "api-key", "config": None}}, "authorization.config"),
        ({"authorization": {"type": "api-key", "config": {"type": "digest"}}}, "authorization.config.type"),
        ({"body": {"type": "yaml"}}, "body.type"),
        ({"body": {"type": "json", "data": ["x"]}}, "body.data[0]"),
        ({"body": {"type": "form-data", "data": [{"key": "a", "type": "blob"}]}}, "body.data[0].type"),
        ({"timeout": {"read": "soon"}}, "timeout.read"),
        ({"ssl_verify": "perhaps"}, "ssl_verify"),
        ({"retry_config": []}, "retry_config"),
    ],
)
def test_a_wrong_configuration_names_its_place(data, path):
    with pytest.raises(GraphError) as caught:
        node(**{"method": "get", "url": "http://a.example/", **data})

    assert [finding.path for finding in caught.value.findings] == [f"workflow.graph.nodes[1].data.{path}"]


def test_a_request_carries_the_run_as_its_trace(world):
    world.run()

    trace, span = RUN_ID.replace("-", ""), EXECUTION_ID.replace("-", "")[:16]
    assert world.web.seen[0].headers["traceparent"] == f"00-{trace}-{span}-01"


def test_a_trace_that_the_workflow_sets_is_kept(world):
    world.run(headers="Traceparent: 00-1-2-00")

    assert world.web.seen[0].headers["traceparent"] == "00-1-2-00"


def test_credentials_do_not_show_wherever_the_node_writes_them(world):
    world.web.routes["/status"] = status(500)
    error = world.fail(
        method="post",
        url="/status?access_token=tok3n-in-url",
        headers="X-API-Key: tok3n-in-header",
        params="key: tok3n-in-parameter",
        body={"type": "x-www-form-urlencoded", "data": [{"type": "text", "key": "password", "value": "tok3n-in-form"}]},
    )

    sent = world.web.seen[0]
    assert all(word in f"{sent.target} {sent.header_lines} {sent.body!r}" for word in ("url", "header", "parameter", "form"))
    assert "tok3n-in" not in error.message + error.partial.process_data["request"]


@pytest.mark.parametrize(
    ("method", "is_keyed"), [("post", True), ("put", True), ("patch", True), ("delete", True), ("get", False), ("head", False)]
)
def test_calls_that_write_have_a_key_for_the_operator_to_send(world, method, is_keyed):
    with closing(GuardedClient(("127.0.0.1",), sends_idempotency_keys=True)) as client:
        result = HTTPWorld(world.web, client).run(method=method)

    assert world.web.seen[0].headers.get("idempotency-key") == (f"{RUN_ID}:h" if is_keyed else None)
    assert "idempotency" not in result.process_data["request"].lower()
