"""The way out of a worker: every request that a workflow causes goes through this client and its guard."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from worker.engine.ports import Cancellation, OutboundRequest, OutboundResponse
from worker.outbound.addresses import Resolver, system_resolver
from worker.outbound.guard import AddressPolicy

if TYPE_CHECKING:
    from worker.outbound.transport import Transport

#: Seconds for one request with all its redirects, however little the server sends at a time: as long as a run may take.
TOTAL_S = 1200.0


class GuardedClient:
    """``ports.HTTPClient`` for public addresses and those of ``allow`` (CIDRs, addresses, host names).

    One per process, shared by all runs and threads. No proxy of the environment is used, no cookie is kept.
    """

    def __init__(self, allow: Sequence[str] = (), *, resolver: Resolver = system_resolver, total_s: float = TOTAL_S) -> None:
        self._policy = AddressPolicy(allow)
        self._resolver = resolver
        self._total_s = total_s
        self._lock = threading.Lock()
        self._transport: Transport | None = None

    def send(self, request: OutboundRequest, cancellation: Cancellation) -> OutboundResponse:
        """Raises the errors of ``worker.outbound.errors``; once the run is cancelled, its signal within moments."""
        return self._opened().send(request, cancellation)

    def close(self) -> None:
        """Close the connections that are kept for reuse."""
        if self._transport is not None:
            self._transport.close()

    def _opened(self) -> Transport:
        with self._lock:
            if self._transport is None:
                # Here, so that a process that never calls out does not load an HTTP library.
                from worker.outbound.transport import Transport

                self._transport = Transport(self._policy, self._resolver, self._total_s)
            return self._transport
