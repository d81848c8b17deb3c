"""Objects that are read over and over, remembered for a moment: pull secrets, and the accounts that name them."""

from __future__ import annotations

from webhook.adapters.expiring import ExpiringStore
from webhook.adapters.single_flight import SingleFlight
from webhook.ports import ApiResource, Clock, ObjectReader

__all__ = ["RememberedReads"]

MAX_OBJECTS = 512
MAX_OBJECT_BYTES = 32 * 1024
"""Larger objects are read each time, so that all that is remembered has 16 MiB at most."""
MAX_NAME_CHARACTERS = 253
"""A longer one names nothing. Source: Kubernetes documentation, "Object Names and IDs"."""
SECONDS = 30.0
"""How long an object counts: whoever rotates a Secret waits no longer."""
ABSENCE_SECONDS = 5.0
"""How long it counts that there is none: it is often made just after the pod that needs it."""

_Key = tuple[ApiResource, str | None, str]


class RememberedReads:
    """Implements `webhook.ports.ObjectReader` in front of `inner`. What went wrong is not remembered.

    The same object is read once at a time; `inner` must end by itself. `close` stops what is under way.
    """

    def __init__(self, inner: ObjectReader, *, clock: Clock) -> None:
        self._inner = inner
        self._known: ExpiringStore[_Key, bytes | None] = ExpiringStore(clock=clock, max_entries=MAX_OBJECTS)
        self._reading: SingleFlight[_Key, bytes | None] = SingleFlight()

    async def read(self, resource: ApiResource, *, namespace: str | None, name: str) -> bytes | None:
        """Return one object, as it is or was a moment ago."""
        key = (resource, namespace, name)
        known = self._known.get(key)
        if known is not None:
            return known.value

        async def fetch() -> bytes | None:
            found = await self._inner.read(resource, namespace=namespace, name=name)
            if len(name) <= MAX_NAME_CHARACTERS and len(found or b"") <= MAX_OBJECT_BYTES:
                self._known.put(key, found, seconds=ABSENCE_SECONDS if found is None else SECONDS)
            return found

        return await self._reading.run(key, fetch)

    async def close(self) -> None:
        """Stop what is under way."""
        await self._reading.close()
