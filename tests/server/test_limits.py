"""How much may be under way at once."""

from __future__ import annotations

import asyncio

import pytest

from webhook.server.limits import Capacity, Limits, Overloaded


async def test_reviews_beyond_the_limit_are_turned_away() -> None:
    """With all places taken there is no other, and a place that is left can be taken again."""
    capacity = Capacity(Limits(max_reviews=1))
    with capacity.review(), pytest.raises(Overloaded), capacity.review():
        pass
    with capacity.review():
        assert capacity.reviews == 1


async def test_held_bytes_are_bounded_together() -> None:
    """Bodies of different reviews share one budget, and a refused piece is not counted."""
    capacity = Capacity(Limits(max_held_bytes=10))
    with capacity.review() as first, capacity.review() as second:
        first.hold(6)
        with pytest.raises(Overloaded):
            second.hold(5)
        second.hold(4)
        assert capacity.held_bytes == 10


async def test_whatever_ends_a_review_gives_its_bytes_back() -> None:
    """A review that fails keeps neither its place nor its bytes."""
    capacity = Capacity(Limits())

    def fail() -> None:
        with capacity.review() as slot:
            slot.hold(7)
            raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        fail()
    assert (capacity.reviews, capacity.held_bytes) == (0, 0)


async def test_idle_returns_when_the_last_review_ends() -> None:
    """Waiting for idleness ends with the last review, not before."""
    capacity = Capacity(Limits())
    with capacity.review():
        waiting = asyncio.ensure_future(capacity.idle())
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting
