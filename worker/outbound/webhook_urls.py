"""Addresses that webhook messages can be posted to."""

from __future__ import annotations

from worker.outbound.errors import InvalidURL

MAX_LENGTH = 2048


def check_webhook_url(url: str) -> None:
    """Raises ``ValueError`` with a predicate. Whether the address may be called is found out when it is."""
    # Here, so that a process that is asked for no webhook loads no HTTP library.
    from worker.outbound.hops import parsed

    if len(url) > MAX_LENGTH:
        raise ValueError(f"must not be longer than {MAX_LENGTH} characters")
    try:
        address = parsed(url)
    except InvalidURL:
        raise ValueError("must be an address that starts with http:// or https://") from None
    if address.userinfo:
        raise ValueError("must not contain a password: the signature tells the receiver who sends")
