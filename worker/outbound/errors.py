"""What can go wrong on the way out; every one of these fails the node that asked.

OutboundError                ``error_type`` is ``HttpRequestNodeError`` for all (nodes.md section 6.7)
├─ InvalidURL                the address cannot be understood
├─ InvalidRequest            a header that HTTP cannot carry
├─ AddressBlocked            the guard refuses the address
├─ ConnectionFailed          no such host, refused, reset, TLS failure; the system's own words
├─ TimedOut                  connect, read, write or total time
├─ InvalidResponse           what came back is not HTTP, or has too many headers
├─ TooManyRedirects
└─ ResponseTooLarge
"""

from __future__ import annotations

from worker.engine.errors import NodeError
from worker.engine.ports import OutboundResponse


class OutboundError(NodeError):
    """A request to the world failed."""

    code = "outbound_error"
    error_type = "HttpRequestNodeError"


class InvalidURL(OutboundError):
    code = "invalid_url"


class InvalidRequest(OutboundError):
    code = "invalid_request"


class AddressBlocked(OutboundError):
    code = "address_blocked"

    def __init__(self, url: str) -> None:
        super().__init__(
            f"Access to '{url}' was blocked by SSRF protection: the address is private, local or reserved, or the port belongs to "
            "another kind of service. PENSTOCK_OUTBOUND_ALLOW lists the addresses and hosts that workflows may call all the same."
        )


class ConnectionFailed(OutboundError):
    code = "connection_failed"


class TimedOut(OutboundError):
    code = "timed_out"

    def __init__(self) -> None:
        super().__init__("timed out")


class InvalidResponse(OutboundError):
    code = "invalid_response"


class TooManyRedirects(OutboundError):
    code = "too_many_redirects"

    def __init__(self) -> None:
        super().__init__("Exceeded maximum allowed redirects.")


class ResponseTooLarge(OutboundError):
    """``details`` carries ``response`` (its body as far as it was read) and ``size`` (declared bytes, or None)."""

    code = "response_too_large"

    def __init__(self, limit_bytes: int, response: OutboundResponse, size: int | None) -> None:
        super().__init__(f"The response is larger than {limit_bytes} bytes.")
        self.details = {"response": response, "size": size}
