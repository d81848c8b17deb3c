"""A bounded queue that serves in turn: whoever asks for much waits behind their own, not before the others."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["FairQueue", "QueueFullError"]

T = TypeVar("T", bound=Hashable)


class QueueFullError(Exception):
    """There is no room, and nobody holds so much more than their part that something of theirs should go."""


class FairQueue(Generic[T]):
    """At most `capacity` distinct items, each in the line of one share (a namespace). Lines take turns, one item each.

    When it is full, a share with less than the longest line takes the place of that line's newest item, so that nobody
    can keep the others out by filling it.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._lines: OrderedDict[str, deque[T]] = OrderedDict()
        self._share_of: dict[T, str] = {}

    def __len__(self) -> int:
        """Count the items that wait."""
        return len(self._share_of)

    def __contains__(self, item: T) -> bool:
        """Tell whether the item waits."""
        return item in self._share_of

    def push(self, share: str, item: T) -> T | None:
        """Put a new item at the end of the line of `share`; return the item that had to go for it, if one had to.

        Raises QueueFullError if there is no room.
        """
        evicted = self._make_room(share) if len(self) >= self._capacity else None
        self._lines.setdefault(share, deque()).append(item)
        self._share_of[item] = share
        return evicted

    def hasten(self, share: str, item: T) -> None:
        """Let a waiting item be served with another share that asks for it too, if its turn comes sooner there."""
        current = self._lines[self._share_of[item]]
        if len(self._lines.get(share, ())) < current.index(item):
            self._remove(item)
            self.push(share, item)

    def pop(self) -> T | None:
        """Take the next item: the oldest one of the line whose turn it is; None if nothing waits."""
        if not self._lines:
            return None
        share, line = next(iter(self._lines.items()))
        item = line[0]
        self._remove(item)
        if share in self._lines:
            self._lines.move_to_end(share)
        return item

    def _make_room(self, share: str) -> T:
        longest = max(self._lines.values(), key=len, default=deque[T]())
        if len(longest) <= len(self._lines.get(share, ())) + 1:
            raise QueueFullError
        newest = longest[-1]
        self._remove(newest)
        return newest

    def _remove(self, item: T) -> None:
        share = self._share_of.pop(item)
        line = self._lines[share]
        line.remove(item)
        if not line:
            del self._lines[share]
