"""Secrets that nodes use, and fail with, show nowhere: not in logs, events, answers, SQL or Redis (nodes.md section 2.4)."""

from __future__ import annotations

import base64
import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import redis

from tests.services import documents
from tests.services.documents import Document, Node, bindings, condition
from tests.services.penstock import Server
from tests.services.ports import free_port
from tests.services.valkey import Valkey
from tests.unit.outbound.web import Answer, Seen, WebServer

#: What stands in the middle of each secret. The masked form shows a few characters of its ends, and nothing of this.
CORES = ("C4NARY0NE", "C4NARYTW0", "C4NARYTHR33", "C4NARYF0UR")

#: Awkward in URLs, headers, JSON and tracebacks, with a blank at its end that is trimmed where it does not matter.
AWKWARD = f"sk-é'\" &{{{CORES[0]}}}\\+/zz "
#: May stand anywhere, in host names too.
SMOOTH = f"sk-long-{CORES[1]}-zz"
#: Of a model provider.
VENDOR_KEY = f"sk-{CORES[2]}-zz"

#: Written into documents in plain text.
WRITTEN = f"sk-{CORES[3]}-zz"

#: Written to an output by its author, and so to be found wherever outputs are: the search works.
VISIBLE = "V1S1BLE0UTPUT"

TOKEN, NAME = "{{#env.TOKEN#}}", "{{#env.NAME#}}"
KEY = bindings(key=["env", "TOKEN"], name=["env", "NAME"])


def python(body: str) -> Node:
    source = f"import sys\n\ndef main(key, name):\n    {body}\n"
    return documents.code("node", source, {"out": "number"}, variables=KEY)


def javascript(body: str) -> Node:
    return documents.code(
        "node", f"function main({{key, name}}) {{ {body} }}", {"out": "number"}, variables=KEY, code_language="javascript"
    )


def call(url: str, **more: Any) -> Node:
    return documents.http_get("node", url, **{"retry_config": {"retry_enabled": True, "max_retries": 1, "retry_interval": 10}, **more})


def post(url: str, kind: str, *items: dict[str, str]) -> Node:
    return call(url, method="post", body={"type": kind, "data": list(items)})


def item(value: str, key: str = "") -> dict[str, str]:
    return {"key": key, "type": "text", "value": value}


def authorized(url: str, kind: str, key: str, header: str = "") -> Node:
    return call(url, authorization={"type": "api-key", "config": {"type": kind, "api_key": key, "header": header}})


def model(kind: str, **data: Any) -> Node:
    """Asks a vendor whose refusal repeats the whole question, and the key of the provider."""
    settings = {"provider": "langgenius/openai/openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
    return documents.node("node", kind, model=settings, **data)


def model_nodes() -> dict[str, Node]:
    prompt = [{"role": "system", "text": TOKEN}, {"role": "user", "text": NAME}]
    classes = [{"id": "1", "name": NAME}, {"id": "2", "name": "other"}]
    parameters = [{"name": "city", "type": "string", "description": TOKEN, "required": True}]
    asked = {"query_variable_selector": ["env", "TOKEN"], "instruction": f"{TOKEN} {NAME}"}
    return {
        "llm": model("llm", prompt_template=prompt, context={"enabled": False}, vision={"enabled": False}),
        "classifier": model("question-classifier", classes=classes, **asked),
        "extractor": model("parameter-extractor", query=["env", "TOKEN"], parameters=parameters, instruction=f"{TOKEN} {NAME}"),
    }


def failing_nodes(url: str) -> dict[str, Node]:
    """Nodes that get a secret and fail in the end, by what is special about them."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    return {
        "url-query": call(f"{url}/500?key={TOKEN}&name={NAME}"),
        "url-path": call(f"{url}/404/{TOKEN}/{NAME}"),
        "url-user": call(f"{url.replace('//', f'//{NAME}:{NAME}@')}/404"),
        "url-host": call(f"http://{NAME}.invalid/"),
        "url-whole": call(TOKEN),
        "url-refused": call(f"{nowhere}/{TOKEN}"),
        "url-blocked": call(f"http://10.0.0.1/{TOKEN}/{NAME}"),
        "url-redirect": call(f"{url}/away?key={TOKEN}"),
        "params": call(f"{url}/404", params=f"key:{TOKEN}\nname:{NAME}"),
        "header": call(f"{url}/404", headers=f"X-Key: {TOKEN}\nX-Name: {NAME}"),
        "header-name": call(f"{url}/404", headers=f"{NAME}: x\n{TOKEN}: x"),
        "cookie": call(f"{url}/404", headers=f"Cookie: sid={NAME}"),
        "basic": authorized(f"{url}/404", "basic", f"{NAME}:{TOKEN}"),
        "bearer": authorized(f"{url}/404", "bearer", NAME),
        "custom": authorized(f"{url}/404", "custom", NAME, "X-Secret"),
        "json": post(f"{url}/404", "json", item(f'{{"name": "{NAME}"}}')),
        "json-broken": post(f"{url}/404", "json", item(f'{{"key": "{TOKEN}"}}')),
        "json-no-json": post(f"{url}/404", "json", item(f"{TOKEN} {NAME}")),
        "raw": post(f"{url}/404", "raw-text", item(f"{TOKEN} {NAME}")),
        "form": post(f"{url}/404", "x-www-form-urlencoded", item(TOKEN, "key"), item("x", NAME)),
        "multipart": post(f"{url}/404", "form-data", item(TOKEN, "key"), item("x", NAME)),
        "python-error": python("raise ValueError(key, name)"),
        "python-key-error": python("return {}[name + key]"),
        "python-print": python("print(key, name); print(key, name, file=sys.stderr); return {'out': key}"),
        "python-exit": python("sys.exit(key + name)"),
        "python-wrong-type": python("return {'out': [key, {name: key}]}"),
        "javascript-error": javascript("console.log(key, name); throw new Error(key + name)"),
        "javascript-wrong-type": javascript("return {out: {[name]: key}}"),
        "template": documents.node("node", "template-transform", template="{{ key / name }}", variables=KEY),
        "template-key": documents.node("node", "template-transform", template="{{ 'x'.format_map(key) }}{{ {}[key].x }}", variables=KEY),
        "if-else": documents.if_else("node", condition(["env", "NAME"], ">", "5", "number")),
        **model_nodes(),
        "list-operator": documents.node("node", "list-operator", variable=["env", "TOKEN"], filter_by={"enabled": False}),
        "document": documents.node("node", "document-extractor", variable_selector=["env", "TOKEN"], is_array_file=False),
        **written_nodes(url),
    }


def written_nodes(url: str) -> dict[str, Node]:
    """Nodes whose secrets stand in the document."""
    form = post(f"{url}/404", "x-www-form-urlencoded", item(WRITTEN, "password"))
    return {
        "written-variable": call(f"{url}/404/{{{{#env.WRITTEN#}}}}"),
        "written-key": authorized(f"{url}/404", "bearer", WRITTEN),
        "written-header": call(f"{url}/404", headers=f"X-Api-Key: {WRITTEN}", params=f"access_token: {WRITTEN}"),
        "written-url": call(f"{url.replace('//', f'//ada:{WRITTEN}@')}/404?key={WRITTEN}"),
        "written-form": form,
        "written-tool": tool("api_key", WRITTEN),
    }


def tool(name: str, value: str) -> Node:
    """Gets a parameter that it does not know, and one that is no time zone."""
    given = {name: {"type": "constant", "value": value}, "timezone": {"type": "constant", "value": "Nowhere/None"}}
    facts = {"provider_id": "time", "provider_name": "time", "provider_type": "builtin", "tool_name": "current_time"}
    return documents.node("node", "tool", **facts, tool_parameters={}, tool_configurations=given)


#: Types whose failure may take a branch of its own.
HANDLING = ("http-request", "code", "llm", "question-classifier", "parameter-extractor")


def with_secrets(document: Document) -> Document:
    values = {"TOKEN": "", "NAME": "", "WRITTEN": WRITTEN}
    document["workflow"]["environment_variables"] = [{"name": name, "value_type": "secret", "value": values[name]} for name in values]
    return document


def failing(name: str, node: Node) -> Document:
    """The node fails the run."""
    return with_secrets(documents.chain(f"failing {name}", [documents.start(), node, documents.end()]))


def handled(name: str, node: Node) -> Document:
    """The node's failure takes a branch of its own, which puts out what is known of it."""
    node = {**node, "data": {**node["data"], "error_strategy": "fail-branch"}}
    said = f"def main():\n    return {{'output': '{VISIBLE}'}}\n"
    visible = documents.code("visible", said, {"output": "string"})
    end = documents.end("failed", visible=["visible", "output"], error=["node", "error_message"], kind=["node", "error_type"])
    nodes = [documents.start(), node, documents.end("fine"), visible, end]
    edges = [("start", "node"), ("node", "fine"), ("node", "visible", "fail-branch"), ("visible", "failed")]
    return with_secrets(documents.workflow(f"handled {name}", nodes, edges))


def iterated() -> Document:
    """The secret is no list."""
    inner = documents.template("inner", "x")
    nodes = [documents.start(), *documents.iteration("it", ["env", "TOKEN"], inner), documents.end(out=["it", "output"])]
    return with_secrets(documents.workflow("iterated", nodes, [("start", "it"), documents.container_edge("it", inner), ("it", "end")]))


@pytest.fixture(scope="module")
def web() -> Iterator[WebServer]:
    """Refuses every call, with what it was sent only in redirects and where a model is asked."""

    def refuse(seen: Seen, answer: Answer) -> None:
        answer.send(b"no", 500 if "/500" in seen.target else 404, content_type="text/plain")

    def repeat(seen: Seen, answer: Answer) -> None:
        message = f"{seen.headers['authorization']} must not ask: {seen.body.decode()}"
        answer.send(json.dumps({"error": {"message": message}}).encode(), 401, content_type="application/json")

    with WebServer() as server:
        server.routes["/v1/chat/completions"] = repeat
        server.fallback = refuse
        server.routes["/away"] = lambda seen, answer: answer.send(b"", 302, location=f"http://10.0.0.1{seen.target}")
        yield server


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


@dataclass(frozen=True)
class Scene:
    """A server after runs of every document, and all that it answered."""

    server: Server
    valkey: Valkey
    #: Final status of the run, by the app's name.
    statuses: dict[str, str]
    #: Text of every answer, by what was asked.
    answers: dict[str, str]


@pytest.fixture(scope="module")
def scene(web: WebServer, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    nodes = failing_nodes(web.url)
    made = [failing(name, node) for name, node in nodes.items()]
    made += [handled(name, node) for name, node in nodes.items() if node["data"]["type"] in HANDLING]
    settings = {"REDIS_URL": valkey.url, "PENSTOCK_OUTBOUND_ALLOW": "127.0.0.1", "PENSTOCK_LOG_LEVEL": "debug"}
    settings |= {"PENSTOCK_PROVIDER_OPENAI_BASE_URL": f"{web.url}/v1", "PENSTOCK_PROVIDER_OPENAI_API_KEY": VENDOR_KEY}
    secrets = {"PENSTOCK_ENV_TOKEN": AWKWARD, "PENSTOCK_ENV_NAME": SMOOTH}
    with Server(tmp_path_factory.mktemp("secrets"), **settings, **secrets) as server:
        scene = Scene(server, valkey, {}, {})
        for app in server.import_documents([*made, iterated()]):
            with server.client(app) as client:
                run(scene, app.name, client.http)
        yield scene


def run(scene: Scene, name: str, http: httpx.Client) -> None:
    """One run, and all that may be asked about it."""
    stream = http.post("/v1/workflows/run", json={"inputs": {}, "response_mode": "streaming", "user": "u"}).text
    last = json.loads(stream.rstrip().rpartition("data: ")[2])
    run_id = last["workflow_run_id"]
    scene.statuses[name] = last["data"]["status"]
    scene.answers[f"{name}: stream"] = stream
    for path in (f"/v1/workflows/run/{run_id}", f"/v1/workflow/{run_id}/events?user=u", "/v1/workflows/logs"):
        answer = http.get(path)
        assert answer.status_code == 200, answer.text
        scene.answers[f"{name}: {path}"] = answer.text


# Where secrets are looked for


def needles() -> list[bytes]:
    """The cores in small letters, and inside Base64, where they begin at any of three places."""
    found = [core.lower().encode() for core in CORES]
    for core in CORES:
        for skipped in range(3):
            encoded = base64.b64encode(b"?" * skipped + core.encode())
            found.append(encoded[skipped + 1 : -4].lower())
    return found


def shown_in(places: dict[str, bytes]) -> list[str]:
    """Places that hold a secret, each with its surroundings."""
    small = {place: content.lower() for place, content in places.items()}
    return [f"{place}: {excerpt(content, needle)!r}" for place, content in small.items() for needle in needles() if needle in content]


def excerpt(content: bytes, needle: bytes) -> bytes:
    at = content.index(needle)
    return content[max(at - 60, 0) : at + 40]


def sql_values(server: Server) -> dict[str, bytes]:
    """Every column of every row, unpacked."""
    found: dict[str, bytes] = {}
    with closing(server._database()) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for number, row in enumerate(rows_of(database, table)):
                found.update({f"{table}.{column}[{number}]": unpacked(value) for column, value in row.items()})
    return found


def rows_of(database: sqlite3.Connection, table: str) -> Iterator[dict[str, Any]]:
    cursor = database.execute(f'SELECT * FROM "{table}"')
    columns = [column[0] for column in cursor.description]
    for row in cursor:
        yield dict(zip(columns, row, strict=True))


def unpacked(value: Any) -> bytes:
    if not isinstance(value, bytes):
        return str(value).encode()
    try:
        return zlib.decompress(value)
    except zlib.error:
        return value


def redis_values(client: redis.Redis) -> dict[str, bytes]:
    return {key.decode(): key + b"=" + repr(redis_value(client, key)).encode() for key in client.scan_iter()}


def redis_value(client: redis.Redis, key: bytes) -> Any:
    readers = {
        b"string": client.get,
        b"stream": client.xrange,
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"list": lambda name: client.lrange(name, 0, -1),
        b"zset": lambda name: client.zrange(name, 0, -1),
    }
    return readers[client.type(key)](key)


# The tests


def test_every_document_fails_as_it_is_meant_to(scene: Scene) -> None:
    wrong = {name: status for name, status in scene.statuses.items() if status != EXPECTED[name.partition(" ")[0]]}

    assert wrong == {}


EXPECTED = {"failing": "failed", "handled": "partial-succeeded", "iterated": "failed"}


def test_the_secrets_were_used(scene: Scene, web: WebServer) -> None:
    sent = repr([(seen.target, seen.header_lines, seen.body) for seen in web.seen])

    assert all(core in sent for core in CORES)
    assert len(web.seen) > 40


def test_no_answer_and_no_event_shows_a_secret(scene: Scene) -> None:
    assert shown_in({place: text.encode() for place, text in scene.answers.items()}) == []
    assert all(VISIBLE in text for place, text in scene.answers.items() if place.startswith("handled") and "logs" not in place)


def test_no_log_line_shows_a_secret(scene: Scene) -> None:
    lines = scene.server.process.output.encode().splitlines()

    assert shown_in({f"line {number}": line for number, line in enumerate(lines)}) == []
    assert len(lines) > len(scene.statuses)


def test_nothing_in_sql_shows_a_secret(scene: Scene) -> None:
    values = sql_values(scene.server)

    assert shown_in(values) == []
    assert any(VISIBLE.encode() in value for place, value in values.items() if place.startswith("run_events.body"))


def test_nothing_in_redis_shows_a_secret(scene: Scene) -> None:
    with closing(scene.valkey.client()) as client:
        values = redis_values(client)

    assert shown_in(values) == []
    assert any(VISIBLE.encode() in value for value in values.values())


def test_no_file_shows_a_secret(scene: Scene) -> None:
    # The files that were imported are the author's own.
    files = [path for path in scene.server.folder.rglob("*") if path.is_file() and path.parent != scene.server.folder / "documents"]

    assert "penstock.sqlite3" in [path.name for path in files]
    assert shown_in({str(path): path.read_bytes() for path in files}) == []
