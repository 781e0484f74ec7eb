"""Which addresses workflows may call: public ones, and those that the operator names (reliability.md section 3.3)."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from worker.config import ConfigError

IPAddress = IPv4Address | IPv6Address
IPNetwork = IPv4Network | IPv6Network

#: Denied besides what ``ipaddress`` calls not global: this host, carrier-grade NAT, protocol assignments, 6to4 relays, the virtual
#: address of Azure's host services, and multicast with all behind it.
DENIED_IPV4 = tuple(map(IPv4Network, ("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "224.0.0.0/3")))

#: All public IPv6 unicast space lies in here.
PUBLIC_IPV6 = IPv6Network("2000::/3")

#: Protocol assignments with Teredo tunnels, documentation and 6to4 tunnels inside the public space.
DENIED_IPV6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))

#: The well-known prefix whose last 32 bits are an IPv4 address (RFC 6052).
NAT64 = IPv6Network("64:ff9b::/96")

#: Ports of services that must not be spoken to by way of HTTP: shells, mail, names, file shares, databases, queues.
SERVICE_PORTS = frozenset(
    {21, 22, 23, 25, 53, 110, 111, 135, 137, 139, 143, 389, 445, 465, 514, 587, 636, 993, 995, 1433, 1521, 2049, 2181}
    | {2379, 3306, 3389, 5432, 5672, 5900, 6379, 9042, 11211, 27017}
)


class AddressPolicy:
    """The guard's rules. ``allow`` holds CIDRs, addresses and host names; raises ``ConfigError`` for anything else."""

    def __init__(self, allow: Sequence[str] = ()) -> None:
        entries = [allowed_entry(entry) for entry in allow]
        self._hosts = frozenset(entry for entry in entries if isinstance(entry, str))
        self._networks = tuple(entry for entry in entries if not isinstance(entry, str))

    def permits(self, host: str, port: int, addresses: Sequence[IPAddress]) -> bool:
        """Whether a host may be called, given every address it has."""
        if plain_host(host) in self._hosts:
            return True
        return bool(addresses) and all(self._permits_address(unwrapped(address), port) for address in addresses)

    def _permits_address(self, address: IPAddress, port: int) -> bool:
        # A network of the other IP version contains no address of this one.
        if any(address in network for network in self._networks):
            return True
        return port not in SERVICE_PORTS and is_public(address)


def allowed_entry(entry: str) -> IPNetwork | str:
    """The network, or the host name as it is compared."""
    try:
        return ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        host = plain_host(entry)
        if not host or set(host) & set("/:@[]*"):
            message = f"PENSTOCK_OUTBOUND_ALLOW has the entry {entry!r}, but must list CIDRs, addresses and host names."
            raise ConfigError(message) from None
        return host


def plain_host(host: str) -> str:
    """A host as it is compared: lower case, without the dot of the root, international names in their ASCII form."""
    host = host.lower().rstrip(".")
    return host if host.isascii() else host.encode("idna").decode("ascii")


def literal_address(host: str) -> IPAddress | None:
    """The address that a host spells out, in any form the C library takes (``127.1``, ``0x7f000001``); None for a name."""
    host = host.rstrip(".")
    try:
        return ip_address(host)
    except ValueError:
        try:
            return IPv4Address(socket.inet_aton(host))
        except OSError:
            return None


def unwrapped(address: IPAddress) -> IPAddress:
    """The IPv4 address behind an IPv6 form that reaches it: IPv4-mapped and NAT64."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_public(address: IPAddress) -> bool:
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in DENIED_IPV4)
    return address in PUBLIC_IPV6 and address.is_global and not any(address in network for network in DENIED_IPV6)
