"""Trigger nodes of apps as operators see them, with the addresses of webhooks: for the admin API and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from worker.config import Config
from worker.engine.triggers import WEBHOOK_TRIGGER, TriggerNode, trigger_nodes
from worker.engine.webhook_request import WebhookConfig
from worker.operating.errors import Unusable
from worker.store import webhook_triggers as stored
from worker.store.apps import find_version
from worker.store.encoding import loads
from worker.store.models import App
from worker.store.schedule_models import WebhookTrigger
from worker.store.sealing import Sealing
from worker.store.session import Database

PATH = "/triggers/webhook/"

#: Characters of a node id under which an address can be kept.
MAX_NODE_ID = 255


@dataclass(frozen=True, slots=True)
class ShownTrigger:
    """A webhook trigger of an app's current version."""

    node_id: str
    title: str
    method: str
    content_type: str
    url: str
    created_at: float
    last_used_at: float | None


def list_webhook_triggers(config: Config, database: Database, app_id: str) -> list[ShownTrigger]:
    """The webhook triggers of an app's current version; one that nobody has asked for before gets its address now.

    Raises ``SealError`` where there is no key to keep addresses with.
    """
    with database.read() as session:
        nodes = {node.id: node for node in current_triggers(session, app_id)}
        known = stored.list_triggers(session, app_id)
    if missing := nodes.keys() - known:
        known = give_addresses(config, database, app_id, sorted(missing))
    return [shown(config, node, known[node_id]) for node_id, node in nodes.items()]


def rotate_webhook_trigger(config: Config, database: Database, app_id: str, node: str) -> ShownTrigger:
    """Another address for a trigger, by its node's id or title; the old one leads nowhere at once. Raises ``Unusable``, ``SealError``."""
    with database.read() as session:
        nodes = current_triggers(session, app_id)
    found = [one for one in nodes if one.id == node] or [one for one in nodes if one.title == node]
    if len(found) != 1:
        which = "no webhook trigger" if not found else "several webhook triggers"
        raise Unusable(f"The current version of the app has {which} {node!r}.", "node")
    known = give_addresses(config, database, app_id, [found[0].id], renews=True)
    return shown(config, found[0], known[found[0].id])


def current_triggers(session: Session, app_id: str) -> list[TriggerNode]:
    app = session.get(App, app_id)
    version = find_version(session, app_id, app.workflow_id) if app is not None and app.workflow_id else None
    nodes = [] if version is None else trigger_nodes(loads(version.document), WEBHOOK_TRIGGER)
    return [node for node in nodes if len(node.id) <= MAX_NODE_ID]


def give_addresses(
    config: Config, database: Database, app_id: str, node_ids: list[str], *, renews: bool = False
) -> dict[str, WebhookTrigger]:
    sealing = Sealing.provide(config)
    with database.begin() as session:
        for node_id in node_ids:
            stored.put_trigger(session, sealing, app_id, node_id, renews=renews)
    with database.read() as session:
        return stored.list_triggers(session, app_id)


def shown(config: Config, node: TriggerNode, trigger: WebhookTrigger) -> ShownTrigger:
    read = WebhookConfig.of(node.data)
    token = stored.open_token(Sealing.find(config), trigger)
    url = f"{config.files_url.rstrip('/')}{PATH}{token}"
    return ShownTrigger(node.id, node.title, read.method, read.content_type, url, trigger.created_at, trigger.last_used_at)


def trigger_facts(trigger: ShownTrigger) -> dict[str, Any]:
    names = ("node_id", "title", "method", "content_type", "url", "created_at", "last_used_at")
    return {name: getattr(trigger, name) for name in names}
