"""How much of the caller's time a review gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.server.deadlines import deadlines, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10s", 10.0),
        ("1m30s", 90.0),
        ("500ms", 0.5),
        (".5s", 0.5),
        ("1.5s", 1.5),
        ("2.s", 2.0),
        ("1h", 3600.0),
        ("250us", 250e-6),
        ("250µs", 250e-6),
        ("3ns", 3e-9),
    ],
)
def test_go_durations_are_read(text: str, seconds: float) -> None:
    """A duration as Go writes it is that many seconds."""
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "0s", "10", "s", "-1s", "1s ", " 1s", "1 s", "1d", "1s1", "x1s", "1e3s", "1" * 40]
)
def test_anything_else_is_no_duration(text: str) -> None:
    """What Go would not read, or what is not positive, is no timeout."""
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("query", "decide_by", "leaves_at"),
    [
        (b"timeout=10s", 9.0, 10.0),
        (b"", 9.0, 10.0),
        (b"timeout=nonsense", 9.0, 10.0),
        (b"timeout=%ff", 9.0, 10.0),
        (b"a=1&timeout=3s", 2.0, 3.0),
        (b"timeout=5m", 29.0, 30.0),
        (b"timeout=1s", 0.25, 1.0),
        (b"timeout=100ms", 0.25, 0.25),
        (b"&".join([b"a=1"] * 100) + b"&timeout=3s", 9.0, 10.0),
    ],
)
def test_a_second_is_kept_for_the_answer(query: bytes, decide_by: float, leaves_at: float) -> None:
    """The gate gets the caller's timeout less a second, between a quarter of a second and 29 seconds."""
    instants = deadlines(query, arrived=100.0)
    assert instants.decide_by == pytest.approx(100.0 + decide_by)
    assert instants.caller_leaves_at == pytest.approx(100.0 + leaves_at)


@given(query=st.binary(max_size=200), arrived=st.floats(min_value=0, max_value=1e9))
def test_instants_are_in_order_whatever_the_caller_writes(query: bytes, arrived: float) -> None:
    """Any query gives a deadline in the future, before the server's own answer, before the caller leaves."""
    instants = deadlines(query, arrived=arrived)
    assert arrived < instants.decide_by <= instants.answer_by <= instants.caller_leaves_at <= arrived + 30.0
