"""The gate as a server needs it: the policy and the catalog in force, replaced while requests are under way.

1. Both documents are watched, wherever they are; what does not parse leaves the last good one in force.
2. A policy that speaks of other registries than the one before gets connections of its own. Reviews that began with
   the old ones end with them.
3. Sigstore roots that the policy wants refreshed are refreshed beside it; no review waits for one.
4. Where the operator allows it, registries are asked by the pull secrets of the pod, and nothing that came of it is
   shown to anyone who has not the same secrets.
5. Without a policy nothing is decided. Without a catalog the gate is not ready where a rule asks for a base.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self, TypeVar, assert_never

from structlog.typing import FilteringBoundLogger

from webhook.core.bases.catalog import Catalog
from webhook.core.contacts import leaves_images_open, listed_hosts, refreshed_roots
from webhook.core.pinning import Pinning
from webhook.core.policy import Mode, Policy
from webhook.core.questions import ask
from webhook.core.reading.plain_text import printable
from webhook.core.verdicts import Decision
from webhook.core.workloads import Workload
from webhook.credential_scopes import CredentialScopes, Scope
from webhook.document_sources.states import Change, DocumentSource, Loaded, Rejected, Unseen
from webhook.layers import LayerInspector
from webhook.pinning import resolve_tags
from webhook.ports import Clock, ObjectReader, Registries, Registry, TrustSource
from webhook.pull_secrets import PullSecrets, usable_secrets
from webhook.readiness import asks_for_a_base, document_check, root_check
from webhook.review import World, review
from webhook.server.gate import GateNotReady, ReadinessCheck
from webhook.server.metrics import Metrics

__all__ = ["LiveGate", "PullSecretAccess"]

T = TypeVar("T")
R = TypeVar("R")

WATCH_SECONDS = 2.0
"""How often documents are looked at where nothing tells of changes."""
RETIREMENT_SECONDS = 60.0
"""How long connections outlive the policy they were opened for: longer than any review."""

MAX_LOGGED = 500
MAX_SECRETS_SECONDS = 3.0
"""How long a review waits for pull secrets at most."""
FIRST_ROOTS_SECONDS = 5.0
"""How long the gate waits at its start for roots to be loaded, before it answers without them."""

OpenRegistry = Callable[[Policy], AbstractAsyncContextManager[Registry]]
OpenTrust = Callable[[], AbstractAsyncContextManager[TrustSource]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Connections:
    """What was opened for policies that speak of the same registries."""

    spoken_of: object
    own: Scope
    pulling: _Pulling | None
    stack: AsyncExitStack


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pulling:
    """What was opened to ask registries by the pull secrets of pods; `registries` knows which of these matter."""

    registries: Registries
    scopes: CredentialScopes


@dataclass(frozen=True, slots=True, kw_only=True)
class PullSecretAccess:
    """Where pull secrets are read at admission, and how registries are opened that are asked by them."""

    cluster: ObjectReader
    open_registries: Callable[[Policy], AbstractAsyncContextManager[Registries]]


class LiveGate:
    """Implements `webhook.server.gate.Gate`. An async context manager: it watches files and holds connections.

    `sleep` waits so many seconds: between two looks at the files, and before connections are closed that no policy
    needs any more.
    """

    def __init__(
        self,
        *,
        policy_file: DocumentSource[Policy],
        catalog_file: DocumentSource[Catalog] | None,
        open_registry: OpenRegistry,
        open_trust: OpenTrust,
        clock: Clock,
        log: FilteringBoundLogger,
        metrics: Metrics,
        ceiling: Mode = Mode.ENFORCE,
        pull_secrets: PullSecretAccess | None = None,
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
        self._pull_secrets = pull_secrets
        self._sleep = sleep
        self._trust: TrustSource | None = None
        self._stack = AsyncExitStack()
        self._connections: _Connections | None = None
        self._open: set[_Connections] = set()
        self._opening = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        """Read both documents once, then watch them. A document that cannot be used leaves the gate not ready.

        Raises what opening the registries raises: a flag that names an unreadable file must not wait for a request.
        """
        await self._load(self._policy_file, self._policy_changed)
        if self._policy_file.current is not None:
            await self._connections_for(self._policy_file.current)
        await self._start_trust()
        if self._catalog_file is not None:
            await self._load(self._catalog_file, self._catalog_changed)
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
        policy = self._policy_in_force()
        connections = await self._connections_for(policy)
        secrets, notes = await self._secrets_of(workload, policy, connections, deadline=deadline)
        async with _entered(connections, secrets) as scope:
            world = World(
                registry=scope.registry,
                layers=scope.layers,
                clock=self._clock,
                catalog=self._catalog_file.current if self._catalog_file else None,
                roots=self._trust.roots() if self._trust else {},
                ceiling=self._ceiling,
            )
            decision = await review(workload, policy, world, deadline=deadline, never_denies=advisory)
        return replace(decision, notes=notes), policy

    async def pin(self, workload: Workload, *, deadline: float) -> tuple[Pinning, Policy]:
        """Resolve the tags of a Pod, as a review at this moment would. Raises GateNotReady while there is no policy."""
        policy = self._policy_in_force()
        connections = await self._connections_for(policy)
        secrets, _ = await self._secrets_of(workload, policy, connections, deadline=deadline)
        async with _entered(connections, secrets) as scope:
            now = self._clock.now()
            return await resolve_tags(workload, policy, scope.registry, as_of=now, deadline=deadline), policy

    def _policy_in_force(self) -> Policy:
        policy = self._policy_file.current
        if policy is None:
            raise GateNotReady("no policy is loaded yet")
        return policy

    async def _secrets_of(
        self, workload: Workload, policy: Policy, connections: _Connections, *, deadline: float
    ) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
        """Return the pull secrets that matter for an object, and notes about what could not be had.

        They are read only if an image of it is to be asked about, and for half of the time that is left at most: what
        is not there by then may turn out not to be needed.
        """
        access, pulling = self._pull_secrets, connections.pulling
        if access is None or pulling is None:
            return (), ()
        if not any(question.needs for question in ask(workload, policy, self._clock.now())):
            return (), ()
        reading = self._start(PullSecrets(access.cluster).of(workload))
        seconds = min((deadline - self._clock.monotonic()) / 2, MAX_SECRETS_SECONDS)
        await asyncio.wait((reading,), timeout=max(seconds, 0.0))
        if not reading.done():
            return (), ("pull secrets are not used: they could not be read in time",)
        found = reading.result()
        secrets, notes = usable_secrets(workload, found.configs, pulling.registries)
        return secrets, (*found.notes, *found.doubts, *notes)

    def readiness(self) -> tuple[ReadinessCheck, ...]:
        """Tell whether there is a policy and, where a rule asks for a base, a catalog; and how old the roots are."""
        policy = self._policy_file.current
        needed = policy is not None and asks_for_a_base(policy)
        return (
            document_check("policy", self._policy_file, needed=True),
            document_check("catalog", self._catalog_file, needed=needed),
            *(root_check(state, self._clock.now()) for state in (self._trust.states() if self._trust else ())),
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
                opened = _Connections(
                    spoken_of=spoken_of,
                    own=Scope(registry=registry, layers=layers),
                    pulling=await self._open_pulling(policy, stack),
                    stack=stack.pop_all(),
                )
            self._connections = opened
            self._open.add(opened)
            if present is not None:
                self._start(self._retire(present))
            return opened

    async def _open_pulling(self, policy: Policy, stack: AsyncExitStack) -> _Pulling | None:
        if self._pull_secrets is None:
            return None
        open_registries = partial(self._pull_secrets.open_registries, policy)
        return _Pulling(
            registries=await stack.enter_async_context(open_registries()),
            scopes=await stack.enter_async_context(CredentialScopes(open_registries, clock=self._clock, log=self._log)),
        )

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

    async def _load(self, file: DocumentSource[T], changed: Callable[[Change[T]], None]) -> None:
        first = await file.load()
        if first is not None:
            changed(first)

    def _watch(self, file: DocumentSource[T], changed: Callable[[Change[T]], None]) -> None:
        self._start(file.watch(changed, interval_seconds=WATCH_SECONDS, sleep=self._sleep))

    def _start(self, work: Coroutine[Any, Any, R]) -> asyncio.Task[R]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _policy_changed(self, change: Change[Policy]) -> None:
        self._metrics.policy_reloaded(ok=isinstance(change, Loaded))
        if not isinstance(change, Loaded):
            self._tell(change, refused="policy refused", unseen="policy not seen")
            return
        policy = change.value
        self._metrics.policy_loaded(name=policy.name, digest=policy.digest)
        self._metrics.list_registries(listed_hosts(policy))
        if self._trust is not None:
            self._trust.follow(refreshed_roots(policy))
        self._log.info("policy in force", policy=policy.name, digest=str(policy.digest))

    def _catalog_changed(self, change: Change[Catalog]) -> None:
        self._metrics.catalog_reloaded(ok=isinstance(change, Loaded))
        if not isinstance(change, Loaded):
            self._tell(change, refused="catalog refused", unseen="catalog not seen")
            return
        catalog = change.value
        self._metrics.catalog_loaded(synced_at=catalog.synced_at)
        self._log.info("catalog in force", builds=len(catalog.builds), revision=str(catalog.revision))

    def _tell(self, change: Rejected | Unseen, *, refused: str, unseen: str) -> None:
        """Log why a document did not take effect, as one of these events."""
        match change:
            case Rejected():
                self._log.error(refused, errors=change.errors, exc_info=change.cause)
            case Unseen():
                self._log.error(unseen, why=printable(change.detail, MAX_LOGGED))
            case _:
                assert_never(change)


@asynccontextmanager
async def _entered(connections: _Connections, secrets: tuple[bytes, ...]) -> AsyncIterator[Scope]:
    """Give the scope of these pull secrets, the gate's own if there are none."""
    if connections.pulling is None or not secrets:
        yield connections.own
        return
    async with connections.pulling.scopes.entered(secrets) as scope:
        yield scope
