"""The real clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime

__all__ = ["SystemClock"]


class SystemClock:
    """Implements `webhook.ports.Clock` with the clocks of the operating system."""

    def now(self) -> datetime:
        """Return the wall clock, in UTC, with its time zone."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that only ever increase."""
        return time.monotonic()
