"""The HTTP server that the recorded http-request nodes called: `python stub.py` prints its address and serves until it is killed.

Answers are fixed, so that a recorded run can be compared with a live one; `/flaky/KEY/N` fails N times, then succeeds once.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

JSON = "application/json"
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
ITEMS = {"items": [{"id": 1, "name": "alpha"}, {"id": 2, "name": "beta"}], "total": 2}


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content_type: str | None
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def json_answer(status: int, value: object) -> Answer:
    return Answer(status, JSON, json.dumps(value, ensure_ascii=False).encode())


FIXED = {
    "/text": Answer(200, "text/plain; charset=utf-8", "plain text: héllo 世界 🌏\n".encode()),
    "/html": Answer(200, "text/html; charset=utf-8", b"<html><body><h1>Hi</h1></body></html>"),
    "/json": Answer(200, JSON, json.dumps(ITEMS).encode(), {"X-Custom": "abc"}),
    "/badjson": Answer(200, JSON, b'{"a": 1,'),
    "/empty": Answer(204, None, b""),
    "/file.txt": Answer(200, "text/plain", b"attached file body\n", {"Content-Disposition": 'attachment; filename="report.txt"'}),
    "/image.png": Answer(200, "image/png", PNG),
    "/data.csv": Answer(200, "text/csv", b"a,b\n1,2\n"),
    "/octet": Answer(200, "application/octet-stream", bytes(range(256))),
    "/redirect": Answer(302, "text/plain", b"go", {"Location": "/json"}),
    "/cookie": Answer(200, JSON, b'{"ok":true}', {"Set-Cookie": "sid=1; Path=/"}),
}


class Stub:
    def __init__(self) -> None:
        self._attempts: Counter[str] = Counter()

    async def answer(self, request: Request) -> Answer:
        url = urlsplit(request.target)
        path = unquote(url.path)
        if path in FIXED:
            return FIXED[path]
        match path.split("/")[1:]:
            case ["echo"]:
                return json_answer(200, seen(request, url.query))
            case ["status", number]:
                return json_answer(int(number), {"error": f"status {number}"})
            case ["sleep", milliseconds]:
                await asyncio.sleep(int(milliseconds) / 1000)
                return json_answer(200, {"slept_ms": int(milliseconds)})
            case ["bigtext", size]:
                return Answer(200, "text/plain", b"x" * int(size))
            case ["flaky", key, failures]:
                return self._flaky(key, int(failures))
        return Answer(404, JSON, b'{"error":"no such path"}')

    def _flaky(self, key: str, failures: int) -> Answer:
        self._attempts[key] += 1
        attempt = self._attempts[key]
        if attempt <= failures:
            return json_answer(500, {"attempt": attempt, "ok": False})
        self._attempts[key] = 0
        return json_answer(200, {"attempt": attempt, "ok": True})


def seen(request: Request, query: str) -> dict[str, object]:
    return {
        "method": request.method,
        "path": request.target,
        "query": parse_qsl(query, keep_blank_values=True),
        "headers": dict(sorted(request.headers.items())),
        "body": request.body.decode("utf-8", "replace"),
    }


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    line = await reader.readline()
    if not line:
        return None
    method, target, _ = line.decode().split(" ", 2)
    headers = {}
    while field_line := (await reader.readline()).decode("latin-1").rstrip("\r\n"):
        name, value = field_line.split(":", 1)
        headers[name.lower()] = value.strip()
    return Request(method, target, headers, await read_body(reader, headers))


async def read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", 0)))
    body = b""
    while size := int((await reader.readline()).strip(), 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return body


def encode(answer: Answer, method: str) -> bytes:
    headers = {"Server": "golden-httpd"}
    if answer.content_type:
        headers["Content-Type"] = answer.content_type
    headers.update(answer.headers)
    if answer.status != 204:
        headers["Content-Length"] = str(len(answer.body))
    head = f"HTTP/1.1 {answer.status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    return head.encode() + (b"" if method == "HEAD" or answer.status == 204 else answer.body)


async def serve(stub: Stub, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        while (request := await read_request(reader)) is not None:
            writer.write(encode(await stub.answer(request), request.method))
            await writer.drain()
    writer.close()


async def main() -> None:
    stub = Stub()
    server = await asyncio.start_server(lambda reader, writer: serve(stub, reader, writer), "127.0.0.1", 0, limit=1 << 24)
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
