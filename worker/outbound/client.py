"""The way out of a worker: every request that a workflow causes goes through this client and its guard."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from worker.config import Config
from worker.engine.ports import Cancellation, OutboundRequest, OutboundResponse
from worker.outbound.addresses import Resolver, system_resolver
from worker.outbound.guard import AddressPolicy

if TYPE_CHECKING:
    from worker.outbound.transport import Transport

#: Seconds for one request with all its redirects, however little the server sends at a time: as long as a run may take.
TOTAL_S = 1200.0

#: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
IDEMPOTENCY_HEADER = "Idempotency-Key"


class GuardedClient:
    """``ports.HTTPClient`` for public addresses and those of ``allow`` (CIDRs, addresses, host names).

    One per process, shared by all runs and threads. No proxy of the environment is used, no cookie is kept.
    """

    def __init__(
        self,
        allow: Sequence[str] = (),
        *,
        allow_insecure_tls: bool = True,
        sends_idempotency_keys: bool = False,
        resolver: Resolver = system_resolver,
        total_s: float = TOTAL_S,
    ) -> None:
        """``allow_insecure_tls``: False checks certificates although a request says not to."""
        self._policy = AddressPolicy(allow)
        self._allow_insecure_tls = allow_insecure_tls
        self._sends_idempotency_keys = sends_idempotency_keys
        self._resolver = resolver
        self._total_s = total_s
        self._lock = threading.Lock()
        self._transport: Transport | None = None

    @classmethod
    def of(cls, config: Config) -> GuardedClient:
        return cls(
            config.outbound_allow,
            allow_insecure_tls=config.http_allow_insecure_tls,
            sends_idempotency_keys=config.http_idempotency_keys,
        )

    def send(self, request: OutboundRequest, cancellation: Cancellation) -> OutboundResponse:
        """Raises the errors of ``worker.outbound.errors``; once the run is cancelled, its signal within moments."""
        return self._opened().send(self._as_decided(request), cancellation)

    def close(self) -> None:
        """Close the connections that are kept for reuse."""
        if self._transport is not None:
            self._transport.close()

    def _as_decided(self, request: OutboundRequest) -> OutboundRequest:
        """The request as the operator lets it go out."""
        if self._sends_idempotency_keys:
            request = with_idempotency_key(request)
        return request if self._allow_insecure_tls else replace(request, verify_tls=True)

    def _opened(self) -> Transport:
        with self._lock:
            if self._transport is None:
                # Here, so that a process that never calls out does not load an HTTP library.
                from worker.outbound.transport import Transport

                self._transport = Transport(self._policy, self._resolver, self._total_s)
            return self._transport


def with_idempotency_key(request: OutboundRequest) -> OutboundRequest:
    """With the header, unless the workflow sets one itself."""
    if not request.idempotency_key or any(name.lower() == IDEMPOTENCY_HEADER.lower() for name, _ in request.headers):
        return request
    return replace(request, headers=(*request.headers, (IDEMPOTENCY_HEADER, request.idempotency_key)))
