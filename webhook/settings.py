"""The composition root: flags, environment and policy → adapters. The only place that chooses them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from webhook.adapters.cache import CachingRegistry
from webhook.adapters.clock import SystemClock
from webhook.adapters.registry.credential_helpers import DockerCredentials
from webhook.adapters.registry.credentials import DockerConfig, usual_config_paths
from webhook.adapters.registry.distribution import DistributionRegistry
from webhook.adapters.registry.options import Proxies, Reach, RegistryOptions
from webhook.core.contacts import leaves_images_open, listed_hosts
from webhook.core.policy import Policy
from webhook.ports import Clock, Registry

__all__ = ["RegistryFlags", "Surroundings", "open_registry", "system_clock"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryFlags:
    """What the command line says about registries, names canonical. `mirrors` are (from, to) pairs, in order."""

    config_file: Path | None = None
    insecure_hosts: tuple[str, ...] = ()
    ca_file: Path | None = None
    mirrors: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a command runs in. `serving` is true for the server alone, which may contact far less than a person may."""

    environment: Mapping[str, str]
    clock: Clock
    log: FilteringBoundLogger
    serving: bool = False
    observe: Callable[[str, str], None] = lambda _registry, _outcome: None


def system_clock() -> Clock:
    """Return the clock of this machine."""
    return SystemClock()


@asynccontextmanager
async def open_registry(policy: Policy, flags: RegistryFlags, around: Surroundings) -> AsyncIterator[Registry]:
    """Open the registries that a policy and the flags allow, with credentials and a memory.

    Raises OSError or DocumentError if a file that a flag names cannot be read or understood.
    """
    config = _docker_config(flags, around.environment)
    credentials = DockerCredentials(config, environment=around.environment, clock=around.clock)
    registry = DistributionRegistry(
        options=_options(policy, flags, around),
        credentials=credentials,
        clock=around.clock,
        log=around.log,
        observe=around.observe,
    )
    async with registry:
        cache = CachingRegistry(registry, clock=around.clock)
        try:
            yield cache
        finally:
            await cache.close()


def _options(policy: Policy, flags: RegistryFlags, around: Surroundings) -> RegistryOptions:
    """Join what the policy and the flags say; the flags' mirrors are asked first."""
    mirrors: dict[str, tuple[str, ...]] = {}
    for source, target in flags.mirrors:
        mirrors[source] = (*mirrors.get(source, ()), target)
    for registry in policy.registries:
        if registry.mirrors:
            mirrors[registry.host] = (*mirrors.get(registry.host, ()), *registry.mirrors)
    open_to_public = Reach.PUBLIC if leaves_images_open(policy) else Reach.LISTED
    return RegistryOptions(
        listed_hosts=listed_hosts(policy),
        reach=open_to_public if around.serving else Reach.ASKED,
        loopback_is_plain=not around.serving,
        insecure_hosts=frozenset(flags.insecure_hosts),
        ca_pem=flags.ca_file.read_text(encoding="ascii") if flags.ca_file else "",
        ca_pem_by_host={registry.host: registry.ca_pem for registry in policy.registries if registry.ca_pem},
        mirrors=mirrors,
        proxies=_proxies(around.environment),
    )


def _docker_config(flags: RegistryFlags, environment: Mapping[str, str]) -> DockerConfig:
    """Read the config that a flag names, else the first that lies in a usual place; none is no error."""
    if flags.config_file is not None:
        return DockerConfig.read(flags.config_file)
    found = next((path for path in usual_config_paths(environment) if path.is_file()), None)
    return DockerConfig.read(found) if found else DockerConfig()


def _proxies(environment: Mapping[str, str]) -> Proxies:
    """Read the usual variables, the lower-case spelling first, as other tools do."""
    direct = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    return Proxies(
        http=environment.get("http_proxy") or environment.get("HTTP_PROXY") or None,
        https=environment.get("https_proxy") or environment.get("HTTPS_PROXY") or None,
        direct=tuple(entry.strip() for entry in direct.split(",") if entry.strip()),
    )
