"""Bodies that pass, so that requests reach what lies behind the checks of their fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.fuzzing.documents import GREETED, SCHEDULE, USER, api_description, hello_document, hook_document
from tests.fuzzing.known import Known

Body = Mapping[str, Any]

#: A form: field -> (name of the file, content, type), as `requests` takes them; without a name and a type it is no file.
Form = Mapping[str, tuple[str | None, bytes, str | None]]


@dataclass(frozen=True, slots=True)
class Bodies:
    """``known``: what exists in the app that a request is about; ``neighbour``: base URL of a server that takes everything."""

    known: Known
    neighbour: str
    random: Random

    def good(self, path: str) -> Any:
        """A body that an operation on the path accepts; None if that is nothing but a file, or if it takes none."""
        make = GOOD.get(path)
        return None if make is None else make(self)

    def form(self, path: str) -> Form | None:
        """A form that an operation on the path accepts, or nearly so; None if it takes none."""
        if path == "/form/{token}":
            return {"action": text(self.random.choice(("yes", "no"))), "in.reason": text("so")}
        made = FILES.get(path)
        if made is None:
            return None
        # The admin API knows no users, and refuses what it does not know.
        return {"file": self.random.choice(made)} if path.startswith("/admin/") else {"file": self.random.choice(made), "user": text(USER)}

    def inputs(self) -> Body:
        paper = {"type": "document", "transfer_method": "local_file", "upload_file_id": self.known.pick("file_id", self.random)}
        picture = {"type": "image", "transfer_method": "remote_url", "url": f"{self.neighbour}/picture.png"}
        return self.random.choice((GREETED, GREETED, {**GREETED, "paper": paper, "papers": [paper, picture]}, {**GREETED, "count": 3}))

    def run(self) -> Body:
        mode = self.random.choice(("blocking", "streaming", "async"))
        return {"inputs": self.inputs(), "response_mode": mode, "user": USER}

    def resumption(self) -> Body:
        return {"response_mode": self.random.choice(("blocking", "streaming", "async")), "user": USER}

    def batch(self) -> Body:
        file_id = self.known.pick("file_id", self.random)
        items = [{"custom_id": str(number), "inputs": self.inputs()} for number in range(self.random.randint(1, 4))]
        return self.random.choice(({"items": items}, {"items": items, "user": USER}, {"input_file_id": file_id, "format": "csv"}))

    def answer(self) -> Body:
        return {"inputs": {"reason": "so"}, "action": self.random.choice(("yes", "no")), "user": USER}

    def version(self) -> Body:
        return {"version": self.known.pick("version", self.random)}

    def document(self) -> Any:
        return damaged(self.random.choice((hello_document(), hook_document("fuzzed"))), self.random)

    def limits(self) -> Body:
        return {self.random.choice(("max_concurrency", "max_rate")): self.random.choice((None, 1, 5))}

    def tools(self) -> Body:
        api = {"kind": "api", "document": damaged(api_description(self.neighbour), self.random)}
        mcp = {"kind": "mcp", "url": f"{self.neighbour}/mcp", "headers": {"X-Key": "1"}}
        return self.random.choice((api, mcp, {"kind": "workflow", "app": self.known.pick("app", self.random)}))

    def values(self) -> Body:
        """Field -> a value that passes, for bodies of which only some fields are to."""
        return {**SCHEDULE, **self.run(), **self.batch(), **self.answer(), **self.version(), "url": f"{self.neighbour}/hook"}


def text(value: str) -> tuple[None, bytes, None]:
    return None, value.encode(), None


def stopping(bodies: Bodies) -> Body:
    return {"user": USER}


#: Path -> body. Paths that are not here take none, or have little that could be wrong.
GOOD: Mapping[str, Callable[[Bodies], Any]] = {
    "/v1/workflows/run": Bodies.run,
    "/v1/workflows/{version_id}/run": Bodies.run,
    "/v1/workflows/run/{run_id}/resume": Bodies.resumption,
    "/v1/workflows/tasks/{task_id}/stop": stopping,
    "/v1/workflows/{task_id}/stop": stopping,
    "/v1/workflows/batches": Bodies.batch,
    "/v1/form/human_input/{form_token}": Bodies.answer,
    "/v1/text-to-audio": lambda bodies: {"text": "Hello.", "user": USER},
    # What a trigger takes, the OpenAPI document cannot say.
    "/triggers/webhook/{token}": lambda bodies: {"order": bodies.random.choice((1, "1", None, [], 10**30))},
    "/admin/v1/apps": Bodies.document,
    "/admin/v1/documents/check": Bodies.document,
    "/admin/v1/apps/{app}/versions": Bodies.document,
    "/admin/v1/apps/{app}/rollback": Bodies.version,
    "/admin/v1/apps/{app}/aliases/{name}": Bodies.version,
    "/admin/v1/apps/{app}/limits": Bodies.limits,
    "/admin/v1/apps/{app}/keys/{key_id}/limits": Bodies.limits,
    "/admin/v1/apps/{app}/schedules": lambda bodies: dict(SCHEDULE),
    "/admin/v1/schedules/{schedule}": lambda bodies: {"cron": "@daily"},
    "/admin/v1/apps/{app}/webhooks": lambda bodies: {"url": f"{bodies.neighbour}/hook"},
    "/admin/v1/runs/{run_id}/resume": lambda bodies: {},
    "/admin/v1/model-providers/{name}": lambda bodies: {"type": "openai", "base_url": f"{bodies.neighbour}/v1", "api_key": "none"},
    "/admin/v1/tool-providers/{name}": Bodies.tools,
}

TABLE = ("items.csv", b"query\nhello\nagain\n", "text/csv")

FILES: Mapping[str, tuple[tuple[str, bytes, str], ...]] = {
    "/v1/files/upload": (
        TABLE,
        ("note.txt", b"hello", "text/plain"),
        ("none", b"", "application/octet-stream"),
        ("p.png", b"\x89PNG", "image/png"),
    ),
    "/v1/workflows/batches": (
        TABLE,
        ("items.jsonl", b'{"inputs": {"query": "hello"}}\n', "application/jsonl"),
        ("x.csv", b"\xff\xfe\0", "text/csv"),
    ),
    "/v1/audio-to-text": (("note.mp3", b"ID3 sound", "audio/mp3"), ("note.wav", b"RIFF", "audio/wav")),
    "/admin/v1/apps": (("app.yml", repr(hello_document()).encode(), "application/yaml"), ("app.yml", b"\0: [", "application/yaml")),
    "/admin/v1/documents/check": (("app.yml", repr(hello_document()).encode(), "application/yaml"),),
    "/admin/v1/apps/{app}/versions": (("app.yml", repr(hello_document()).encode(), "application/yaml"),),
}


def damaged(document: Any, random: Random) -> Any:
    """Half of the time as it is, else with another value somewhere in it."""
    if random.random() < 0.5:
        return document
    here = document
    while True:
        key = random.choice(list(here)) if isinstance(here, dict) else random.randrange(len(here))
        if not here[key] or not isinstance(here[key], dict | list) or random.random() < 0.15:
            here[key] = random.choice((None, "", -1, 10**30, [], {}, [[]], {"a": None}, "a\x00", True, 1.5))
            return document
        here = here[key]
