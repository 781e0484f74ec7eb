"""The Procfile under a runner, with PostgreSQL and Redis, as a platform would start it."""

from __future__ import annotations

from pathlib import Path

from tests.services import documents
from tests.services.client import Client
from tests.services.penstock import Installation, is_ready
from tests.services.ports import free_port
from tests.services.processes import SCRIPTS, Process
from tests.services.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]

#: A runner gives each process type a port, a hundred above the one before; `web` is the second line of the Procfile.
PORT_STEP = 100


def test_honcho_brings_up_web_and_worker_and_serves_a_run(postgres_url, redis_url, tmp_path):
    web_port = free_port()
    installation = Installation(tmp_path, DATABASE_URL=postgres_url, REDIS_URL=redis_url)
    command = [str(SCRIPTS / "honcho"), "start", "--port", str(web_port - PORT_STEP), "--procfile", str(ROOT / "Procfile")]
    runner = Process(command, tmp_path / "honcho.log", installation.environment, ROOT)
    try:
        url = f"http://127.0.0.1:{web_port}"
        wait_for(lambda: is_ready(runner, url), "the web process", timeout_s=60)
        app = installation.import_document(
            documents.chain("hello", [documents.start(documents.variable("q")), documents.end(q=["start", "q"])])
        )
        with Client(url, app.api_key) as client:
            events = client.stream({"q": "x"})

        assert events[-1]["data"]["outputs"] == {"q": "x"}
        runner.terminate()
        runner.wait(timeout_s=30)
        wait_for(lambda: not runner.members(), "every process to end", timeout_s=15)
    finally:
        runner.close()
        print(runner.output[-8000:])
