"""What the tests of the registry adapter start from."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import structlog
from aiohttp.abc import AbstractResolver, ResolveResult
from structlog.typing import FilteringBoundLogger

from webhook.adapters.clock import SystemClock
from webhook.adapters.registry.credential_files import FixedConfig
from webhook.adapters.registry.credential_helpers import DockerCredentials
from webhook.adapters.registry.credentials import DockerConfig
from webhook.adapters.registry.distribution import DistributionRegistry
from webhook.adapters.registry.options import Reach, RegistryOptions
from webhook.core.references import Repository
from webhook.ports import Clock, RegistryTrouble, TroubleKind

__all__ = ["LOOPBACK", "LoopbackNames", "Recorder", "open_registry", "passwords", "repository", "trouble_of"]

LOOPBACK = RegistryOptions(reach=Reach.ASKED, loopback_is_plain=True)


class LoopbackNames(AbstractResolver):
    """Resolves every name to 127.0.0.1, or to what was said for it."""

    def __init__(self, addresses: Mapping[str, str] | None = None) -> None:
        self._addresses = addresses or {}
        self.asked: list[str] = []

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - the protocol's signature
    ) -> list[ResolveResult]:
        """Return one address."""
        self.asked.append(host)
        address = self._addresses.get(host, "127.0.0.1")
        return [ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Hold nothing."""


class Recorder:
    """Keeps what was observed, logged and slept. Sleeping takes no time."""

    def __init__(self) -> None:
        self.observed: list[tuple[str, str]] = []
        self.logged: list[Mapping[str, object]] = []
        self.slept: list[float] = []
        self.log: FilteringBoundLogger = structlog.wrap_logger(
            structlog.ReturnLogger(), processors=[self._keep], wrapper_class=structlog.make_filtering_bound_logger(0)
        )

    def observe(self, host: str, outcome: str) -> None:
        """Keep what was observed."""
        self.observed.append((host, outcome))

    async def sleep(self, seconds: float) -> None:
        """Keep for how long was slept."""
        self.slept.append(seconds)
        await asyncio.sleep(0)

    def _keep(self, _logger: object, _method: str, event: structlog.typing.EventDict) -> str:
        self.logged.append(dict(event))
        return ""


@asynccontextmanager
async def open_registry(
    options: RegistryOptions = LOOPBACK,
    *,
    config: DockerConfig | None = None,
    clock: Clock | None = None,
    recorder: Recorder | None = None,
    resolver: AbstractResolver | None = None,
    sleep: Callable[[float], Awaitable[None]] | None = None,
) -> AsyncIterator[DistributionRegistry]:
    """Open the adapter; by default as `check` does, without credentials."""
    clock = clock or SystemClock()
    recorder = recorder or Recorder()
    async with DistributionRegistry(
        options=options,
        credentials=DockerCredentials(FixedConfig(config=config or DockerConfig()), environment={}, clock=clock),
        clock=clock,
        log=recorder.log,
        observe=recorder.observe,
        resolver=resolver,
        sleep=sleep or recorder.sleep,
        random=lambda: 0.5,
    ) as registry:
        yield registry


def passwords(**by_host: str) -> DockerConfig:
    """Return a Docker config from `user:password` by host."""
    auths = {host: dict(zip(("username", "password"), text.split(":"), strict=True)) for host, text in by_host.items()}
    return DockerConfig.parse(json.dumps({"auths": auths}).encode())


def repository(host: str, path: str = "shop/api") -> Repository:
    """Return a repository at a host."""
    return Repository(registry=host, path=path)


async def trouble_of(question: Awaitable[object]) -> RegistryTrouble:
    """Return the trouble that a question ends in; it must not be answered."""
    try:
        answer = await question
    except RegistryTrouble as trouble:
        return trouble
    raise AssertionError(f"answered with {answer!r}, expected {TroubleKind.__name__}")
