"""One world for each set of pull secrets: its own connections, layers and memory of what was found out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from structlog.typing import FilteringBoundLogger

from webhook.core.bases.catalog import Catalog
from webhook.core.facts import Trouble
from webhook.core.policy import Mode
from webhook.core.signatures.trust_roots import PublicGood, TrustRoot, TufMirror
from webhook.core.workloads import Workload
from webhook.examining import Examinations
from webhook.layers import LayerInspector
from webhook.ports import Clock, Registries
from webhook.pull_secrets import usable_secrets
from webhook.review import World

__all__ = ["Surrounding", "Worlds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surrounding:
    """What all worlds of a run have in common. `clock` tells the instant as on which is judged, the same all along."""

    registries: Registries
    clock: Clock
    log: FilteringBoundLogger
    catalog: Catalog | None
    roots: Mapping[TufMirror | PublicGood, TrustRoot | Trouble] = field(default_factory=dict)
    ceiling: Mode = Mode.ENFORCE


class Worlds:
    """Opens worlds under one policy as they are needed; an async context manager, which closes them."""

    def __init__(self, surrounding: Surrounding) -> None:
        self._around = surrounding
        self._worlds: dict[tuple[bytes, ...], World] = {}
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Begin without any world."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close every world."""
        await self._stack.aclose()

    async def world_for(
        self, workload: Workload, configs: tuple[tuple[str, bytes], ...]
    ) -> tuple[World, tuple[str, ...]]:
        """Return the world in which a workload is judged, and notes about pull secrets that could not be used.

        `configs` are its pull secrets by name.
        """
        secrets, notes = usable_secrets(workload, configs, self._around.registries)
        return await self._opened(secrets), notes

    async def _opened(self, secrets: tuple[bytes, ...]) -> World:
        async with self._opening:
            if secrets not in self._worlds:
                self._worlds[secrets] = await self._open(secrets)
            return self._worlds[secrets]

    async def _open(self, secrets: tuple[bytes, ...]) -> World:
        around = self._around
        registry = await around.registries.opened(secrets)
        layers = LayerInspector(registry, clock=around.clock, log=around.log)
        return World(
            registry=registry,
            layers=await self._stack.enter_async_context(layers),
            clock=around.clock,
            catalog=around.catalog,
            roots=around.roots,
            ceiling=around.ceiling,
            examinations=await self._stack.enter_async_context(Examinations()),
        )
