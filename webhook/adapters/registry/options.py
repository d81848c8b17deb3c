"""What an operator says about registries, as one value."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from yarl import URL

from webhook.adapters.registry.address_guard import is_loopback_host

__all__ = ["Proxies", "Reach", "RegistryOptions", "host_of"]


class Reach(Enum):
    """Which registries may be asked besides those that the policy or a flag lists."""

    LISTED = "listed hosts only"
    PUBLIC = "any host with a public address"
    ASKED = "whatever a person at the keyboard asks about"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """Proxy URLs by the scheme of the target, and the hosts that are reached directly.

    `direct` holds entries of the usual `NO_PROXY`: `*`, a name (its subdomains too), `.suffix`, `host:port`, an
    address or a network (`10.0.0.0/8`). The URLs may hold a password and are never shown.
    """

    http: str | None = field(default=None, repr=False)
    https: str | None = field(default=None, repr=False)
    direct: tuple[str, ...] = ()

    def proxy_for(self, url: URL) -> str | None:
        """Return the proxy for `url`; None if it is reached directly."""
        proxy = self.https if url.scheme == "https" else self.http
        if proxy is None or any(_is_direct(entry.strip().lower(), url) for entry in self.direct):
            return None
        return proxy


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryOptions:
    """How registries are reached. Hosts are canonical `host[:port]` as in `Repository.registry`.

    `listed_hosts`: named by the policy or a flag; these alone may have an address that is not public.
    `loopback_is_plain`: loopback hosts are plain HTTP by themselves (every command but `serve`).
    `insecure_hosts`: HTTPS without verification and, where that cannot be set up, plain HTTP.
    `ca_pem`: certificate authorities trusted besides the system's, for all hosts; `ca_pem_by_host` for one.
    `mirrors`: for a host or `host/path` prefix, where to ask first, in this order; the longest prefix counts, and what
    follows it is appended. A policy keeps seeing the original name.
    """

    listed_hosts: frozenset[str] = frozenset()
    reach: Reach = Reach.LISTED
    loopback_is_plain: bool = False
    insecure_hosts: frozenset[str] = frozenset()
    ca_pem: str = ""
    ca_pem_by_host: Mapping[str, str] = field(default_factory=dict)
    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    proxies: Proxies = Proxies()
    requests_per_registry: int = 16
    failures_before_pause: int = 5
    pause_seconds: float = 5.0

    def is_listed(self, host: str) -> bool:
        """Tell whether the policy or any flag names this very host."""
        mirrored = (name.partition("/")[0] for pair in self.mirrors.items() for name in (pair[0], *pair[1]))
        named = (*self.listed_hosts, *self.insecure_hosts, *self.ca_pem_by_host, *mirrored)
        return host in named

    def may_ask(self, registry: str) -> bool:
        """Tell whether a registry may be asked at all; at which addresses is `may_be_private`'s answer."""
        return self.reach is not Reach.LISTED or self.is_listed(registry)

    def may_be_private(self, host: str, *, asked: str) -> bool:
        """Tell whether `host` may have a private address when it came up while `asked` was being asked.

        A redirect or token realm gains nothing by the freedom of a person to ask whatever host they like, except
        that services on loopback may refer to each other.
        """
        if self.is_listed(host):
            return True
        return self.reach is Reach.ASKED and (host == asked or self._both_loopback(host, asked))

    def may_be_plain(self, host: str, *, asked: str) -> bool:
        """Tell whether `host` may be spoken to without TLS when it came up while `asked` was being asked."""
        if host in self.insecure_hosts:
            return True
        known = host == asked or self.is_listed(host) or self._both_loopback(host, asked)
        return known and self.speaks_plain(host)

    def speaks_plain(self, host: str) -> bool:
        """Tell whether plain HTTP is what to begin with."""
        return self.loopback_is_plain and is_loopback_host(host) and host not in self.ca_pem_by_host

    @staticmethod
    def _both_loopback(host: str, asked: str) -> bool:
        return is_loopback_host(host) and is_loopback_host(asked)


def host_of(url: URL) -> str:
    """Write the host of a URL as registries are named: lower case, brackets kept, the port of HTTPS dropped."""
    host = (url.raw_host or "").lower()
    name = f"[{host}]" if ":" in host else host
    port = url.explicit_port
    return name if port in {None, 443} else f"{name}:{port}"


def _is_direct(entry: str, url: URL) -> bool:
    """Tell whether one entry of `NO_PROXY` covers the host of `url`."""
    host = (url.raw_host or "").lower().rstrip(".")
    name, colon, port = entry.rpartition(":")
    if colon and port.isdecimal() and (":" not in name or name.endswith("]")):
        if int(port) != url.port:
            return False
        entry = name
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        suffix = entry.removeprefix("*").removeprefix(".")
        return entry == "*" or (bool(suffix) and (host == suffix or host.endswith(f".{suffix}")))
