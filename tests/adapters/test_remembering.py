"""The two small helpers of everything that remembers or shares."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.clock import ManualClock
from webhook.adapters.clock import SystemClock
from webhook.adapters.expiring import ExpiringStore
from webhook.adapters.single_flight import SingleFlight
from webhook.core.facts import Known


def test_an_entry_expires() -> None:
    """What was stored is there until its time is over; None can be stored."""
    clock = ManualClock()
    store: ExpiringStore[str, int | None] = ExpiringStore(clock=clock, max_entries=10)
    store.put("a", 1, seconds=5)
    store.put("b", None, seconds=10)
    clock.advance(5)
    assert store.get("a") is None
    assert store.get("b") == Known(value=None)
    store.forget("b")
    store.forget("b")
    assert store.get("b") is None


def test_the_oldest_entry_makes_room() -> None:
    """No more than the bound is kept, and storing again makes an entry new."""
    store: ExpiringStore[str, int] = ExpiringStore(clock=ManualClock(), max_entries=2)
    for key in ("a", "b", "a", "c"):
        store.put(key, 1, seconds=5)
    assert [key for key in ("a", "b", "c") if store.get(key)] == ["a", "c"]


async def test_a_question_is_asked_once_at_a_time() -> None:
    """Whoever asks meanwhile gets the same answer; whoever asks later asks anew."""
    flights: SingleFlight[str, int] = SingleFlight()
    gate, calls = asyncio.Event(), 0

    async def fetch() -> int:
        nonlocal calls
        calls += 1
        await gate.wait()
        return calls

    waiting = [asyncio.create_task(flights.run("x", fetch)) for _ in range(3)]
    await asyncio.sleep(0)
    assert ("x" in flights, len(flights)) == (True, 1)
    waiting[0].cancel()
    gate.set()
    assert await waiting[1] == await waiting[2] == 1
    assert await flights.run("x", fetch) == 2


async def test_everybody_gets_the_exception() -> None:
    """A question that fails fails for all who wait, and for nobody afterwards."""
    flights: SingleFlight[str, int] = SingleFlight()

    async def fail() -> int:
        await asyncio.sleep(0)
        raise LookupError

    results = await asyncio.gather(*(flights.run("x", fail) for _ in range(2)), return_exceptions=True)
    assert [type(result) for result in results] == [LookupError, LookupError]
    with pytest.raises(LookupError):
        await flights.run("x", fail)


async def test_closing_ends_what_is_under_way() -> None:
    """Nothing runs on after closing."""
    flights: SingleFlight[str, None] = SingleFlight()
    waiting = asyncio.create_task(flights.run("x", asyncio.Event().wait))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await flights.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert len(flights) == 0


def test_the_system_clock_has_a_time_zone_and_never_goes_back() -> None:
    """The wall clock is in UTC, the other one increases."""
    clock = SystemClock()
    assert clock.now().utcoffset() is not None
    assert clock.monotonic() <= clock.monotonic()
