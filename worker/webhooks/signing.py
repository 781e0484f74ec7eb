"""Signatures of webhook messages, as Standard Webhooks 1.0.0 has them ("Signature scheme", "Webhook headers")."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence

from worker.store.webhook_secrets import key_of


def signed_headers(secret: str, message_id: str, timestamp: int, body: bytes) -> Sequence[tuple[str, str]]:
    """What tells the receiver that a message is ours. ``timestamp`` (epoch seconds) is that of the attempt, not of the event."""
    return (
        ("webhook-id", message_id),
        ("webhook-timestamp", str(timestamp)),
        ("webhook-signature", f"v1,{signature(secret, message_id, timestamp, body)}"),
    )


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """HMAC-SHA256 over ``id.timestamp.body``, in base64; the key is what the secret encodes."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return base64.b64encode(hmac.digest(key_of(secret), signed, "sha256")).decode("ascii")
