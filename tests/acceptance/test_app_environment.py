"""A secret that is set by `penstock apps env` reaches the nodes of the next run, and shows nowhere."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from tests.services import documents
from tests.services.penstock import PENSTOCK, ImportedApp, Installation, Server

SOURCE = "import hashlib\n\ndef main(key):\n    return {'digest': hashlib.sha256(key.encode()).hexdigest()}\n"


def secretive(name: str, url: str) -> documents.Document:
    """Sends the secret in a header, and puts out its hash."""
    call = documents.http_get("call", f"{url}/count/{name}", headers="X-Key: {{#env.API_KEY#}}")
    digest = documents.code("digest", SOURCE, {"digest": "string"})
    digest["data"]["variables"] = [{"variable": "key", "value_selector": ["env", "API_KEY"]}]
    document = documents.chain(name, [documents.start(), call, digest, documents.end(digest=["digest", "digest"])])
    document["workflow"]["environment_variables"] = [{"name": "API_KEY", "value_type": "secret", "value": ""}]
    return document


def set_secret(installation: Installation, app: ImportedApp, value: str) -> str:
    """What the command says on stderr; it reads the value from stdin."""
    command = [PENSTOCK, "apps", "env", "set", app.app_id, "API_KEY"]
    done = subprocess.run(command, env=installation.environment, input=f"{value}\n", capture_output=True, text=True, timeout=120)
    return done.stderr


def digest_of(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def files_with(folder: Path, text: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_a_secret_counts_from_the_next_run_on_and_shows_nowhere(server: Server, shared_counting) -> None:
    app = server.import_document(secretive("secretive", shared_counting.url))
    with server.client(app) as client:
        for value in ("", "canary-0ne-1122334455", "canary-tw0-6677889900"):
            assert not value or set_secret(server, app, value) == ""
            events = client.stream()

            assert events[-1]["data"]["outputs"] == {"digest": digest_of(value)}
            assert "canary" not in str([event["data"].get("outputs") for event in events])
            assert not value or value not in str(events)
            assert not value or "X-Key: canary************" in str(events)
    assert files_with(server.folder, "canary-0ne-1122334455") == []
    assert files_with(server.folder, "canary-tw0-6677889900") == []
    # The search finds what is there.
    assert files_with(server.folder, digest_of("canary-tw0-6677889900")) != []


def test_with_postgresql_the_key_must_be_given(cluster, shared_counting) -> None:
    app = cluster.deployment.import_document(secretive("keyless", shared_counting.url))

    assert set_secret(cluster.deployment, app, "canary").startswith("penstock: PENSTOCK_SECRET_KEY is not set")
