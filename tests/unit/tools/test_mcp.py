import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.services.ports import free_port
from tests.services.receiver import Answer, Receiver
from tests.services.waiting import wait_for
from tests.unit.nodes.tooling import World
from worker.engine.errors import NodeError, RunStopped
from worker.engine.inbox import Inbox
from worker.engine.tools import BlobMessage, JSONMessage, TextMessage
from worker.outbound.client import GuardedClient
from worker.tools.mcp import offered_by, tools_of

SERVER = Path(__file__).with_name("mcp_server.py")


def answers(port: int) -> bool:
    with closing(socket.socket()) as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen([sys.executable, str(SERVER), str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: answers(port), "the MCP server", 30)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait(10)


@pytest.fixture
def world() -> Iterator[World]:
    client = GuardedClient(("127.0.0.1/32",))
    yield World(http=client)
    client.close()


def tool(url: str, world: World, name: str):
    return tools_of({"url": url, "tools": offered_by(url, {}, world.ports["http"], Inbox())}, {})[name]


def call(url: str, world: World, tool_name: str, /, **given):
    return list(tool(url, world, tool_name).invoke(given, world.context))


def test_a_server_says_what_it_offers(url: str, world: World) -> None:
    add = tool(url, world, "add")

    assert add.description == "Adds two numbers."
    assert [(item.name, item.type, item.required, item.default) for item in add.parameters] == [
        ("first", "number", True, None),
        ("second", "number", False, 1),
    ]


def test_text_json_and_pictures_come_back(url: str, world: World) -> None:
    assert TextMessage("5") in call(url, world, "add", first=3, second=2)
    assert JSONMessage({"name": "Ada"}) in call(url, world, "person", name="Ada")
    assert BlobMessage(b"\x89PNG\r\n\x1a\n", "image/png", ".png") in call(url, world, "picture")


def test_a_failing_tool_fails_the_call(url: str, world: World) -> None:
    with pytest.raises(NodeError, match="Error executing tool broken"):
        call(url, world, "broken")


def test_a_stop_ends_the_conversation(url: str, world: World) -> None:
    slow = tool(url, world, "slow")
    threading.Timer(0.3, world.inbox.stop).start()
    with pytest.raises(RunStopped):
        list(slow.invoke({}, world.context))


def test_private_addresses_are_guarded(url: str) -> None:
    with closing(GuardedClient()) as client, pytest.raises(NodeError, match="SSRF"):
        offered_by(url, {}, client, Inbox())


def test_what_a_server_answers_is_said_and_not_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    unfit = Answer(200, {"Content-Type": "application/json"}, b'{"token": "of-somebody"}')

    with Receiver(lambda received: unfit) as receiver, pytest.raises(NodeError, match="The MCP server cannot be used"):
        offered_by(f"{receiver.url}/mcp", {}, world.ports["http"], Inbox())

    assert "of-somebody" not in caplog.text
    assert not [record for record in caplog.records if record.exc_info]


def test_a_server_that_is_not_there_or_none_is_said(url: str, world: World) -> None:
    client = world.ports["http"]
    with pytest.raises(NodeError):
        offered_by(f"http://127.0.0.1:{free_port()}/mcp", {}, client, Inbox())
    with pytest.raises(NodeError, match="The MCP server cannot be used"):
        offered_by(url.replace("/mcp", "/other"), {}, client, Inbox())
