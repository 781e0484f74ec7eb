"""From a host's name to the addresses that may be called: one look-up, and a judgement over all it answers."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from worker.outbound.errors import ConnectionFailed, TimedOut
from worker.outbound.exchange import Exchange
from worker.outbound.guard import IPAddress, literal_address

#: Addresses of a host and port as texts, best first. Raises ``OSError``.
Resolver = Callable[[str, int], Sequence[str]]


def system_resolver(host: str, port: int) -> list[str]:
    # As bytes, so that Python does not apply its own rules for international names to a host that is ASCII by now.
    found = socket.getaddrinfo(host.encode("ascii"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def addresses_of(host: str, port: int, resolver: Resolver, exchange: Exchange, timeout_s: float) -> list[IPAddress]:
    """Every address of a host, at least one. Raises ``ConnectionFailed`` with the resolver's words, or ``TimedOut``."""
    literal = literal_address(host)
    if literal is not None:
        return [literal]
    try:
        found = look_up(host, port, resolver, exchange, timeout_s)
    except (OSError, UnicodeError) as error:
        raise ConnectionFailed(str(error)) from error
    if not found:
        raise ConnectionFailed(f"The host {host} has no address.")
    return [ip_address(text) for text in found]


def look_up(host: str, port: int, resolver: Resolver, exchange: Exchange, timeout_s: float) -> Sequence[str]:
    """The resolver's answer, asked for in a thread of its own: the system's look-up can neither be timed nor interrupted."""
    answers: queue.SimpleQueue[Sequence[str] | Exception | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(resolver(host, port))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    with exchange.waiting(lambda: answers.put(None)):
        threading.Thread(target=ask, name="penstock-resolver", daemon=True).start()
        try:
            answer = answers.get(timeout=exchange.remaining_s(timeout_s))
        except queue.Empty:
            raise TimedOut from None
    if isinstance(answer, Exception):
        raise answer
    return answer or ()
