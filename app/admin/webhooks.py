"""Webhook endpoints as operators add and see them: for the admin API and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from worker.config import Config
from worker.operating.errors import Unusable
from worker.outbound.webhook_urls import check_webhook_url
from worker.store import webhooks as stored_webhooks
from worker.store.models import WebhookEndpoint
from worker.store.sealing import Sealing
from worker.store.session import Database
from worker.store.webhook_secrets import make_secret, seal_secret
from worker.store.webhooks import EVENTS


def add_endpoint(config: Config, database: Database, app_id: str, url: str, events: Sequence[str]) -> dict[str, Any]:
    """Facts of a new endpoint with its secret, which is shown this once; one that is there already gets a new secret.

    Raises ``Unusable`` for an address that cannot be one, ``SealError``.
    """
    try:
        check_webhook_url(url)
    except ValueError as error:
        raise Unusable(f"The URL {error}.", "url") from error
    secret = make_secret()
    sealed = seal_secret(Sealing.provide(config), app_id, url, secret)
    endpoint = database.transact(lambda session: stored_webhooks.put_endpoint(session, app_id, url, events, sealed))
    return {"id": endpoint, "app_id": app_id, "url": url, "events": list(events or EVENTS), "secret": secret}


def endpoint_facts(endpoint: WebhookEndpoint) -> dict[str, Any]:
    names = ("id", "app_id", "url", "created_at", "disabled_at")
    return {**{name: getattr(endpoint, name) for name in names}, "events": endpoint.events.split() or list(EVENTS)}
