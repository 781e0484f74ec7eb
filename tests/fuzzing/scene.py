"""A deployment to send anything to: apps that end at once, that wait for people, that others call; and apps that may be broken."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.fuzzing.documents import GREETED, SCHEDULE, USER, VARIABLE, asking_document, drawing_document, hello_document, hook_document
from tests.fuzzing.known import Known
from tests.fuzzing.neighbour import neighbour
from tests.services.client import Client
from tests.services.models import DevModel
from tests.services.penstock import ImportedApp, Server
from tests.services.receiver import Receiver

ADMIN_TOKEN = "the-token-of-the-fuzzed-deployment"

ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}

#: Short keep-alives, so that a stream without events lets go of its reader; and no call waits for ever.
SETTINGS = {
    "PENSTOCK_ADMIN_TOKEN": ADMIN_TOKEN,
    "PENSTOCK_OUTBOUND_ALLOW": "127.0.0.1",
    "PENSTOCK_PING_INTERVAL": "0.2",
    "PENSTOCK_BLOCKING_MAX_WAIT": "15",
    # What was asked for here are thousands of runs: a long queue is no fault, and a full one would answer 503.
    "PENSTOCK_MAX_QUEUED": "0",
    # As long as a campaign may take.
    "PENSTOCK_FILES_ACCESS_TIMEOUT": "86400",
    "PENSTOCK_SPEECH_MODEL": "openai/dev-speech",
    "PENSTOCK_TRANSCRIPTION_MODEL": "openai/dev-transcription",
    "PENSTOCK_PROVIDER_OPENAI_API_KEY": "none",
}

#: How often each of the kept apps is asked: one that greets, one that waits for people, one that is called.
WEIGHTS = (4, 3, 1)
ASKING = 1

#: Apps whose keys, versions, limits and existence the admin API may change, of either kind. One that is deleted is replaced.
EXPENDABLE = 4


@dataclass(slots=True)
class Tenant:
    """An app with a key, and what is known to exist in it."""

    app_id: str
    api_key: str
    known: Known = field(default_factory=Known)


class Scene:
    """``kept`` are apps that stay as they are, so that their keys open something to the end."""

    def __init__(self, server: Server, neighbour: Receiver) -> None:
        self.server = server
        self.neighbour = neighbour
        self.url = server.url
        self.kept: list[Tenant] = []
        self.expendable: list[Tenant] = []
        #: Path of the OpenAPI document -> parameters of the path and query of one signed address.
        self.signed: dict[str, tuple[dict[str, str], dict[str, str]]] = {}
        self._imports = 0

    def tenant_for(self, path: str, random: Random) -> Tenant:
        """Whose ids a request to a path gets: an expendable one where the path names the app itself."""
        if path.startswith("/admin/v1/apps/{app}"):
            return random.choice(self.expendable)
        if "/human_input/" in path:
            return self.kept[ASKING]
        return random.choices(self.kept, WEIGHTS)[0]

    def forget(self, app_id: str) -> None:
        """The app is gone. If that was one of the expendable ones, another one takes its place."""
        for tenant in [tenant for tenant in self.expendable if tenant.app_id == app_id]:
            self.expendable.remove(tenant)
            self.add_expendable()

    def add_expendable(self) -> None:
        self._imports += 1
        name, is_hook = f"expendable {self._imports}", self._imports % 2 == 0
        with httpx.Client(base_url=f"{self.url}/admin/v1", headers=ADMIN, timeout=60) as admin:
            made = post(admin, "/apps", hook_document(name) if is_hook else hello_document(name))
            tenant = Tenant(made["app_id"], made["api_key"])
            equip(admin, tenant, made["workflow_id"], self.neighbour.url)
            if is_hook:
                tenant.known.add("node", "hook")
            else:
                learn(admin, tenant, "schedules", SCHEDULE)
        self.expendable.append(tenant)


@contextmanager
def prepared() -> Iterator[Scene]:
    """Everything is up, and every kind of id exists once. The folder of it all goes with the block."""
    with ExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="penstock-fuzzing-")))
        model = resources.enter_context(DevModel())
        receiver = resources.enter_context(neighbour())
        settings = {**SETTINGS, "PENSTOCK_PROVIDER_OPENAI_BASE_URL": model.base_url}
        server = resources.enter_context(Server(folder / "server", **settings))
        scene = Scene(server, receiver)
        populate(scene)
        yield scene


def populate(scene: Scene) -> None:
    drawing = drawing_document(f"{scene.neighbour.url}/picture.png")
    hello, asks, hook, draws = scene.server.import_documents([hello_document(), asking_document(), hook_document("hook"), drawing])
    draw(scene, draws)
    scene.kept = [greeting(scene, hello), asking(scene, asks), called(scene, hook)]
    for _ in range(EXPENDABLE):
        scene.add_expendable()


def greeting(scene: Scene, app: ImportedApp) -> Tenant:
    """With a finished run, a table and a note that were uploaded, and a batch."""
    tenant = tenant_of(app)
    with scene.server.client(app, USER) as client:
        tenant.known.learn("/v1/files/upload", client.upload("items.csv", b"query\nhello\n", "text/csv"))
        note = client.upload("note.txt", b"hello", "text/plain")
        tenant.known.learn("/v1/files/upload", note)
        scene.signed["/files/{file_id}/file-preview"] = {"file_id": note["id"]}, signature(note["source_url"])
        begin(client, tenant)
    return tenant


def asking(scene: Scene, app: ImportedApp) -> Tenant:
    """With runs that wait for answers to their forms, one of them in a batch, which is open therefore; and some that were stopped."""
    tenant = tenant_of(app)
    with scene.server.client(app, USER) as client:
        begin(client, tenant)
        for _ in range(3):
            stopped = client.run(GREETED)
            client.stop(stopped["task_id"]).raise_for_status()
            tenant.known.add("run_id", stopped["workflow_run_id"])
    return tenant


def begin(client: Client, tenant: Tenant) -> None:
    for _ in range(3):
        tenant.known.learn("/v1/workflows/run", client.run(GREETED))
    tenant.known.learn("/v1/workflows/batches", post(client.http, "/v1/workflows/batches", {"items": [{"inputs": GREETED}]}))


def called(scene: Scene, app: ImportedApp) -> Tenant:
    """With the address of its trigger, and a run that a call began."""
    tenant = tenant_of(app)
    done = scene.server.call("triggers", "list", app.app_id, "--json")
    address = json.loads(done.stdout)["url"]
    tenant.known.add("token", address.rpartition("/")[2])
    httpx.post(scene.url + address, json={"order": 1}).raise_for_status()
    return tenant


def draw(scene: Scene, app: ImportedApp) -> None:
    """A run makes a file."""
    with scene.server.client(app, USER) as client:
        (file,) = client.run(GREETED)["data"]["outputs"]["files"]
    path = urlsplit(file["url"]).path
    file_id, _, extension = path.rpartition("/")[2].partition(".")
    scene.signed["/files/tools/{file_id}.{extension}"] = {"file_id": file_id, "extension": extension}, signature(file["url"])


def equip(admin: httpx.Client, tenant: Tenant, workflow_id: str, neighbour_url: str) -> None:
    """One of everything that an app can have."""
    app = f"/apps/{tenant.app_id}"
    tenant.known.add("app", tenant.app_id)
    tenant.known.add("version", workflow_id)
    tenant.known.add("name", "live", VARIABLE)
    learn(admin, tenant, "keys", {"name": "spare"})
    learn(admin, tenant, "webhooks", {"url": f"{neighbour_url}/hook"})
    admin.put(f"{app}/aliases/live", json={"version": workflow_id}).raise_for_status()
    admin.put(f"{app}/environment/{VARIABLE}", json={"value": "hi"}).raise_for_status()


def learn(admin: httpx.Client, tenant: Tenant, kind: str, body: Any) -> None:
    tenant.known.learn(f"/admin/v1/apps/{{app}}/{kind}", post(admin, f"/apps/{tenant.app_id}/{kind}", body))


def post(client: httpx.Client, path: str, body: Any) -> Any:
    return client.post(path, json=body).raise_for_status().json()


def tenant_of(app: ImportedApp) -> Tenant:
    tenant = Tenant(app.app_id, app.api_key)
    tenant.known.add("version", app.workflow_id)
    return tenant


def signature(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
