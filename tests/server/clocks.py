"""A clock that stands still until it is told otherwise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["TestClock"]


class TestClock:
    """Both clocks move only by `advance`; the wall clock starts now, because certificates are made now."""

    __test__ = False

    def __init__(self) -> None:
        self._now = datetime.now(UTC)
        self._monotonic = 1000.0

    def now(self) -> datetime:
        """Return the wall clock."""
        return self._now

    def monotonic(self) -> float:
        """Return the monotonic clock."""
        return self._monotonic

    def advance(self, span: timedelta) -> None:
        """Let time pass."""
        self._now += span
        self._monotonic += span.total_seconds()
