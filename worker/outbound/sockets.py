"""Opening sockets to judged addresses, with TLS where the URL asks for it."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import certifi

from worker.outbound.errors import ConnectionFailed, TimedOut
from worker.outbound.exchange import Exchange
from worker.outbound.guard import IPAddress


@contextmanager
def socket_failures() -> Iterator[None]:
    """The system's errors as ours, in its own words: ``[Errno 111] Connection refused``."""
    try:
        yield
    except TimeoutError:
        raise TimedOut from None
    except OSError as error:
        raise ConnectionFailed(str(error)) from error


def connect(addresses: Sequence[IPAddress], port: int, exchange: Exchange, timeout_s: float) -> socket.socket:
    """A socket to the first address that answers. They share the time, so that a dead address leaves some to the next one."""
    deadline = time.monotonic() + timeout_s
    for left in range(len(addresses), 1, -1):
        with suppress(ConnectionFailed, TimedOut):
            return connect_one(addresses[-left], port, exchange, (deadline - time.monotonic()) / left)
    return connect_one(addresses[-1], port, exchange, deadline - time.monotonic())


def connect_one(address: IPAddress, port: int, exchange: Exchange, timeout_s: float) -> socket.socket:
    sock = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        with socket_failures(), exchange.using(sock, timeout_s):
            sock.connect((str(address), port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def start_tls(sock: socket.socket, host: str, context: ssl.SSLContext, exchange: Exchange, timeout_s: float) -> ssl.SSLSocket:
    """Shake hands as, and check the certificate against, the host's name. Takes the socket over, also when it fails."""
    try:
        tls = context.wrap_socket(sock, server_hostname=host.rstrip("."), do_handshake_on_connect=False)
    except BaseException:
        sock.close()
        raise
    try:
        with socket_failures(), exchange.using(tls, timeout_s):
            tls.do_handshake()
    except BaseException:
        tls.close()
        raise
    return tls


def tls_context(verify: bool) -> ssl.SSLContext:
    """Trusts the system's authorities (``SSL_CERT_FILE`` included) and, for systems without any, those of the certifi package."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def is_silent(sock: socket.socket) -> bool:
    """Whether there is nothing to read on an unused connection; what there is would be its end, or nothing we asked for."""
    sock.settimeout(0)
    try:
        # Below TLS, since an SSLSocket cannot peek.
        socket.socket.recv(sock, 1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
