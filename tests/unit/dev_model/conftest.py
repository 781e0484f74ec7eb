import httpx
import pytest

from app.dev_model.server import BackgroundServer


@pytest.fixture(scope="package")
def vendor():
    """The address of one scripted server for these tests."""
    with BackgroundServer() as server:
        yield server.url


@pytest.fixture
def http(vendor):
    with httpx.Client(base_url=vendor, timeout=10) as client:
        client.delete("/dev/calls")
        yield client


@pytest.fixture
def chat(http):
    """Posts one question in the words of OpenAI; answers the response."""

    def ask(text, **more):
        messages = [{"role": "user", "content": text}]
        return http.post("/v1/chat/completions", json={"model": "dev", "messages": messages, **more})

    return ask
