from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from worker.engine.variables import File
from worker.store.signing import FileLinks

UPLOAD = File("document", "local_file", "a.txt", ".txt", "text/plain", 5, related_id="f1", tenant_id="app-1")
LINKS = FileLinks("secret", "https://penstock.example/", 300)


def query(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_an_upload_has_an_address_without_key():
    url = LINKS.url(UPLOAD)

    assert url.startswith("https://penstock.example/files/f1/file-preview?timestamp=")
    assert set(query(url)) == {"timestamp", "nonce", "sign"}
    assert LINKS.verify("app-1", "f1", **query(url))


@pytest.mark.parametrize(("extension", "path"), [(".png", "/files/tools/f1.png"), ("", "/files/tools/f1.bin")])
def test_a_produced_file_has_an_address_with_its_extension(extension, path):
    url = LINKS.url(replace(UPLOAD, transfer_method="tool_file", extension=extension))

    assert urlsplit(url).path == path
    assert LINKS.verify("app-1", "f1", **query(url))


def test_a_remote_file_keeps_its_address():
    remote = File("image", "remote_url", "a.png", ".png", "image/png", -1, remote_url="https://a.example/a.png")

    assert LINKS.url(remote) == "https://a.example/a.png"


def test_a_copy_of_a_remote_file_is_served_from_here():
    assert urlsplit(LINKS.url(replace(UPLOAD, transfer_method="remote_url"))).path == "/files/f1/file-preview"


def test_every_address_is_new():
    assert LINKS.url(UPLOAD) != LINKS.url(UPLOAD)


def test_without_a_base_the_address_is_relative():
    assert FileLinks("secret", "", 300).url(UPLOAD).startswith("/files/f1/")


def test_nothing_of_a_query_can_be_changed():
    found = query(LINKS.url(UPLOAD))

    assert not LINKS.verify("app-1", "f2", **found)
    assert not LINKS.verify("app-2", "f1", **found)
    assert not LINKS.verify("app-1", "f1", **{**found, "timestamp": str(int(found["timestamp"]) + 1)})
    assert not LINKS.verify("app-1", "f1", **{**found, "nonce": "0" * 32})
    for sign in ("", "x", found["sign"][:-1], "ä" * 44, "\udc80"):
        assert not LINKS.verify("app-1", "f1", **{**found, "sign": sign})


@pytest.mark.parametrize("timestamp", ["", "x", "-1", "1e9", "\uff19\uff19", "9" * 5000, " 1", "1.5"])
def test_nonsense_times_are_refused(timestamp):
    assert not LINKS.verify("app-1", "f1", timestamp, "n", "s")


def test_an_address_is_valid_for_its_time_only(monkeypatch):
    found = query(LINKS.url(UPLOAD))
    made_at = int(found["timestamp"])

    monkeypatch.setattr("time.time", lambda: made_at + 300.0)
    assert LINKS.verify("app-1", "f1", **found)
    monkeypatch.setattr("time.time", lambda: made_at + 300.1)
    assert not LINKS.verify("app-1", "f1", **found)


def test_another_secret_opens_nothing():
    assert not FileLinks("other", "", 300).verify("app-1", "f1", **query(LINKS.url(UPLOAD)))


def test_an_app_cannot_sign_for_the_file_of_another_one():
    """A workflow may write any file mapping into its outputs; who shows them signs as the workflow's app."""
    foreign = replace(UPLOAD, tenant_id="app-1")

    assert not LINKS.verify("app-1", "f1", **query(LINKS.of_app("app-2")(foreign)))
    assert LINKS.verify("app-1", "f1", **query(LINKS.of_app("app-1")(replace(foreign, tenant_id="app-2"))))
