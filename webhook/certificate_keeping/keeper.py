"""Keeps the serving certificate of one replica, and, while it holds the lease, what all replicas share.

A look at the cluster, every few seconds, has a fixed order:

1. Who holds the lease reads the webhook configurations, then everybody reads the Secret. The order makes writing safe
   also for a process that slept: whatever a bundle lacks that somebody has published since, the Secret already held
   when that was done; so a replacement of what was read before cannot take it away again, or is a conflict.
2. Who holds the lease takes at most one step of `webhook.core.serving_certificates` and writes it to the Secret, in
   the state in which it was read.
3. It then writes the bundle of what the Secret says now wherever a configuration says something else.
4. Every replica signs itself a leaf if it needs one, with the moment before the Secret was read as that at which its
   authority was known to sign. Without an answer nothing is signed: the last good leaf serves until it expires.

Each part may fail by itself, and is tried again at the next look. It is told when it fails twice in a row: a conflict
is over with the next look, which sees what the other one did.

What the caller may do in the namespace: `get` and `update` on the Secret and the Lease; in the cluster: `get` and
`update` on the two webhook configurations of its name. Where nobody makes an empty Secret and an empty Lease for it, it
needs `create` on `secrets` and `leases` too, which cannot be limited to a name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, TypeVar

from structlog.typing import FilteringBoundLogger

from webhook.certificate_keeping.bundles import CONFIGURATIONS, Sighting, believed_by_all, publish, sight
from webhook.certificate_keeping.lease import Leadership
from webhook.certificate_keeping.secret import (
    SECRETS,
    Kept,
    StoredSecret,
    authority_of,
    decode_secret,
    encode_secret,
)
from webhook.certificates import CertificateAuthority, ServerCertificate, make_authority
from webhook.core.errors import ParseError
from webhook.core.serving_certificates import (
    Advance,
    Event,
    Leaf,
    Lifetimes,
    MakeFirst,
    MakeNext,
    Record,
    Rest,
    Step,
    first_step,
    leaf_expiry,
    needs_leaf,
    next_step,
    with_first,
    with_next,
)
from webhook.ports import ApiResource, Clock, Cluster, ClusterTrouble

T = TypeVar("T")

__all__ = ["CertificateKeeper", "Keeping", "Observer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What is kept, and where. `names` are those of the server, `webhooks` that of both configurations.

    The lease is named like the Secret. `identity` is unique to the process.
    """

    namespace: str
    secret: str
    names: tuple[str, ...]
    webhooks: str
    identity: str
    lifetimes: Lifetimes


class Observer(Protocol):
    """Who counts what a keeper does; `reason`, `step` are words of the gate's own."""

    def authority_in_force(self, *, expires_at: datetime) -> None:
        """Note until when the authority that signs is valid."""
        ...

    def authority_advanced(self, step: str) -> None:
        """Count a step of a rotation that this replica took."""
        ...

    def bundle_written(self) -> None:
        """Count a configuration whose bundles this replica put right."""
        ...

    def keeping_failed(self, reason: str) -> None:
        """Count a part of a look that failed."""
        ...


class CertificateKeeper:
    """Looks at the cluster when it is told to. `on_leaf` is handed each new leaf, to be served from now on."""

    def __init__(
        self,
        cluster: Cluster,
        keeping: Keeping,
        *,
        clock: Clock,
        log: FilteringBoundLogger,
        observer: Observer,
        on_leaf: Callable[[ServerCertificate], None],
    ) -> None:
        self._cluster = cluster
        self._keeping = keeping
        self._clock = clock
        self._log = log
        self._observer = observer
        self._on_leaf = on_leaf
        self._leadership = Leadership(
            cluster, namespace=keeping.namespace, name=keeping.secret, identity=keeping.identity, clock=clock
        )
        self._leaf: Leaf | None = None
        self._kept: Kept | None = None
        self._troubles: dict[str, str] = {}
        self._told: set[str] = set()

    @property
    def record(self) -> Record | None:
        """What the Secret said when it could last be read."""
        return self._kept.record if self._kept else None

    @property
    def troubles(self) -> tuple[str, ...]:
        """What went wrong at the last look, a line each."""
        return tuple(self._troubles.values())

    async def look(self) -> None:
        """Look at the cluster once and do what has to be done; raises nothing but our own faults."""
        before, self._troubles = self._troubles, {}
        await self._attempt("lease", self._leadership.claim())
        leading = self._leadership.held
        sightings = await self._sightings() if leading else ()
        known_at = self._clock.now()
        kept = await self._attempt("secret", self._follow(sightings, leading=leading))
        if kept is not None:
            for sighting in sightings:
                await self._attempt(sighting.resource.plural, self._publish(sighting, kept))
            self._serve(kept, known_at)
        self._tell(before)

    async def leave(self) -> None:
        """Give the lease back, so that another replica need not wait for it."""
        await self._attempt("lease", self._leadership.release())

    async def _sightings(self) -> tuple[Sighting, ...]:
        """Read both configurations. One that cannot be read is told, and holds up a rotation: see `_believed`."""
        seen: list[Sighting] = []

        async def see(resource: ApiResource) -> None:
            sighting = await sight(self._cluster, resource, self._keeping.webhooks)
            if sighting is not None:
                seen.append(sighting)

        for resource in CONFIGURATIONS:
            await self._attempt(resource.plural, see(resource))
        return tuple(seen)

    async def _follow(self, sightings: tuple[Sighting, ...], *, leading: bool) -> Kept | None:
        """Read the Secret, take a step if there is one and it is ours to take, and return what the Secret then says."""
        stored = await self._read()
        if stored is not None and stored.kept is not None:
            self._kept = stored.kept
            believed = self._believed(sightings)
            lifetimes, now = self._keeping.lifetimes, self._clock.now()
            step = next_step(stored.kept.record, believed=believed, lifetimes=lifetimes, now=now) if leading else Rest()
        elif leading:
            step = first_step(self.record, now=self._clock.now())
        else:
            raise _SecretError("waiting", f"{self._where} has no authority yet; the holder of the lease makes one")
        self._kept = await self._taken(step, self._kept, stored)
        return self._kept

    async def _read(self) -> StoredSecret | None:
        """Read the Secret, None if there is none; what is not ours to replace is told and left alone."""
        data = await self._cluster.read(SECRETS, namespace=self._keeping.namespace, name=self._keeping.secret)
        if data is None:
            return None
        try:
            stored = decode_secret(data)
        except ParseError as error:
            raise _SecretError("unreadable-secret", f"{self._where}: {error}") from error
        if stored.fault and not stored.may_begin_anew:
            way_out = "is not the gate's and is left alone; empty it, or name another with --tls-self-managed"
            raise _SecretError("foreign-secret", f"{self._where} ({stored.fault}) {way_out}")
        if stored.fault:
            self._observer.keeping_failed("unreadable-secret")
            self._log.error("authority-unreadable", secret=self._where, reason=stored.fault)
        return stored

    def _believed(self, sightings: tuple[Sighting, ...]) -> frozenset[str]:
        """Return what all bundles hold. Of one that could not be read nothing is known, so not that it holds it."""
        unknown = any(resource.plural in self._troubles for resource in CONFIGURATIONS)
        return frozenset() if unknown else believed_by_all(sightings)

    async def _taken(self, step: Step, present: Kept | None, stored: StoredSecret | None) -> Kept | None:
        """Write what a step makes of what is present, in the state in which the Secret was read, and return it."""
        match step, present:
            case MakeFirst(), _:
                made = self._make_authority()
                kept = Kept(record=with_first(authority_of(made.certificate), self._keeping.lifetimes), current=made)
                event = Event.FOUNDED
            case MakeNext(record=record), Kept():
                made = self._make_authority()
                kept = replace(present, record=with_next(record, authority_of(made.certificate)), next=made)
                event = Event.PREPARED
            case Advance(record=record, event=event), Kept():
                kept = present.advanced(record)
            case _:
                return present
        await self._write(kept, stored)
        self._observer.authority_advanced(event.value)
        self._log.info("authority-advanced", step=event.value, signing_until=kept.record.current.not_after.isoformat())
        return kept

    async def _write(self, kept: Kept, stored: StoredSecret | None) -> None:
        namespace, name = self._keeping.namespace, self._keeping.secret
        before = stored.document if stored is not None else None
        document = encode_secret(kept, before=before, namespace=namespace, name=name)
        if before is None:
            await self._cluster.create(SECRETS, namespace=namespace, document=document)
        else:
            await self._cluster.replace(SECRETS, namespace=namespace, name=name, document=document)

    def _make_authority(self) -> CertificateAuthority:
        now = self._clock.now()
        common_name = f"dhi-gate {now:%Y-%m-%d %H:%M:%S} {self._keeping.secret}"
        return make_authority(common_name, now=now, lifetime=self._keeping.lifetimes.authority)

    async def _publish(self, sighting: Sighting, kept: Kept) -> None:
        """Put the bundles of a configuration right."""
        if await publish(self._cluster, sighting, kept.bundle):
            self._observer.bundle_written()
            self._log.info("authorities-published", configuration=sighting.resource.qualified)

    def _serve(self, kept: Kept, known_at: datetime) -> None:
        """Sign a leaf if another one is needed."""
        lifetimes = self._keeping.lifetimes
        self._observer.authority_in_force(expires_at=kept.record.current.not_after)
        if not needs_leaf(self._leaf, kept.record, lifetimes, known_at=known_at):
            return
        not_after = leaf_expiry(kept.record, lifetimes, known_at=known_at)
        issued = kept.current.issue(self._keeping.names, now=known_at, not_after=not_after)
        self._on_leaf(issued)  # first: what could not be put to use is signed anew at the next look
        self._leaf = Leaf(authority=kept.record.current.fingerprint, since=known_at, not_after=issued.not_after)

    @property
    def _where(self) -> str:
        return f"the Secret {self._keeping.namespace}/{self._keeping.secret}"

    async def _attempt(self, part: str, doing: Awaitable[T]) -> T | None:
        """Do a part of a look and return what it does; what stood in the way is noted, and None returned."""
        try:
            return await doing
        except ClusterTrouble as trouble:
            reason = trouble.kind.name.lower().replace("_", "-")
            self._note(part, reason, str(trouble))
        except _SecretError as error:
            self._note(part, error.reason, str(error))
        return None

    def _note(self, part: str, reason: str, text: str) -> None:
        self._troubles[part] = text
        self._observer.keeping_failed(reason)

    def _tell(self, before: dict[str, str]) -> None:
        """Log what failed at two looks in a row, once, and when it works again."""
        for part in self._troubles.keys() & before.keys() - self._told:
            self._told.add(part)
            self._log.error("certificate-keeping-failed", part=part, reason=self._troubles[part])
        for part in self._told - self._troubles.keys():
            self._told.remove(part)
            self._log.info("certificate-keeping-works-again", part=part)


class _SecretError(Exception):
    """The Secret does not help; `reason` is the word of the metric."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
