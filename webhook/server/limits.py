"""How much may be under way at once: reviews, and the bytes of their bodies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["Capacity", "Limits", "Overloaded", "Slot"]

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of the admission endpoint.

    `max_body_bytes` is 7 MiB: the API server accepts objects of 3 MiB, and a review carries the old one too.
    `max_held_bytes` bounds all bodies together that have been received and not yet parsed. Bodies above
    `parse_inline_bytes` are parsed in a thread, so that a large one delays nobody else.
    """

    max_body_bytes: int = 7 * MIB
    max_held_bytes: int = 64 * MIB
    max_reviews: int = 512
    read_seconds: float = 10.0
    parse_inline_bytes: int = 256 * 1024


class Overloaded(Exception):  # noqa: N818 - a state, not a fault of the code
    """There is no room for the request now; in a second there may be."""


class Slot:
    """The place of one review, the task that it runs in, and the bytes that it holds."""

    def __init__(self, capacity: Capacity) -> None:
        self.task = asyncio.current_task()
        self._capacity = capacity
        self._bytes = 0

    def hold(self, count: int) -> None:
        """Account for `count` more bytes; raises Overloaded, and holds nothing more, if they do not fit."""
        self._capacity.take_bytes(count)
        self._bytes += count

    def release(self) -> None:
        """Give all held bytes back."""
        self._capacity.return_bytes(self._bytes)
        self._bytes = 0


class Capacity:
    """Counts what is under way. For one event loop; not for threads."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.held_bytes = 0
        self._slots: set[Slot] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def reviews(self) -> int:
        """How many reviews are in flight."""
        return len(self._slots)

    @contextmanager
    def review(self) -> Iterator[Slot]:
        """Take the place of one review; raises Overloaded if all are taken."""
        if self.reviews >= self.limits.max_reviews:
            raise Overloaded
        slot = Slot(self)
        self._slots.add(slot)
        self._idle.clear()
        try:
            yield slot
        finally:
            slot.release()
            self._slots.remove(slot)
            if not self._slots:
                self._idle.set()

    async def idle(self) -> None:
        """Return once no review is in flight."""
        await self._idle.wait()

    def cut_off(self) -> None:
        """Cancel whatever is in flight."""
        for slot in self._slots:
            if slot.task is not None:
                slot.task.cancel()

    def take_bytes(self, count: int) -> None:
        """Account for bytes that are held."""
        if self.held_bytes + count > self.limits.max_held_bytes:
            raise Overloaded
        self.held_bytes += count

    def return_bytes(self, count: int) -> None:
        """Account for bytes that are not held any more."""
        self.held_bytes -= count
