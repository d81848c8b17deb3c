"""Who may write: a Lease that one replica holds at a time, as client-go's leader election has it.

1. A lease that another holds is left alone until its own duration has passed on our clock since it last changed. What
   its times say does not count: clocks differ.
2. A lease is taken and renewed by an optimistic replacement: of two that try, one succeeds.
3. Who could not renew it for `RENEW_WITHIN_SECONDS` does not hold it any more, well before others may take it.
4. Who leaves gives it back, so that the next one need not wait.

A lease is a courtesy: a process that slept may believe for a moment that it still holds one. What is written under it
has to be safe without it. Source: client-go `tools/leaderelection`, Kubernetes API reference, coordination.k8s.io/v1.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from webhook.ports import ApiResource, Clock, Cluster, ClusterTrouble, ClusterTroubleKind

__all__ = ["LEASES", "Leadership"]

LEASES = ApiResource(group="coordination.k8s.io", version="v1", kind="Lease", plural="leases")
LEASE_SECONDS = 15
RENEW_WITHIN_SECONDS = 10.0
RENEW_AFTER_SECONDS = 4.0


class _Spec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The fields of a lease's `spec` that count here; anything may be missing."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class _Lease(msgspec.Struct, frozen=True, kw_only=True):
    metadata: dict[str, Any]
    spec: _Spec = msgspec.field(default_factory=_Spec)


class Leadership:
    """The part of one replica, `identity`, in the election by one lease."""

    def __init__(self, cluster: Cluster, *, namespace: str, name: str, identity: str, clock: Clock) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._clock = clock
        self._seen: _Spec | None = None
        self._seen_at = 0.0
        self._renewed_at: float | None = None

    @property
    def held(self) -> bool:
        """Whether this replica may write now."""
        return self._renewed_at is not None and self._clock.monotonic() < self._renewed_at + RENEW_WITHIN_SECONDS

    async def claim(self) -> None:
        """Renew the lease if it is ours, take it if it is free or was left; raises ClusterTrouble.

        A conflict is no trouble: somebody else was faster, and the next claim will see it.
        """
        started = self._clock.monotonic()
        if self._renewed_at is not None and started < self._renewed_at + RENEW_AFTER_SECONDS:
            return
        found = await self._read()
        if found is None:
            held = await self._written(None, self._spec(None))
        elif self._is_free(found.spec):
            held = await self._written(found, self._spec(found.spec))
        else:
            held = False
        self._renewed_at = started if held else None

    async def release(self) -> None:
        """Give the lease back if it is ours; raises ClusterTrouble."""
        if self._renewed_at is None:
            return
        self._renewed_at = None
        found = await self._read()
        if found is not None and found.spec.holder_identity == self._identity:
            left = msgspec.structs.replace(self._spec(found.spec), holder_identity="", lease_duration_seconds=1)
            await self._written(found, left)

    def _is_free(self, spec: _Spec) -> bool:
        """Tell whether the lease may be taken: law 1."""
        now = self._clock.monotonic()
        if spec != self._seen:
            self._seen, self._seen_at = spec, now
        holder = spec.holder_identity or ""
        return holder in ("", self._identity) or now >= self._seen_at + (spec.lease_duration_seconds or 0)

    def _spec(self, before: _Spec | None) -> _Spec:
        """Return what a lease says that we hold from now on, or still."""
        now = _micro_time(self._clock.now())
        is_ours = before is not None and before.holder_identity == self._identity
        transitions = (before.lease_transitions or 0) if before is not None else -1
        return _Spec(
            holder_identity=self._identity,
            lease_duration_seconds=LEASE_SECONDS,
            acquire_time=before.acquire_time if before is not None and is_ours else now,
            renew_time=now,
            lease_transitions=transitions if is_ours else transitions + 1,
        )

    async def _read(self) -> _Lease | None:
        data = await self._cluster.read(LEASES, namespace=self._namespace, name=self._name)
        if data is None:
            return None
        try:
            return msgspec.json.decode(data, type=_Lease)
        except msgspec.DecodeError as error:
            doing = f"reading the lease {self._name}"
            raise ClusterTrouble(ClusterTroubleKind.BAD_ANSWER, doing=doing, detail=str(error)) from error

    async def _written(self, found: _Lease | None, spec: _Spec) -> bool:
        """Create or replace the lease; False if somebody else was faster."""
        metadata = {"name": self._name, "namespace": self._namespace} if found is None else found.metadata
        lease = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec}
        document = msgspec.json.encode(lease)
        try:
            if found is None:
                await self._cluster.create(LEASES, namespace=self._namespace, document=document)
            else:
                await self._cluster.replace(LEASES, namespace=self._namespace, name=self._name, document=document)
        except ClusterTrouble as trouble:
            if trouble.kind is ClusterTroubleKind.CONFLICT:
                return False
            raise
        return True


def _micro_time(instant: datetime) -> str:
    """Write an instant as a MicroTime of the API."""
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
