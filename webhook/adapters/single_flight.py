"""The same question is asked once at a time, however many want to know."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

__all__ = ["SingleFlight"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SingleFlight(Generic[K, V]):
    """Questions under way. Whoever asks one of them again waits for the same answer, or for the same exception.

    A waiter that is cancelled leaves the question running for the others, so `fetch` must end by its own deadline.
    """

    def __init__(self) -> None:
        self._flights: dict[K, asyncio.Task[V]] = {}

    def __len__(self) -> int:
        """Count the questions under way."""
        return len(self._flights)

    def __contains__(self, key: K) -> bool:
        """Tell whether this question is under way."""
        flight = self._flights.get(key)
        return flight is not None and not flight.done()

    async def run(self, key: K, fetch: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """Return the answer of the flight that is under way for `key`, or start one with `fetch`."""
        flight = self._flights.get(key)
        if flight is None or flight.done():
            flight = asyncio.create_task(fetch())
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._land(key, done))
        return await asyncio.shield(flight)

    async def close(self) -> None:
        """Cancel what is under way and wait until it has ended."""
        flights = tuple(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _land(self, key: K, flight: asyncio.Task[V]) -> None:
        """Forget a flight that ended; its exception counts as seen even if every waiter has left."""
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not flight.cancelled():
            flight.exception()
