"""The real clock, and one that stands."""

from __future__ import annotations

import time
from datetime import UTC, datetime

__all__ = ["StandingClock", "SystemClock"]


class SystemClock:
    """Implements `webhook.ports.Clock` with the clocks of the operating system."""

    def now(self) -> datetime:
        """Return the wall clock, in UTC, with its time zone."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that only ever increase."""
        return time.monotonic()


class StandingClock(SystemClock):
    """Implements `webhook.ports.Clock`: one instant for a whole run, so that all of it is judged as on one day."""

    def __init__(self, instant: datetime) -> None:
        self._instant = instant

    def now(self) -> datetime:
        """Return the instant."""
        return self._instant
