"""Where the process stands between its start and its end, as far as a caller can notice."""

from __future__ import annotations

from enum import Enum

from webhook.server.gate import ReadinessCheck

__all__ = ["Lifecycle", "Phase"]


class Phase(Enum):
    """The three phases, in their only order."""

    SERVING = "serving"
    LEAVING = "leaving"
    """Not ready any more, so that the endpoint is removed; requests are answered, and their connections closed."""
    REFUSING = "refusing"
    """New requests are sent elsewhere (503 with Retry-After) while those in flight are finished."""


class Lifecycle:
    """The current phase. It only moves forward."""

    def __init__(self) -> None:
        self.phase = Phase.SERVING

    def leave(self) -> None:
        """Begin to drain."""
        self.phase = Phase.LEAVING

    def refuse(self) -> None:
        """Take nothing new."""
        self.phase = Phase.REFUSING

    def readiness(self) -> ReadinessCheck:
        """Say whether new traffic is welcome."""
        return ReadinessCheck(name="lifecycle", ok=self.phase is Phase.SERVING, detail=self.phase.value)
