"""The gate as a server needs it: the policy and the catalog in force, replaced while requests are under way.

1. Both documents are watched; what does not parse leaves the last good one in force.
2. A policy that speaks of other registries than the one before gets connections of its own. Reviews that began with
   the old ones end with them.
3. Sigstore roots that the policy wants refreshed are refreshed beside it; no review waits for one.
4. Without a policy nothing is decided. Without a catalog the gate is not ready where a rule asks for a base.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self, TypeVar

from structlog.typing import FilteringBoundLogger

from webhook.core.bases.catalog import Catalog
from webhook.core.contacts import leaves_images_open, listed_hosts, refreshed_roots
from webhook.core.policy import Mode, Policy, Requirements
from webhook.core.verdicts import Decision
from webhook.core.workloads import Workload
from webhook.documents import DocumentFile, Loaded, Rejected
from webhook.layers import LayerInspector
from webhook.ports import Clock, Registry, RootState, TrustSource
from webhook.review import World, review
from webhook.server.gate import GateNotReady, ReadinessCheck
from webhook.server.metrics import Metrics

__all__ = ["LiveGate"]

T = TypeVar("T")

WATCH_SECONDS = 2.0
"""How often the documents on disk are looked at."""
RETIREMENT_SECONDS = 60.0
"""How long connections outlive the policy they were opened for: longer than any review."""

HOUR = timedelta(hours=1)
STALE_AFTER = timedelta(hours=48)
"""A trusted root that its source has not confirmed for so long may lack a revocation."""
FIRST_ROOTS_SECONDS = 5.0
"""How long the gate waits at its start for roots to be loaded, before it answers without them."""

OpenRegistry = Callable[[Policy], AbstractAsyncContextManager[Registry]]
OpenTrust = Callable[[], AbstractAsyncContextManager[TrustSource]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Connections:
    """What was opened for policies that speak of the same registries."""

    spoken_of: object
    registry: Registry
    layers: LayerInspector
    stack: AsyncExitStack


class LiveGate:
    """Implements `webhook.server.gate.Gate`. An async context manager: it watches files and holds connections.

    `sleep` waits so many seconds: between two looks at the files, and before connections are closed that no policy
    needs any more.
    """

    def __init__(
        self,
        *,
        policy_file: DocumentFile[Policy],
        catalog_file: DocumentFile[Catalog] | None,
        open_registry: OpenRegistry,
        open_trust: OpenTrust,
        clock: Clock,
        log: FilteringBoundLogger,
        metrics: Metrics,
        ceiling: Mode = Mode.ENFORCE,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._policy_file = policy_file
        self._catalog_file = catalog_file
        self._open_registry = open_registry
        self._open_trust = open_trust
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._ceiling = ceiling
        self._sleep = sleep
        self._trust: TrustSource | None = None
        self._stack = AsyncExitStack()
        self._connections: _Connections | None = None
        self._open: set[_Connections] = set()
        self._opening = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Read both documents once, then watch them. A document that cannot be used leaves the gate not ready.

        Raises what opening the registries raises: a flag that names an unreadable file must not wait for a request.
        """
        await self._load(self._policy_file, self._policy_changed)
        if self._catalog_file is not None:
            await self._load(self._catalog_file, self._catalog_changed)
        if self._policy_file.current is not None:
            await self._connections_for(self._policy_file.current)
        await self._start_trust()
        self._watch(self._policy_file, self._policy_changed)
        if self._catalog_file is not None:
            self._watch(self._catalog_file, self._catalog_changed)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop watching and close every connection, those that were about to be closed included."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connections in tuple(self._open):
            await self._close(connections)
        await self._stack.aclose()

    async def decide(self, workload: Workload, *, deadline: float, advisory: bool) -> tuple[Decision, Policy]:
        """Decide by the documents in force at this moment. Raises GateNotReady while there is no policy."""
        policy = self._policy_file.current
        if policy is None:
            raise GateNotReady("no policy is loaded yet")
        connections = await self._connections_for(policy)
        world = World(
            registry=connections.registry,
            layers=connections.layers,
            clock=self._clock,
            catalog=self._catalog_file.current if self._catalog_file else None,
            roots=self._trust.roots() if self._trust else {},
            ceiling=self._ceiling,
        )
        return await review(workload, policy, world, deadline=deadline, never_denies=advisory), policy

    def readiness(self) -> tuple[ReadinessCheck, ...]:
        """Tell whether there is a policy and, where a rule asks for a base, a catalog; and how old the roots are."""
        policy = self._policy_file.current
        needed = policy is not None and _asks_for_a_base(policy)
        return (
            _document_check("policy", self._policy_file, needed=True),
            _document_check("catalog", self._catalog_file, needed=needed),
            *(_root_check(state, self._clock.now()) for state in (self._trust.states() if self._trust else ())),
        )

    async def _connections_for(self, policy: Policy) -> _Connections:
        """Return connections that fit the policy, opened anew only if it speaks of other registries."""
        spoken_of = (listed_hosts(policy), leaves_images_open(policy), policy.registries)
        async with self._opening:
            present = self._connections
            if present is not None and present.spoken_of == spoken_of:
                return present
            async with AsyncExitStack() as stack:
                registry = await stack.enter_async_context(self._open_registry(policy))
                layers = await stack.enter_async_context(LayerInspector(registry, clock=self._clock, log=self._log))
                opened = _Connections(spoken_of=spoken_of, registry=registry, layers=layers, stack=stack.pop_all())
            self._connections = opened
            self._open.add(opened)
            if present is not None:
                self._start(self._retire(present))
            return opened

    async def _start_trust(self) -> None:
        """Begin to refresh the roots that the policy names, and give them a moment to arrive."""
        trust = self._trust = await self._stack.enter_async_context(self._open_trust())
        self._metrics.watch_trust_roots(trust.states)
        if self._policy_file.current is not None:
            trust.follow(refreshed_roots(self._policy_file.current))
        await trust.settled(deadline=self._clock.monotonic() + FIRST_ROOTS_SECONDS)

    async def _retire(self, connections: _Connections) -> None:
        """Close connections after the last review that may hold them."""
        await self._sleep(RETIREMENT_SECONDS)
        await self._close(connections)

    async def _close(self, connections: _Connections) -> None:
        self._open.discard(connections)
        await connections.stack.aclose()

    async def _load(self, file: DocumentFile[T], changed: Callable[[Loaded[T] | Rejected], None]) -> None:
        first = await asyncio.to_thread(file.reload)
        if first is not None:
            changed(first)

    def _watch(self, file: DocumentFile[T], changed: Callable[[Loaded[T] | Rejected], None]) -> None:
        self._start(file.watch(changed, interval_seconds=WATCH_SECONDS, sleep=self._sleep))

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _policy_changed(self, result: Loaded[Policy] | Rejected) -> None:
        self._metrics.policy_reloaded(ok=isinstance(result, Loaded))
        if isinstance(result, Rejected):
            self._log.error("policy refused", errors=result.errors, exc_info=result.cause)
            return
        policy = result.value
        self._metrics.policy_loaded(name=policy.name, digest=policy.digest)
        self._metrics.list_registries(listed_hosts(policy))
        if self._trust is not None:
            self._trust.follow(refreshed_roots(policy))
        self._log.info("policy in force", policy=policy.name, digest=str(policy.digest))

    def _catalog_changed(self, result: Loaded[Catalog] | Rejected) -> None:
        self._metrics.catalog_reloaded(ok=isinstance(result, Loaded))
        if isinstance(result, Rejected):
            self._log.error("catalog refused", errors=result.errors, exc_info=result.cause)
            return
        catalog = result.value
        self._metrics.catalog_loaded(synced_at=catalog.synced_at)
        self._log.info("catalog in force", builds=len(catalog.builds), revision=str(catalog.revision))


def _asks_for_a_base(policy: Policy) -> bool:
    outcomes = [rule.outcome for rule in policy.rules]
    outcomes += [case.outcome for rule in policy.rules for case in rule.cases]
    return any(isinstance(outcome, Requirements) and outcome.base is not None for outcome in outcomes)


def _document_check(name: str, file: DocumentFile[T] | None, *, needed: bool) -> ReadinessCheck:
    """Say whether a document is in force, and what is wrong with its latest version."""
    if file is None:
        detail = "none is given, and a rule asks for a base" if needed else "none is given"
        return ReadinessCheck(name=name, ok=not needed, detail=detail)
    rejection = file.state.last_rejection
    complaint = f"the latest version is refused: {rejection.errors[0]}" if rejection else ""
    if file.current is None:
        return ReadinessCheck(name=name, ok=not needed, detail=complaint or "not loaded yet")
    in_force = f"in force: {file.state.revision}"
    return ReadinessCheck(name=name, ok=True, detail=f"{in_force}; {complaint}" if complaint else in_force)


def _root_check(state: RootState, now: datetime) -> ReadinessCheck:
    """Say how old a trusted root is. It is no reason to turn requests away: most may do without it."""
    if state.refreshed_at is None:
        detail = "built in" if state.loaded else "not loaded"
    else:
        age = now - state.refreshed_at
        detail = f"{'stale: ' if age > STALE_AFTER else ''}last confirmed {age // HOUR} h ago"
    complaint = f"; {state.trouble.why}" if state.trouble else ""
    return ReadinessCheck(name=f"trust-root {state.source}", ok=True, detail=f"{detail}{complaint}")
