"""The composition root: flags, environment and policy → adapters. The only place that chooses them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from webhook.adapters.cache import CachingRegistry
from webhook.adapters.clock import StandingClock, SystemClock
from webhook.adapters.cluster.flags import ClusterFlags
from webhook.adapters.cluster.opening import open_api_server
from webhook.adapters.cluster.remembering import RememberedReads
from webhook.adapters.registry.credential_files import ConfigSource, DockerConfigFile, FixedConfig
from webhook.adapters.registry.credential_helpers import DockerCredentials
from webhook.adapters.registry.credentials import usual_config_paths
from webhook.adapters.registry.distribution import DistributionRegistry
from webhook.adapters.registry.options import Proxies, Reach, RegistryOptions
from webhook.adapters.registry.pull_secrets import PullSecretRegistries
from webhook.adapters.registry.tls import read_authorities
from webhook.adapters.tls_handshake import shake_hands
from webhook.adapters.trust import BackgroundTrust
from webhook.core.contacts import leaves_images_open, listed_hosts
from webhook.core.policy import Policy
from webhook.ports import Clock, Cluster, ObjectReader, Registries, Registry, TrustSource

__all__ = [
    "ClusterFlags",
    "OpenCluster",
    "RegistryFlags",
    "Surroundings",
    "docker_config",
    "open_cluster",
    "open_document_registry",
    "open_registries",
    "open_registry",
    "open_trust",
    "registry_options",
    "remembered_reads",
    "shake_hands",
    "standing_clock",
    "system_clock",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Memory:
    """How much is remembered of what registries say."""

    manifest_bytes: int
    blob_bytes: int
    entries: int


FULL_MEMORY = _Memory(manifest_bytes=64 * 1024 * 1024, blob_bytes=64 * 1024 * 1024, entries=50_000)
SMALL_MEMORY = _Memory(manifest_bytes=2 * 1024 * 1024, blob_bytes=1024 * 1024, entries=500)
"""For one set of pull secrets at admission, of which there may be many."""
RUN_SECRETS, SERVED_SECRETS = 4_096, 128
"""How many pull secrets stay parsed: in a run all of them, in a server the latest."""


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


class OpenCluster(Cluster, Protocol):
    """A cluster, and the namespace that counts where none is named: the context's, or the pod's own."""

    @property
    def default_namespace(self) -> str:
        """Return its name."""
        ...


def system_clock() -> Clock:
    """Return the clock of this machine."""
    return SystemClock()


def standing_clock(instant: datetime) -> Clock:
    """Return a clock whose wall stands at an instant with a time zone, while seconds go on."""
    return StandingClock(instant)


@asynccontextmanager
async def open_registry(policy: Policy, flags: RegistryFlags, around: Surroundings) -> AsyncIterator[Registry]:
    """Open the registries that a policy and the flags allow, with credentials and a memory.

    Raises DocumentError if a file that a flag names cannot be read or understood.
    """
    async with _opened(registry_options(policy, flags, around), docker_config(flags, around), around) as registry:
        yield registry


@asynccontextmanager
async def open_document_registry(
    policy: Policy | None, host: str, flags: RegistryFlags, around: Surroundings
) -> AsyncIterator[Registry]:
    """Open the registry from which a document comes, which a flag names; the policy, if there is one, may say how.

    Raises DocumentError if a file that a flag names cannot be read or understood.
    """
    options = registry_options(policy, flags, around)
    listed = replace(options, listed_hosts=options.listed_hosts | {host})
    async with _opened(listed, docker_config(flags, around), around) as registry:
        yield registry


@asynccontextmanager
async def open_registries(policy: Policy, flags: RegistryFlags, around: Surroundings) -> AsyncIterator[Registries]:
    """Open registries that are also asked by the pull secrets of pods.

    The server opens some for each set of secrets, whatever sets there are, so its own remember little.
    Raises DocumentError if a file that a flag names cannot be read or understood.
    """
    options, own = registry_options(policy, flags, around), docker_config(flags, around)
    async with AsyncExitStack() as stack:

        async def opened(config: ConfigSource) -> Registry:
            memory = SMALL_MEMORY if around.serving else FULL_MEMORY
            return await stack.enter_async_context(_opened(options, config, around, memory))

        yield PullSecretRegistries(opened, own, max_parsed=SERVED_SECRETS if around.serving else RUN_SECRETS)


@asynccontextmanager
async def _opened(
    options: RegistryOptions, config: ConfigSource, around: Surroundings, memory: _Memory = FULL_MEMORY
) -> AsyncIterator[Registry]:
    """Open the registries with the credentials of one config, and a memory."""
    registry = DistributionRegistry(
        options=options,
        credentials=DockerCredentials(config, environment=around.environment, clock=around.clock),
        clock=around.clock,
        log=around.log,
        observe=around.observe,
    )
    async with registry:
        cache = CachingRegistry(
            registry,
            clock=around.clock,
            manifest_bytes=memory.manifest_bytes,
            blob_bytes=memory.blob_bytes,
            max_entries=memory.entries,
        )
        try:
            yield cache
        finally:
            await cache.close()


@asynccontextmanager
async def open_cluster(flags: ClusterFlags, around: Surroundings) -> AsyncIterator[OpenCluster]:
    """Open the API server that the flags, the kubeconfig or the pod's own service account say.

    Raises DocumentError or ParseError if that cannot be known or used; nothing has been asked yet.
    """
    proxies = _proxies(around.environment)
    async with open_api_server(flags, environment=around.environment, proxies=proxies, clock=around.clock) as cluster:
        yield cluster


@asynccontextmanager
async def remembered_reads(cluster: Cluster, around: Surroundings) -> AsyncIterator[ObjectReader]:
    """Read objects of a cluster as they were half a minute ago at most."""
    reads = RememberedReads(cluster, clock=around.clock)
    try:
        yield reads
    finally:
        await reads.close()


def open_trust(around: Surroundings, *, directory: Path | None = None) -> AbstractAsyncContextManager[TrustSource]:
    """Return the keeper of trusted roots; `directory` is where it remembers the metadata of mirrors."""
    return BackgroundTrust(clock=around.clock, log=around.log, directory=directory)


def registry_options(policy: Policy | None, flags: RegistryFlags, around: Surroundings) -> RegistryOptions:
    """Join what the policy, the flags and the environment say; the flags' mirrors are asked first.

    Without a policy the flags alone count, and no host is open to the public.

    Raises DocumentError if the file of certificate authorities cannot be read or understood.
    """
    mirrors: dict[str, tuple[str, ...]] = {}
    for source, target in flags.mirrors:
        mirrors[source] = (*mirrors.get(source, ()), target)
    registries = policy.registries if policy else ()
    for registry in registries:
        if registry.mirrors:
            mirrors[registry.host] = (*mirrors.get(registry.host, ()), *registry.mirrors)
    open_to_public = Reach.PUBLIC if policy and leaves_images_open(policy) else Reach.LISTED
    return RegistryOptions(
        listed_hosts=listed_hosts(policy) if policy else frozenset(),
        reach=open_to_public if around.serving else Reach.ASKED,
        loopback_is_plain=not around.serving,
        insecure_hosts=frozenset(flags.insecure_hosts),
        ca_pem=read_authorities(flags.ca_file) if flags.ca_file else "",
        ca_pem_by_host={registry.host: registry.ca_pem for registry in registries if registry.ca_pem},
        mirrors=mirrors,
        proxies=_proxies(around.environment),
    )


def docker_config(flags: RegistryFlags, around: Surroundings) -> ConfigSource:
    """Return the config that a flag names, else the first that lies in a usual place; none is no error.

    Raises DocumentError if the one that counts cannot be read or understood.
    """
    path = flags.config_file or next(filter(_is_there, usual_config_paths(around.environment)), None)
    return DockerConfigFile(path, clock=around.clock, log=around.log) if path else FixedConfig()


def _is_there(path: Path) -> bool:
    """Look into a usual place. One that may not be looked into, like the home of another user, is passed by."""
    try:
        return path.is_file()
    except OSError:
        return False


def _proxies(environment: Mapping[str, str]) -> Proxies:
    """Read the usual variables, the lower-case spelling first, as other tools do."""
    direct = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    return Proxies(
        http=environment.get("http_proxy") or environment.get("HTTP_PROXY") or None,
        https=environment.get("https_proxy") or environment.get("HTTPS_PROXY") or None,
        direct=tuple(entry.strip() for entry in direct.split(",") if entry.strip()),
    )
