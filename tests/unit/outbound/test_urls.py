"""The tricks of reliability.md section 3.3: each of these must end before a connection to the machine is made."""

import pytest

from tests.unit.outbound.web import WebServer
from worker.engine.inbox import Inbox
from worker.engine.ports import OutboundRequest
from worker.outbound.client import GuardedClient
from worker.outbound.errors import AddressBlocked, InvalidURL, OutboundError

#: ``PORT`` stands for the port on which a server waits for the trick to work.
BLOCKED = [
    "http://127.0.0.1:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://127.0.0.2:PORT/",
    "http://0x7f000001:PORT/",
    "http://0X7F000001:PORT/",
    "http://0x7f.0x0.0x0.0x1:PORT/",
    "http://017700000001:PORT/",
    "http://2130706433:PORT/",
    "http://0:PORT/",
    "http://0.0.0.0:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://[::1]:PORT/",
    "http://[::]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[64:ff9b::127.0.0.1]:PORT/",
    "http://[64:ff9b::7f00:1]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[fe80::1]:PORT/",
    "http://[fd00:ec2::254]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/latest/meta-data/",
    "http://0xa9fea9fe/",
    "http://[::ffff:169.254.169.254]/",
    "http://100.100.100.200/",
    "http://10.0.0.1/",
    "http://192.168.1.1/",
    "http://172.16.0.1/",
    "http://good@127.0.0.1:PORT/",
    "http://good:word@127.0.0.1:PORT/",
    "http://good.example:80@127.0.0.1:PORT/",
    "http://good.example%2f@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT/#@good.example/",
    "http://127.0.0.1:PORT#@good.example/",
    "http://127.0.0.1:PORT?@good.example/",
    "http://127.0.0.1:PORT/@good.example/",
    "http://127\u30020\u30020\u30021:PORT/",
    "http://127\uff0e0\uff0e0\uff0e1:PORT/",
    "http://localhost:PORT/",
    "http://LOCALHOST:PORT/",
    "http://localhost.:PORT/",
    "http://localtest.example:PORT/",
    "http://127.0.0.1.nip.example:PORT/",
    "http://metadata.example/",
    "http://mapped.example:PORT/",
    "http://half-private.example:PORT/",
    "HTTP://127.0.0.1:PORT/",
    "https://127.0.0.1:PORT/",
    "https://localhost:PORT/",
    "http://good.example:22/",
    "http://good.example:6379/",
]

#: Not even understood, whatever another parser would make of it.
REFUSED = [
    "file:///etc/passwd",
    "gopher://127.0.0.1:PORT/_PING",
    "ftp://127.0.0.1:PORT/",
    "dict://127.0.0.1:PORT/info",
    "ws://127.0.0.1:PORT/",
    "//127.0.0.1:PORT/",
    "/etc/passwd",
    "http:127.0.0.1:PORT",
    "http:///127.0.0.1:PORT/",
    "http://:PORT/",
    "http://./",
    "http://127.0.0.1:PORT\r\nHost: good.example/",
    "http://127.0.0.1:PORT/\x00",
    "http://\uff11\uff12\uff17.0.0.1:PORT/",
    "http://127.0.0.01:PORT/",
    "http://127.0.0.256:PORT/",
    "http://[::1/",
    "http://good.example:99999/",
    "http://good.example:0/",
    "http://good.example:80:PORT/",
]

NAMES = {
    "good.example": ["93.184.216.34"],
    "localhost": ["127.0.0.1", "::1"],
    "localhost.": ["127.0.0.1"],
    "localtest.example": ["127.0.0.1"],
    "127.0.0.1.nip.example": ["127.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "half-private.example": ["93.184.216.34", "127.0.0.1"],
}


@pytest.fixture
def strict() -> GuardedClient:
    return GuardedClient(resolver=lambda host, port: NAMES[host])


def send(client: GuardedClient, url: str, web: WebServer) -> None:
    client.send(OutboundRequest("GET", url.replace("PORT", str(web.port)), connect_timeout_s=2), Inbox())


@pytest.mark.parametrize("url", BLOCKED)
def test_no_spelling_reaches_a_private_address(url, strict, web):
    with pytest.raises(AddressBlocked, match="was blocked by SSRF protection") as caught:
        send(strict, url, web)

    assert "PENSTOCK_OUTBOUND_ALLOW" in caught.value.message
    assert caught.value.error_type == "HttpRequestNodeError"
    assert web.connections == 0


@pytest.mark.parametrize("url", REFUSED)
def test_what_is_no_plain_web_address_is_refused(url, strict, web):
    with pytest.raises(InvalidURL):
        send(strict, url, web)

    assert web.connections == 0


@pytest.mark.parametrize(
    "url", ["http://good.example\\@127.0.0.1:PORT/", "http://127.0.0.1\\.good.example:PORT/", "http://127.0.0.%31:PORT/"]
)
def test_hosts_that_parsers_disagree_about_go_nowhere(url, web):
    def nobody(host: str, port: int) -> list[str]:
        raise OSError(f"no such host {host}")

    with pytest.raises(OutboundError):
        send(GuardedClient(resolver=nobody), url, web)

    assert web.connections == 0
