"""Ports on the loopback interface for servers that tests start."""

import socket


def free_port() -> int:
    """A port that nobody listens on right now. Another process may take it before it is used: callers start again then."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
