"""By whose credentials registries are asked at admission: the gate's own, or those of a set of pull secrets.

1. Nothing is shared between two sets: what one was shown must not be shown to another.
2. At most so many sets are kept open, the most recently used longest; one that is in use is closed after its last
   user. So the memory is bounded, whatever secrets the namespaces have.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from structlog.typing import FilteringBoundLogger

from webhook.layers import LayerInspector
from webhook.ports import Clock, Registries, Registry

__all__ = ["CredentialScopes", "Scope"]

MAX_SCOPES = 32
IDLE_SECONDS = 600.0
"""After so long without a use a set is closed: a secret that was rotated, a namespace that is gone."""
MAX_LAYERS_WAITING = 64
MAX_LAYERS_REMEMBERED = 256

Secrets = tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Registries as they are asked with one set of credentials, and what was learnt about layers by them."""

    registry: Registry
    layers: LayerInspector


@dataclass(slots=True, kw_only=True, eq=False)
class _Opened:
    """A scope, how many reviews use it, and when the last one began; `kept` until another one needs its place."""

    scope: Scope
    stack: AsyncExitStack
    used_at: float
    users: int = 0
    kept: bool = True


class CredentialScopes:
    """Opens scopes for pull secrets; an async context manager, which closes them. It belongs to one event loop."""

    def __init__(
        self,
        open_registries: Callable[[], AbstractAsyncContextManager[Registries]],
        *,
        clock: Clock,
        log: FilteringBoundLogger,
        max_scopes: int = MAX_SCOPES,
    ) -> None:
        self._open_registries = open_registries
        self._clock = clock
        self._log = log
        self._max_scopes = max_scopes
        self._scopes: OrderedDict[Secrets, _Opened] = OrderedDict()
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Begin without any scope."""
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close every scope."""
        while self._scopes:
            _, opened = self._scopes.popitem()
            await opened.stack.aclose()

    @asynccontextmanager
    async def entered(self, secrets: Secrets) -> AsyncIterator[Scope]:
        """Give the scope of these secrets, which are tried before the gate's own credentials."""
        async with self._opening:
            opened = await self._found(secrets)
            opened.users += 1
        try:
            yield opened.scope
        finally:
            opened.users -= 1
            if not opened.kept and not opened.users:
                await opened.stack.aclose()

    async def _found(self, secrets: Secrets) -> _Opened:
        """Return the scope, opened if need be, and let go of what is too old or too many."""
        now = self._clock.monotonic()
        if secrets not in self._scopes:
            self._scopes[secrets] = await self._open(secrets, now)
        found = self._scopes[secrets]
        found.used_at = now
        self._scopes.move_to_end(secrets)
        while self._has_surplus(now):
            _, oldest = self._scopes.popitem(last=False)
            oldest.kept = False
            if not oldest.users:
                await oldest.stack.aclose()
        return found

    def _has_surplus(self, now: float) -> bool:
        oldest = next(iter(self._scopes.values()))
        return len(self._scopes) > self._max_scopes or now - oldest.used_at > IDLE_SECONDS

    async def _open(self, secrets: Secrets, now: float) -> _Opened:
        async with AsyncExitStack() as stack:
            registries = await stack.enter_async_context(self._open_registries())
            registry = await registries.opened(secrets)
            layers = LayerInspector(
                registry,
                clock=self._clock,
                log=self._log,
                workers=1,
                max_waiting=MAX_LAYERS_WAITING,
                max_remembered=MAX_LAYERS_REMEMBERED,
            )
            scope = Scope(registry=registry, layers=await stack.enter_async_context(layers))
            return _Opened(scope=scope, stack=stack.pop_all(), used_at=now)
