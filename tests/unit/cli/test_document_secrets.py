"""Secrets that documents bring along, as operators meet them."""

import json
import sqlite3
from contextlib import closing

import pytest

from tests.services import documents

CANARY = "canary-5up3r-53cr37"


@pytest.fixture
def secretive(tmp_path):
    """Writes an app with secrets in its document to a file."""

    def write(secret=CANARY):
        authorization = {"type": "api-key", "config": {"type": "bearer", "api_key": secret}}
        call = documents.http_get("call", f"https://api.example/x?key={secret}", authorization=authorization)
        document = documents.chain("Caller", [documents.start(), call, documents.end()])
        document["workflow"]["environment_variables"] = [{"name": "KEY", "value_type": "secret", "value": secret}]
        path = tmp_path / "caller.yml"
        path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
        return path

    return write


def holding(folder, text=CANARY):
    """Names of the files of a data folder that hold a text."""
    return [path.name for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def state(penstock):
    return penstock("apps", "env", "list", "Caller", "--json").lines()[0]["state"]


def test_an_imported_secret_lies_nowhere_in_the_data_folder_and_is_shown_by_nothing(penstock, secretive, tmp_path):
    assert penstock("apps", "import", secretive()).code == 0

    assert holding(tmp_path / "data", "http-request") == ["penstock.sqlite3"]
    assert holding(tmp_path / "data") == []
    assert state(penstock) == "document"
    shown = [penstock("apps", *command) for command in (("show", "Caller", "--json"), ("versions", "Caller", "--json"), ("list", "--json"))]
    assert [done.code for done in shown] == [0, 0, 0]
    assert CANARY not in repr(shown)


def test_the_same_document_adds_nothing_and_another_secret_is_a_new_version(penstock, secretive):
    penstock("apps", "import", secretive())

    assert penstock("apps", "publish", "Caller", secretive()).out == "Caller: this document is the current version already.\n"
    assert "is current." in penstock("apps", "publish", "Caller", secretive("another")).out
    assert len(penstock("apps", "versions", "Caller", "--json").lines()) == 2


def test_a_named_database_refuses_secrets_without_a_key_and_takes_the_other_files(penstock, secretive, examples, tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'named.sqlite3'}")
    penstock("migrate")

    done = penstock("apps", "import", secretive(), examples / "greeting.yml", "--json")

    refused, taken = done.lines()
    assert done.code == 1
    assert "workflow.environment_variables.0.value" in refused["error"]
    assert "PENSTOCK_SECRET_KEY is not set" in refused["error"]
    assert taken["name"] == "Greeting"


def test_secrets_that_another_key_sealed_are_listed_as_unreadable(penstock, secretive, monkeypatch):
    monkeypatch.setenv("PENSTOCK_SECRET_KEY", "one")
    penstock("apps", "import", secretive())
    assert state(penstock) == "document"

    monkeypatch.setenv("PENSTOCK_SECRET_KEY", "two")
    assert state(penstock) == "unreadable"
    assert "is current." in penstock("apps", "publish", "Caller", secretive()).out
    assert state(penstock) == "document"


def test_versions_of_an_earlier_release_are_sealed_on_request(penstock, secretive, tmp_path):
    penstock("apps", "import", secretive())
    with closing(sqlite3.connect(tmp_path / "data" / "penstock.sqlite3")) as database, database:
        plain = secretive().read_text("utf-8")
        database.execute("UPDATE workflows SET document = ?, content_hash = 'old'", (json.dumps(json.loads(plain)),))
    assert holding(tmp_path / "data") != []

    assert penstock("apps", "seal").out == "1 versions had secrets in plain text, and have them sealed now.\n"

    assert holding(tmp_path / "data") == []
    assert penstock("apps", "publish", "Caller", secretive()).out == "Caller: this document is the current version already.\n"
    assert penstock("apps", "seal").out == "0 versions had secrets in plain text, and have them sealed now.\n"
