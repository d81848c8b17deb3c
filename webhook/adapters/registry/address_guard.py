"""Which network addresses and hosts may be contacted for somebody who merely named an image.

The name of an image is chosen by whoever writes the pod, and redirects and token realms by whoever runs the registry.
So an address is judged where a socket is about to be opened for it, after every name has been resolved: an answer of
the DNS that changes between a check and its use changes nothing.
"""

from __future__ import annotations

import ipaddress
import re
import socket

from aiohttp import AddrInfoType

__all__ = ["ForbiddenAddressError", "is_loopback_host", "is_public_address", "may_be_public_host", "public_socket"]

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NEVER_PUBLIC = tuple(
    # What the standard library of some Python releases takes for global: protocol assignments (a cloud's metadata
    # service stands there), relays and tunnels that end somewhere else, documentation. And Azure's platform service.
    ipaddress.ip_network(text)
    for text in (
        "192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32",
        "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16",
    )
)  # fmt: skip
_LOCAL_SUFFIXES = (".localhost", ".local", ".localdomain", ".internal", ".svc", ".home.arpa")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")


class ForbiddenAddressError(OSError):
    """A socket was asked for towards an address that is not public. The text never varies and names no address."""

    def __init__(self) -> None:
        super().__init__("the address is not public")


def is_public_address(text: str) -> bool:
    """Tell whether an IP address, as text, is one of the public internet; False for whatever is not an address.

    An IPv6 address that leads to an IPv4 address (NAT64, 6to4) is judged by that one; a mapped one is refused.
    Source: the IANA special-purpose address registries (RFC 6890), as the standard library knows them.
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return _is_global(_destination(address))


def public_socket(info: AddrInfoType) -> socket.socket:
    """Open a socket for this address if it is public, else raise ForbiddenAddressError. For `TCPConnector`."""
    family, kind, protocol, _, address = info
    if not is_public_address(str(address[0])):
        raise ForbiddenAddressError
    return socket.socket(family=family, type=kind, proto=protocol)


def is_loopback_host(host: str) -> bool:
    """Tell whether `host[:port]` names this very machine by its spelling alone."""
    name = _bare_name(host)
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def may_be_public_host(host: str) -> bool:
    """Tell whether `host[:port]` can be public by its spelling, for a proxy that will resolve the name by itself.

    Refuses literal addresses that are not public, numbers that some resolvers read as addresses (`127.1`, `0x7f.1`),
    names without a dot and names reserved for local use.
    """
    name = _bare_name(host)
    if is_public_address(name):
        return True
    last_label = name.rpartition(".")[2]
    if ":" in name or "." not in name or _NUMBER.fullmatch(last_label):
        return False
    return not name.endswith(_LOCAL_SUFFIXES)


def _bare_name(host: str) -> str:
    """Strip port, brackets and the dot of a fully qualified name; lower case."""
    name = host.lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    if name.count(":") == 1:
        name = name.partition(":")[0]
    return name.rstrip(".")


def _is_global(address: IPAddress) -> bool:
    """Tell whether one address is global unicast and stands for nothing else."""
    special = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_link_local
    site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    return (
        address.is_global
        and not special
        and not site_local
        and not any(address in network for network in _NEVER_PUBLIC)
    )


def _destination(address: IPAddress) -> IPAddress:
    """Return the IPv4 address that an IPv6 address is turned into on its way, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour or address
