"""The ``webhook`` of a run request: an address that is told of the run (docs/webhooks.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.errors import APIError, invalid_param
from app.parts import Parts
from worker.outbound.webhook_urls import check_webhook_url
from worker.store.errors import SealError
from worker.store.webhook_secrets import secret_of_runs
from worker.store.webhooks import RunWebhook

FIELD = "webhook"


def webhook_of(fields: Mapping[str, Any] | None) -> RunWebhook | None:
    """What a request asks for. Raises ``APIError`` for an address that nothing can be sent to."""
    if fields is None:
        return None
    try:
        check_webhook_url(fields["url"])
    except ValueError as error:
        raise invalid_param(f"webhook.url {error}.", FIELD) from error
    return RunWebhook(fields["url"], tuple(fields["events"] or ()))


def provide_secret(parts: Parts, app_id: str) -> None:
    """Make sure that messages to addresses that runs name can be signed. Raises ``APIError`` where there is no key to seal with."""
    try:
        secret_of_runs(parts.config, parts.database, app_id)
    except SealError as error:
        raise APIError("invalid_param", f"webhook cannot be signed: {error}", params=FIELD) from error
