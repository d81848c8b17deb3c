"""The queue serves shares in turn, and lets nobody be kept out."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.fair_queue import FairQueue, QueueFullError


def drained(queue: FairQueue[str]) -> list[str]:
    """Take everything out."""
    found: list[str] = []
    while (item := queue.pop()) is not None:
        found.append(item)
    return found


def filled(capacity: int, *items: str) -> FairQueue[str]:
    """Fill a queue with items whose first letter is their share."""
    queue: FairQueue[str] = FairQueue(capacity)
    for item in items:
        queue.push(item[0], item)
    return queue


def test_shares_take_turns() -> None:
    """One item of each line in turn, each line in its own order."""
    assert drained(filled(9, "a1", "a2", "a3", "b1", "c1", "c2")) == ["a1", "b1", "c1", "a2", "c2", "a3"]


def test_an_empty_queue_gives_nothing() -> None:
    """There is no item to take."""
    assert FairQueue[str](1).pop() is None


def test_a_full_queue_makes_room_for_those_with_less() -> None:
    """The newest item of the longest line goes; the length stays."""
    queue = filled(3, "a1", "a2", "a3")

    assert queue.push("b", "b1") == "a3"
    assert (len(queue), "a3" in queue, "b1" in queue) == (3, False, True)
    assert drained(queue) == ["a1", "b1", "a2"]


def test_a_full_queue_refuses_those_with_their_part() -> None:
    """Neither the longest line itself nor one that is hardly shorter gets another place."""
    queue = filled(3, "a1", "a2", "b1")
    for share in "ab":
        with pytest.raises(QueueFullError):
            queue.push(share, "more")
    with pytest.raises(QueueFullError):
        FairQueue[str](0).push("a", "a1")


def test_an_item_that_another_share_wants_sooner_moves() -> None:
    """Whoever asks for what waits behind many others gets it in their own turn, and never later than before."""
    queue = filled(9, "a1", "a2", "a3")
    queue.hasten("b", "a3")
    assert drained(queue) == ["a1", "a3", "a2"]

    queue = filled(9, "a1", "b1", "b2")
    queue.hasten("b", "a1")
    assert drained(queue) == ["a1", "b1", "b2"]


@given(st.lists(st.sampled_from("abc"), max_size=30), st.integers(min_value=1, max_value=8))
def test_no_share_is_served_twice_while_another_waits(shares: list[str], capacity: int) -> None:
    """Bounded at all times, nothing lost that was not given back, and turns as even as the lines allow."""
    queue: FairQueue[str] = FairQueue(capacity)
    held: set[str] = set()
    for number, share in enumerate(shares):
        try:
            evicted = queue.push(share, f"{share}{number}")
        except QueueFullError:
            continue
        held.add(f"{share}{number}")
        held -= {evicted} if evicted else set()
        assert len(queue) <= capacity
    waiting = Counter(item[0] for item in held)
    order = drained(queue)
    served: Counter[str] = Counter()
    for item in order:
        served[item[0]] += 1
        assert all(served[item[0]] <= served[other] + 1 for other, total in waiting.items() if served[other] < total)

    assert held == set(order)
