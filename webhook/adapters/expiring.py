"""Memory that forgets: a bounded number of entries, each for a bounded time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from webhook.core.facts import Known
from webhook.ports import Clock

__all__ = ["ExpiringStore"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ExpiringStore(Generic[K, V]):
    """At most `max_entries` values; the one that was stored longest ago makes room for a new one."""

    def __init__(self, *, clock: Clock, max_entries: int) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K) -> Known[V] | None:
        """Return what is remembered, which may itself be None; plain None if nothing is, or no longer."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        expires, value = entry
        if self._clock.monotonic() >= expires:
            del self._entries[key]
            return None
        return Known(value=value)

    def put(self, key: K, value: V, *, seconds: float) -> None:
        """Remember `value` for so many seconds."""
        self._entries.pop(key, None)
        self._entries[key] = (self._clock.monotonic() + seconds, value)
        while len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)

    def forget(self, key: K) -> None:
        """Remove an entry, if it is there."""
        self._entries.pop(key, None)
